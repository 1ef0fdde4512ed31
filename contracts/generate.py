"""Write what is generated from the contracts, or check that it is up to date.

`python -m contracts.generate` writes schemas, examples and the AsyncAPI document, and refuses a change that would
break a released version. `--check` writes nothing and fails on any difference.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.asyncapi import document
from contracts.compatibility import breaking_changes
from contracts.examples import EXAMPLES
from contracts.topics import BY_MODEL, TOPICS

FOLDER = Path(__file__).parent
_VERSION = "1"


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every payload by topic name, as producers send it."""
    found = {}
    for topic in TOPICS.values():
        schema = topic.model.model_json_schema()
        found[topic.name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return found


def examples() -> dict[str, Any]:
    """Return the example of every payload by topic name, as JSON."""
    return {BY_MODEL[type(e)].name: e.model_dump(mode="json", exclude_none=True) for e in EXAMPLES}


def files() -> dict[Path, str]:
    """Return the content of every generated file by path."""
    made = {}
    for name, schema in schemas().items():
        made[_path("schemas", name)] = _text(schema)
    for name, example in examples().items():
        made[_path("examples", name)] = _text(example)
    made[FOLDER / "asyncapi.json"] = _text(document(schemas(), examples(), _VERSION))
    return made


def broken(contracts: dict[str, dict[str, Any]], folder: Path = FOLDER) -> Iterator[str]:
    """Yield how `contracts` (as `schemas` returns them) break what is committed under `folder`."""
    for path in sorted((folder / "schemas").glob("v*/*.json")):
        name = f"{path.stem}.{path.parent.name}"
        if name not in contracts:
            yield f"{name}: was removed; messages of it may still wait in a queue"
            continue
        for change in breaking_changes(json.loads(path.read_text(encoding="utf-8")), contracts[name]):
            yield f"{name} {change}"


def main(arguments: list[str]) -> int:
    """Write or check; return the exit status."""
    breaks = list(broken(schemas()))
    for line in breaks:
        print(f"breaks the contract: {line}", file=sys.stderr)  # noqa: T201 - a command
    if breaks:
        print("add a new version beside this one, with an upcast", file=sys.stderr)  # noqa: T201
        return 1
    outdated = [p for p, text in files().items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if "--check" not in arguments:
        for path in outdated:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], encoding="utf-8")
        return 0
    for path in outdated:
        print(f"outdated: {path.relative_to(FOLDER.parent)}; run `make generate`", file=sys.stderr)  # noqa: T201
    return 1 if outdated else 0


def _path(kind: str, name: str) -> Path:
    type_, _, version = name.rpartition(".")
    return FOLDER / kind / version / f"{type_}.json"


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
