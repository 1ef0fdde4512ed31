"""Starts `sightline serve SERVICE` many times at once, each a process of its own: python -m tests.support.starts.

Reads a JSON object from standard input: `service`, and `cases` by name, each with `arguments` and `environment`.
Prints one with the exit status and the standard error of each. Importing a service takes a second, so it is done once,
and each start is a fork of that.
"""

import importlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from sightline.command import main as command

_PARTS = ("services.kit.runtime", "services.kit.bus.rabbit.bus", "services.kit.store.mongo.store")
_LONGEST_S = 120


def main() -> None:
    """Start them all, then wait for each."""
    given = json.load(sys.stdin)
    for name in (*_PARTS, f"services.{given['service']}.service"):
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        started = {name: _start(given["service"], case, Path(folder) / name) for name, case in given["cases"].items()}
        ended = {name: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for name, pid in started.items()}
        said = {name: (Path(folder) / name).read_text() for name in started}
    json.dump({name: [ended[name], said[name]] for name in started}, sys.stdout)


def _start(service: str, case: dict[str, Any], errors: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    with errors.open("wb") as file:
        os.dup2(file.fileno(), 2)
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), 1)
    signal.alarm(_LONGEST_S)  # one that does not refuse would serve for ever
    os.environ.update(case["environment"])
    sys.argv = ["sightline", "serve", service, *case["arguments"]]
    status = 1
    try:
        command()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - what a process would end with
        importlib.import_module("traceback").print_exc()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
