"""A process that runs models on images that may have killed a worker, one after the other.

It lays a limit on its memory before it sees anything, and ends by itself when nothing has been asked for a while.
"""

import os
import signal
import sys
from typing import BinaryIO

import numpy as np

from services.inference.child import restrict
from services.inference.child_messages import READY, pack, read_question
from services.inference.engine import LoadedModel, ModelRejected, RunFailed
from services.inference.isolation_messages import Ran, Run
from services.inference.onnx_engine import OnnxEngine
from services.inference.preprocess import input_shape

_IDLE_S = 60
"""Suspects come together, after a crash; between crashes nobody needs this process and its model."""


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer questions until there are no more."""
    engine = OnnxEngine(threads=1)
    model: LoadedModel | None = None
    signal.alarm(_IDLE_S)
    while (asked := read_question(source, Run)) is not None:
        signal.alarm(0)
        run, body = asked
        outputs = b""
        try:
            if run.model_bytes:
                model = None
                model = engine.load(body[: run.model_bytes], run.manifest)
            reply, outputs = _answer(model, run, body[run.model_bytes :])
        except (ModelRejected, RunFailed) as error:
            reply = Ran(code=error.code, detail=error.detail)
        except MemoryError:
            reply = Ran(code="too_much_memory", detail="there is not enough memory for the model and one image")
        sink.write(pack(reply, len(outputs)))
        sink.write(outputs)
        sink.flush()
        signal.alarm(_IDLE_S)


def _answer(model: LoadedModel | None, run: Run, image: bytes) -> tuple[Ran, bytes]:
    if model is None:
        return Ran(code="run_failed", detail="the model could not be loaded before"), b""
    wanted = run.manifest.input
    outputs = model.run(np.frombuffer(image, np.dtype(wanted.dtype)).reshape((1, *input_shape(wanted))))
    return Ran(shape=outputs.shape, dtype=outputs.dtype.name), outputs.tobytes()


def main() -> None:
    """Serve on standard input and output; the one argument is the most memory in bytes."""
    restrict(memory_bytes=int(sys.argv[1]), file_bytes=0)
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # whatever a library prints must not get between our answers
        sink.write(READY)
        sink.flush()
        serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
