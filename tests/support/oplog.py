"""What MongoDB itself recorded: every write to the query documents, read from its operation log."""

from collections.abc import Iterator
from typing import Any

from pymongo import MongoClient

ENDS = frozenset({"answered", "failed", "cancelled", "expired"})


def times_ended(client: MongoClient[dict[str, Any]], database: str) -> dict[str, int]:
    """Return how often the state of each query ended: a change from an open state to an end, or from end to end."""
    states: dict[str, str] = {}
    ended: dict[str, int] = {}
    for key, state in _states(client, database):
        before = states.get(key)
        if state != before and (state in ENDS or before in ENDS):
            ended[key] = ended.get(key, 0) + 1
        states[key] = state
    return ended


def _states(client: MongoClient[dict[str, Any]], database: str) -> Iterator[tuple[str, str]]:
    """Yield (document key, state after the write) in the order of the log."""
    for entry in client["local"]["oplog.rs"].find().sort("$natural", 1):
        for operation in _operations(entry):
            if operation["ns"] != f"{database}.queries" or operation["op"] not in {"i", "u"}:
                continue
            state = _state_in(operation["o"])
            if state is not None:
                yield str((operation.get("o2") or operation["o"])["_id"]), state


def _operations(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the writes of a log entry; a batch is one entry of many."""
    batch = entry["o"].get("applyOps") if entry["op"] == "c" else None
    return [each for each in batch if "o" in each] if batch is not None else [entry]


def _state_in(written: dict[str, Any]) -> str | None:
    """Return the new state: of a whole document, or of a difference when the state is part of it."""
    if written.get("$v") == 2:
        difference = written["diff"]
        for part in (difference, difference.get("sdocument", {})):
            for section in ("u", "i"):
                if "state" in part.get(section, {}):
                    return str(part[section]["state"])
        return None
    found = written.get("state", written.get("document", {}).get("state"))
    return None if found is None else str(found)
