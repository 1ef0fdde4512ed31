"""The calls about models."""

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypedDict

from contracts.http.models import Manifest, Model, ModelPage, ModelUpdate
from contracts.http.routes import ROUTES
from sightline.calls import Call, json_body, read_nothing, reader, segment
from sightline.errors import Refused

ModelSource = str | os.PathLike[str] | bytes | IO[bytes]
"""A path, the bytes of an ONNX file, or a binary file that can seek."""
ManifestSource = str | os.PathLike[str] | Mapping[str, Any] | Manifest
"""A path to a JSON file, or what would stand in it."""
Progress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes in all."""

MAX_BYTES = next(route.body_limit for route in ROUTES if (route.method, route.path) == ("POST", "/v1/models"))
CHECK_S = 120.0
"""How long the platform may take to try a model before it answers."""


class ModelChanges(TypedDict, total=False):
    """What may be changed; the file and its manifest never change."""

    name: str
    description: str


def read_manifest(source: ManifestSource) -> Manifest:
    """Return a checked manifest.

    Raises:
        OSError: the file cannot be read.
        Refused: manifest_invalid, with what is wrong in it.
    """
    if isinstance(source, Manifest):
        return source
    try:
        if isinstance(source, Mapping):
            return Manifest.model_validate(dict(source))
        return Manifest.model_validate_json(Path(source).read_bytes())
    except ValueError as error:
        raise Refused("manifest_invalid", _first_line(error)) from None


@contextmanager
def opened(source: ModelSource, progress: Progress | None) -> Iterator[IO[bytes]]:
    """Open a model for sending; only what was opened here is closed."""
    if isinstance(source, bytes):
        yield Watched(io.BytesIO(source), progress)
    elif isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            yield Watched(file, progress)
    else:
        yield Watched(source, progress)


class Watched(io.RawIOBase, IO[bytes]):
    """A binary file that tells how far it was read."""

    def __init__(self, file: IO[bytes], progress: Progress | None) -> None:
        super().__init__()
        self._file = file
        self._progress = progress
        self._total = file.seek(0, os.SEEK_END)
        file.seek(0)
        if self._total > MAX_BYTES:
            raise Refused("body_too_large", f"a model may have at most {MAX_BYTES} bytes", status=413)

    def read(self, size: int = -1, /) -> bytes:
        """Read, and tell."""
        data = self._file.read(size)
        if self._progress is not None:
            self._progress(self._file.tell(), self._total)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move, as the sender does to learn the size."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True


def upload(file: IO[bytes], manifest: Manifest, *, name: str, description: str) -> Call[Model]:
    """Send a model; the platform tries it before it takes it."""
    files: dict[str, Any] = {
        "model": (f"{name}.onnx", file, "application/octet-stream"),
        "manifest": ("manifest.json", manifest.model_dump_json(exclude_unset=True).encode(), "application/json"),
        "name": (None, name.encode()),
    }
    if description:
        files["description"] = (None, description.encode())
    return Call(method="POST", path="/v1/models", files=files, wait_s=CHECK_S, read=reader(Model))


def get(model: str) -> Call[Model]:
    """Read one, by ID or name."""
    return Call(method="GET", path=f"/v1/models/{segment(model)}", read=reader(Model))


def update(model: str, changes: ModelChanges) -> Call[Model]:
    """Change one, by ID or name."""
    return Call(
        method="PATCH",
        path=f"/v1/models/{segment(model)}",
        headers={"Content-Type": "application/json"},
        content=json_body(ModelUpdate, changes),
        read=reader(Model),
    )


def delete(model: str) -> Call[None]:
    """Remove one that no detector uses, by ID or name."""
    return Call(method="DELETE", path=f"/v1/models/{segment(model)}", read=read_nothing)


def page(cursor: str | None) -> Call[ModelPage]:
    """Read one page of the list, newest first."""
    params = (("cursor", cursor),) if cursor is not None else ()
    return Call(method="GET", path="/v1/models", params=params, read=reader(ModelPage))


def _first_line(error: ValueError) -> str:
    if hasattr(error, "errors"):
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return str(error) or json.dumps(type(error).__name__)
