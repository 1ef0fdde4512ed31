"""Watching a folder: each image file once, as soon as it is whole."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from contracts.v1.image_query import MAX_IMAGE_BYTES
from services.kit.errors import ConfigError, Refused
from services.kit.images import inspect
from services.submitter.frames import Frame

log = structlog.get_logger(__name__)

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_SHORTEST_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was seen; written again it is another one."""

    changed_ns: int
    name: str
    size_bytes: int


class FolderWatch:
    """A folder that is polled: first what lies there, then what comes, oldest first, the bytes as they are.

    Hidden files and those without the suffix of an image are passed over. A file that is not whole yet is looked at
    again when it has changed; one that is no image, or larger than 8 MiB, is said once and skipped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[_File] = set()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._list)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    async def frames(self, interval_s: float) -> AsyncGenerator[Frame, None]:
        """See `Source.frames`; the interval is that of the polls."""
        index = 0
        while True:
            for file in await asyncio.to_thread(self._list):
                frame = await asyncio.to_thread(self._read, file, index)
                if frame is not None:
                    index += 1
                    yield frame
            await asyncio.sleep(max(interval_s, _SHORTEST_POLL_S))

    def _list(self) -> Sequence[_File]:
        """Return the image files that were not seen before, oldest first."""
        found = set()
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and Path(entry.name).suffix.lower() in _SUFFIXES:
                        found |= _look_at(entry)
        except OSError as error:
            raise ConfigError(f"cannot read the folder {self._path}: {error.strerror}") from error
        self._seen &= found  # forget what is gone
        return sorted(found - self._seen, key=lambda file: (file.changed_ns, file.name))

    def _read(self, file: _File, index: int) -> Frame | None:
        """Return the file if it is a whole image."""
        self._seen.add(file)
        if file.size_bytes > MAX_IMAGE_BYTES:
            log.warning("capture.skipped", file=file.name, reason="too large", size_bytes=file.size_bytes)
            return None
        try:
            data = (self._path / file.name).read_bytes()
            facts = inspect(data, max_pixels=sys.maxsize)  # how large is too large is the platform's decision
        except OSError as error:
            log.warning("capture.skipped", file=file.name, reason=error.strerror)
        except Refused as error:
            if error.code in {"image_empty", "image_truncated"}:
                log.debug("capture.not_whole", file=file.name)
            else:
                log.warning("capture.skipped", file=file.name, reason=error.code, detail=error.detail)
        else:
            if len(data) == file.size_bytes:  # else it was written meanwhile, and the next poll finds it changed
                return Frame(index, datetime.fromtimestamp(file.changed_ns / 1e9, UTC), data, facts.media_type)
        return None


def _look_at(entry: os.DirEntry[str]) -> set[_File]:
    try:
        status = entry.stat()
    except OSError:  # gone meanwhile, or a link that leads nowhere
        return set()
    if not stat.S_ISREG(status.st_mode):
        return set()
    return {_File(status.st_mtime_ns, entry.name, status.st_size)}
