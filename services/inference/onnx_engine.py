"""The Engine port on ONNX Runtime, on the CPU or on a GPU. The only file that knows it.

Sessions are made from bytes, so that a file can name no other file. Custom operators are never registered.
"""

import os

# Since 1.29 the official Linux wheels report models and machine to their maker unless told not to before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import contextlib
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from contracts.http.models import Manifest
from services.inference.engine import EngineBroken, Halt, ModelRejected, RunFailed, Signature, TensorFacts
from services.inference.preprocess import Batch
from services.inference.signature import match, shown
from services.kit.errors import ConfigError

Provider = Literal["cpu", "cuda"]
_CPU = "CPUExecutionProvider"
_PROVIDERS: Mapping[Provider, Sequence[str]] = {"cpu": (_CPU,), "cuda": ("CUDAExecutionProvider", _CPU)}
"""What ONNX Runtime is asked for, best first: operators that the GPU does not know run on the CPU."""

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
_ERRORS = (
    runtime.EPFail,
    runtime.EngineError,
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NoModel,
    runtime.NoSuchFile,
    runtime.NotFound,
    runtime.NotImplemented,
    runtime.RuntimeException,
    MemoryError,
    RuntimeError,  # what the binding raises before the library is asked
    ValueError,
)
_OUT_OF_MEMORY = re.compile(r"bad_alloc|Failed to allocate memory|[Oo]ut of memory|bad allocation")
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_SOURCE = re.compile(r"^/\S+:\d+ .*?\) ")
_QUIET = 4
"""Fatal only: warnings about a user's graph are no business of our log."""

_RUN_BYTES: Mapping[Provider, int] = {"cpu": 640_000, "cuda": 64 * 1024 * 1024}
"""Input of one run of a file that takes any number. On the CPU one image of 224 x 224 in float32: what its layers hold
then still fits the cache. Measured with a MobileNet on two threads: 3.9 ms of processor time an image one by one with
the arena, 4.3 without; 4.6 and 5.0 by four."""

_OURS = bytes.fromhex(
    "080812003a340a0b0a017812017922034e65671201675a100a0178120b0a0908"
    "0112050a0312014e62100a0179120b0a09080112050a0312014e42040a001011"
)
"""An ONNX file that turns the sign of floats, opset 17."""

_WORK_BYTES = 4 * 1024 * 1024
"""What a model holds beside its weights and their copy in the order that its kernels like. Measured with two threads:
33 MB of a MobileNet with a file of 14 MB, 6 MB of four convolutions with one of 0.3 MB."""

_creating = threading.Lock()
"""Making sessions at the same time is not documented as safe (onnxruntime issue 27089)."""


class OnnxEngine:
    """Loads ONNX files; each run of a model uses up to `threads` threads.

    Raises:
        ConfigError: the provider is not to be had here.
    """

    def __init__(self, threads: int, provider: Provider = "cpu") -> None:
        self._threads = threads
        self._provider = provider
        if provider != "cpu":
            with contextlib.redirect_stdout(sys.stderr):  # where it says what it does not find
                onnxruntime.preload_dlls()  # those that came as Python packages; the system's are found anyway
            offered = onnxruntime.get_available_providers()
            require(provider, offered, start=lambda: self._session(_OURS).get_providers())

    def load(self, data: bytes, manifest: Manifest) -> "OnnxModel":
        """See `engine.Engine.load`."""
        try:
            session = self._session(data)
        except _ERRORS as error:
            raise ModelRejected(_code_of(error), _detail_of(error)) from None
        inputs = [_facts_of(argument) for argument in session.get_inputs()]
        outputs = [_facts_of(argument) for argument in session.get_outputs()]
        return OnnxModel(
            session,
            match(inputs, outputs, manifest),
            manifest.output_shape,
            run_bytes=_RUN_BYTES[self._provider],
            memory_bytes=2 * len(data) + _WORK_BYTES,
        )

    def check(self) -> None:
        """See `engine.Engine.check`."""
        try:
            (turned,) = self._session(_OURS).run(["y"], {"x": np.array([1.0, -2.0], np.float32)})
        except _ERRORS as error:
            raise EngineBroken(f"ONNX Runtime cannot run even a model of ours: {_detail_of(error)}") from None
        if list(turned) != [-1.0, 2.0]:
            raise EngineBroken("ONNX Runtime answers wrong: a model of ours that turns the sign of a number does not")

    def _session(self, data: bytes) -> Any:
        with _creating:
            return onnxruntime.InferenceSession(data, self._options(), providers=list(_PROVIDERS[self._provider]))

    def _options(self) -> Any:
        options = onnxruntime.SessionOptions()
        # The default takes every core of the machine and pins threads to them, whatever we may use.
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # A spinning thread burns the processor that the event loop needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        # The arena gives nothing back (onnxruntime issue 11627), but runs of one size never let it grow. Without it
        # every layer's memory is asked of the system anew.
        options.enable_cpu_mem_arena = True
        options.enable_mem_pattern = True
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.log_severity_level = _QUIET
        return options


