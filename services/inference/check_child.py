"""A process that tries one model file and says what came of it.

It lays limits on itself before it looks at the file. It may be killed at any time.
"""

import os
import sys
from pathlib import Path

from contracts.http.models import Manifest
from services.inference.check_messages import Trial, Verdict
from services.inference.child import restrict
from services.inference.engine import LoadedModel, ModelRejected, RunFailed
from services.inference.onnx_engine import OnnxEngine
from services.inference.onnx_scan import refuse_references
from services.inference.postprocess import READERS
from services.inference.preprocess import empty_batch
from services.inference.readings import Unreadable

_TRIED_BATCH = 3
"""Not a power of two, and not one: a graph that only pretends to take any batch size fails on it."""


_MOST_DETAIL = 1000
"""Names inside the file may be of any length."""


def examine(data: bytes, manifest: Manifest) -> None:
    """Load the model and run it once per batch size on an input of zeros.

    Raises:
        ModelRejected: it cannot be served.
    """
    refuse_references(data)
    model = OnnxEngine(threads=1).load(data, manifest)
    _try_run(model, manifest, 1)
    if model.signature.fixed_batch is None:
        _try_run(model, manifest, _TRIED_BATCH)


def _try_run(model: LoadedModel, manifest: Manifest, size: int) -> None:
    batch = empty_batch(size, manifest.input)
    batch[...] = 0
    try:
        outputs = model.run(batch)
    except RunFailed as error:
        if error.code != "run_failed":
            raise ModelRejected(error.code, error.detail) from None
        if size == 1:
            raise ModelRejected("unsupported", f"a trial run fails: {error.detail}") from None
        raise ModelRejected(
            "input_mismatch",
            f"the file says that it takes any batch size, but {size} at once fail; fix the batch size to 1 in the"
            f" file: {error.detail}",
        ) from None
    for reading in READERS[manifest.task](outputs, manifest):
        if isinstance(reading, Unreadable):
            raise ModelRejected(reading.reason, f"in a trial run on zeros, {reading.detail}")


def _judge(trial: Trial) -> Verdict:
    try:
        examine(Path(trial.path).read_bytes(), trial.manifest)
    except ModelRejected as error:
        if error.code == "too_much_memory":
            return _too_much_memory(trial, error.detail)
        return Verdict(accepted=False, reason=error.code, detail=error.detail[:_MOST_DETAIL])
    except MemoryError:
        return _too_much_memory(trial, "it cannot even be read")
    return Verdict(accepted=True)


def _too_much_memory(trial: Trial, detail: str) -> Verdict:
    limit = f"a trial run needs more than {trial.memory_bytes} bytes, SIGHTLINE_MODEL_CHECK_MEMORY_BYTES"
    return Verdict(accepted=False, reason="too_much_memory", detail=f"{limit}: {detail}"[:_MOST_DETAIL])


def main() -> None:
    """Read a trial from standard input, print the verdict."""
    trial = Trial.model_validate_json(sys.stdin.buffer.readline())
    os.nice(10)  # queries that wait for an answer come first
    restrict(memory_bytes=trial.memory_bytes, processor_s=trial.processor_s, file_bytes=0)
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # whatever a library prints must not be taken for the verdict
        sink.write(_judge(trial).model_dump_json().encode() + b"\n")


if __name__ == "__main__":
    main()
