"""A process that writes to a SQLite store without end and says what it has written, so that a test can kill it.

Usage: python -m tests.support.store_writer PATH. One JSON line per write that returned, on standard output.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import structlog

from services.kit.store.port import Swap
from services.kit.store.sqlite import SqliteStore
from tests.support.documents import make_blob, make_claim, make_document

_WRITERS = 8


def _say(*words: str | int) -> None:
    os.write(1, (json.dumps(words) + "\n").encode())


async def _write(store: SqliteStore, writer: int) -> None:
    number = 0
    while True:
        number += 1
        document = make_document()
        await store.queries.swap([Swap(document, 0)])
        _say("document", document.id, 1)
        await store.queries.swap([Swap(document.model_copy(update={"revision": 2}), 1)])
        _say("document", document.id, 2)
        claim = await store.claims.make(make_claim(key=f"{writer}-{number}"))
        _say("claim", claim.id, 1)
        blob = make_blob(f"{writer}-{number}".encode() * 1000)
        await store.images.put(blob)
        _say("blob", blob.sha256, 1)


async def _main(path: Path) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with SqliteStore(path) as store, asyncio.TaskGroup() as group:
        for writer in range(_WRITERS):
            group.create_task(_write(store, writer))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