class OnnxModel:
    """A session and the input and output that are used."""

    def __init__(
        self,
        session: Any,
        signature: Signature,
        wanted: tuple[int | None, ...],
        *,
        run_bytes: int,
        memory_bytes: int,
    ) -> None:
        self._session = session
        self._signature = signature
        self._wanted = wanted
        self._run_bytes = run_bytes
        self.memory_bytes = memory_bytes

    @property
    def signature(self) -> Signature:
        """See `engine.LoadedModel.signature`."""
        return self._signature

    def run(self, batch: Batch, halt: Halt | None = None) -> NDArray[np.floating]:
        """See `engine.LoadedModel.run`."""
        options = onnxruntime.RunOptions()
        options.log_severity_level = _QUIET
        if halt is not None:
            halt.on_stop(lambda: setattr(options, "terminate", True))
        fixed = self._signature.fixed_batch
        size = fixed or max(1, self._run_bytes // batch[0].nbytes)
        parts = [batch[at : at + size] for at in range(0, len(batch), size)]
        return np.concatenate(
            [self._padded(part, fixed, options) if fixed else self._once(part, options) for part in parts]
        )

    def _padded(self, part: Batch, size: int, options: Any) -> NDArray[np.floating]:
        if len(part) == size:
            return self._once(part, options)
        filled = np.zeros((size, *part.shape[1:]), part.dtype)
        filled[: len(part)] = part
        return self._once(filled, options)[: len(part)]

    def _once(self, batch: Batch, options: Any) -> NDArray[np.floating]:
        signature = self._signature
        try:
            output = self._session.run([signature.output.name], {signature.input.name: batch}, options)[0]
        except _ERRORS as error:
            if options.terminate:
                raise RunFailed("too_slow", "the run took too long and was stopped") from None
            code = _code_of(error)
            raise RunFailed("run_failed" if code == "unsupported" else code, _detail_of(error)) from None
        self._check_shape(output, len(batch))
        return np.asarray(output)

    def _check_shape(self, output: Any, size: int) -> None:
        shape: tuple[int, ...] = output.shape if isinstance(output, np.ndarray) else ()
        wanted = (size, *self._wanted)
        same = len(shape) == len(wanted) and shape[0] == size
        if same and all(want in {None, had} for want, had in zip(wanted, shape, strict=True)):
            return
        code = "labels_mismatch" if same else "output_mismatch"
        raise RunFailed(code, f"the output for {size} image(s) has the shape {shape}, not {shown(wanted)}")


def require(provider: Provider, offered: Sequence[str], start: Callable[[], Sequence[str]]) -> None:
    """Return if `provider` is what a session really runs on: ONNX Runtime falls back to the CPU without an error.

    `offered` are those of the installed package; `start` starts a session and returns those that it has.

    Raises:
        ConfigError: it is not offered, or not started.
    """
    wanted = _PROVIDERS[provider][0]
    setting = f"SIGHTLINE_INFERENCE_PROVIDER={provider}"
    if wanted not in offered:
        raise ConfigError(
            f"{setting}: the installed ONNX Runtime has no {wanted}; install onnxruntime-gpu in place of onnxruntime "
            "(see docs/production.md), or leave the setting away for the CPU"
        )
    if wanted not in start():
        raise ConfigError(
            f"{setting}: {wanted} does not start here; it needs an NVIDIA GPU with its driver, CUDA and cuDNN "
            "(see docs/production.md), or leave the setting away for the CPU"
        )


def _facts_of(argument: Any) -> TensorFacts:
    # An open size is a name or None; an empty shape stands for an unknown rank as well as for a scalar.
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in argument.shape or ())
    return TensorFacts(argument.name, shape or None, _DTYPES.get(argument.type, ""))


def _code_of(error: Exception) -> str:
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
        return "too_much_memory"
    if isinstance(error, (runtime.InvalidProtobuf, runtime.NoModel)) or "No graph was found" in str(error):
        return "not_onnx"
    return "unsupported"


def _detail_of(error: Exception) -> str:
    """Return the library's message for a person: one line, without its own paths and codes."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    text = _SOURCE.sub("", _PREFIX.sub("", " ".join(str(error).split())))
    return text[:500]
