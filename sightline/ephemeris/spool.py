"""Where requests wait on disk until all of a source's data has been found right."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Self

from contracts.http.ephemeris import EphemerisUpload, PackedMetadata


class Spool:
    """Requests in a temporary file without a name: some 130 kB a day, and gone with the process. Use it in a `with`."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="sightline-ephemeris-")  # noqa: SIM115 - closed by exit
        self.days = 0
        """How many days wait."""
        self.keys: dict[str, str] = {}
        """The keys of all metadata, with the type that their values have."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def fill(self, uploads: Iterable[EphemerisUpload]) -> None:
        """Add requests."""
        for upload in uploads:
            self._file.write(upload.model_dump_json(exclude_none=True).encode() + b"\n")
            self.days += len(upload.days)
            for day in upload.days:
                self._note_keys(day.metadata)

    def _note_keys(self, metadata: PackedMetadata | None) -> None:
        for text in metadata.texts if metadata is not None else ():
            for key, value in text.items():
                kind = _kind(value)
                self.keys[key] = kind if self.keys.get(key, kind) == kind else "string"

    def __iter__(self) -> Iterator[EphemerisUpload]:
        self._file.seek(0)
        for line in self._file:
            yield EphemerisUpload.model_validate_json(line)


def _kind(value: object) -> str:
    """Return what a schema calls the type of a value."""
    if isinstance(value, bool):
        return "bool"
    return {int: "int", float: "double"}.get(type(value), "string")
