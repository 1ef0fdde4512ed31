"""The Engine port: what runs model files, whatever library does it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.http.models import Manifest
from services.inference.preprocess import Batch
from services.kit.errors import PlatformError


class ModelRejected(PlatformError):  # noqa: N818 - reads as what happened
    """The file cannot be served with its manifest, here or elsewhere. `code` is stable, `detail` is for a person."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class RunFailed(PlatformError):  # noqa: N818
    """A run of a model gave no usable output; other input may do better.

    `code` is run_failed, too_much_memory, too_slow (it was stopped), output_mismatch or labels_mismatch; where the
    model runs in a process of its own, also worker_crashed (the process died) and the codes of ModelRejected.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class EngineBroken(PlatformError):  # noqa: N818
    """The library fails whatever it is given: no query and no model is to blame."""


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What a model file says of an input or output.

    `shape` has None where a size is open, and is None where even the rank is. `dtype` is NumPy's name, "" for one
    that NumPy does not have.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str


@dataclass(frozen=True, slots=True)
class Signature:
    """The input and output that are used, and the batch size if the file fixes it."""

    input: TensorFacts
    output: TensorFacts
    fixed_batch: int | None


class Halt:
    """Ends one run early, whether it has begun or not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._end: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self._asked

    def stop(self) -> None:
        """Make the run fail soon; from any thread."""
        with self._lock:
            self._asked = True
            end = self._end
        if end is not None:
            end()

    def on_stop(self, end: Callable[[], None]) -> None:
        """Say how the run is ended; called by the run as it begins."""
        with self._lock:
            self._end, asked = end, self._asked
        if asked:
            end()


class RunnableModel(Protocol):
    """A model that can be run."""

    def run(self, batch: Batch, halt: Halt | None = None) -> NDArray[np.floating]:
        """Return the outputs, N first, in the shape of the manifest.

        Blocks; takes any N from 1; several threads may run it at once. A file with a fixed batch size is run as often
        as that needs. `halt` ends the run early.

        Raises:
            RunFailed: the library failed, ran out of memory, was stopped, or the output has another shape.
        """
        ...


class LoadedModel(RunnableModel, Protocol):
    """A model in this process."""

    @property
    def signature(self) -> Signature:
        """The input and output that are used."""
        ...

    @property
    def memory_bytes(self) -> int:
        """About what it holds, its work space included."""
        ...


class Engine(Protocol):
    """Loads model files."""

    def load(self, data: bytes, manifest: Manifest) -> LoadedModel:
        """Return the model, checked against its manifest. Blocks; loads one after the other.

        Raises:
            ModelRejected: the file cannot be read, uses what is not supported, or does not fit its manifest.
        """
        ...

    def check(self) -> None:
        """Return if a small model of ours loads and runs. Blocks, for milliseconds.

        Raises:
            EngineBroken: it does not.
        """
        ...
