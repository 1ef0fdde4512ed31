"""Two bare routes to compare the doors with: one reads a body, one finds a document by its key in the same store."""

import argparse
import os
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from benchmarks.folders import ROOT
from services.kit.runtime import listen, origin_of
from services.kit.settings import load

_START_S = 30.0
_TENANT = "default"


@contextmanager
def serving(store: str) -> Iterator[str]:
    """Run the routes in a process of their own; yield their origin."""
    command = [sys.executable, "-m", "benchmarks.bare_http", store]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], _START_S)[0]:
                raise RuntimeError("the bare routes did not start")
            yield os.read(process.stdout.fileno(), 200).decode().strip()
        finally:
            process.kill()


def _app(store: str) -> FastAPI:
    # As in our own doors: asking the environment about telemetry would take a tenth of a request's time.
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False})

    @app.post("/body")
    async def take(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    if store.startswith("sqlite:"):
        app.get("/v1/queries/{query_id}")(_find_in_sqlite(store))
    else:
        app.get("/v1/queries/{query_id}")(_find_in_mongodb(store))
    return app


def _find_in_sqlite(store: str) -> Callable[[str], Any]:
    path = store.removeprefix("sqlite:///")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
    connection.row_factory = sqlite3.Row

    async def find(query_id: str) -> Any:
        row = connection.execute("SELECT * FROM queries WHERE tenant = ? AND id = ?", (_TENANT, query_id)).fetchone()
        return dict(row)

    return find


def _find_in_mongodb(store: str) -> Callable[[str], Any]:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(store, readConcernLevel="majority")
    queries = client.get_default_database()["queries"]
    fields = {"index": False, "expires_on": False, "token": False}

    async def find(query_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await queries.find_one({"_id": f"{_TENANT}/{query_id}"}, fields)
        return found

    return find


def main() -> None:
    """Be the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    given = parser.parse_args()
    with listen(load({}, port=0)) as listener:
        print(origin_of(listener), flush=True)
        config = uvicorn.Config(_app(given.store), log_config=None, access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
