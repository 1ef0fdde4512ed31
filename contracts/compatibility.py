"""What may change inside a version of a contract: optional additions, and nothing else.

Judged on the generated JSON Schemas, old against new, in both directions: an old reader must take what a new producer
sends, and a new reader what an old producer sent (messages wait in queues across an upgrade).
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_NARROWING = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_WIDENING = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT = ("type", "format", "pattern", "const", "enum", "multipleOf")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Return what breaks a reader or a producer, one line each, empty when the change is allowed."""
    return list(_compare(_Node(old, old), _Node(new, new), "$"))


class _Node:
    """A schema with the document it stands in, so that references can be followed."""

    def __init__(self, schema: Schema, root: Schema) -> None:
        while "$ref" in schema:
            name = str(schema["$ref"]).removeprefix("#/$defs/")
            schema = root["$defs"][name]
        self.schema = schema
        self.root = root

    def child(self, schema: Schema) -> "_Node":
        return _Node(schema, self.root)


def _compare(old: _Node, new: _Node, path: str) -> Iterator[str]:
    for word in _EXACT:
        if old.schema.get(word) != new.schema.get(word):
            yield f"{path}: {word} was {old.schema.get(word)!r}, is {new.schema.get(word)!r}"
    for word in (*_NARROWING, *_WIDENING):
        if old.schema.get(word) != new.schema.get(word):
            yield f"{path}: {word} was {old.schema.get(word)!r}, is {new.schema.get(word)!r}"
    yield from _compare_alternatives(old, new, path)
    yield from _compare_properties(old, new, path)
    if ("items" in old.schema) != ("items" in new.schema):
        yield f"{path}: items came or went"
    elif "items" in old.schema:
        yield from _compare(old.child(old.schema["items"]), new.child(new.schema["items"]), f"{path}[]")


def _compare_alternatives(old: _Node, new: _Node, path: str) -> Iterator[str]:
    before, after = old.schema.get("anyOf", []), new.schema.get("anyOf", [])
    if len(before) != len(after):
        yield f"{path}: had {len(before)} alternatives, has {len(after)}"
        return
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        yield from _compare(old.child(one), new.child(other), f"{path}|{number}")


def _compare_properties(old: _Node, new: _Node, path: str) -> Iterator[str]:
    before, after = old.schema.get("properties", {}), new.schema.get("properties", {})
    required_before, required_after = set(old.schema.get("required", [])), set(new.schema.get("required", []))
    for name in sorted(before.keys() - after.keys()):
        yield f"{path}.{name}: was removed"
    for name in sorted(required_after - required_before):
        yield f"{path}.{name}: is required now, and older messages lack it"
    for name in sorted(required_before - required_after):
        yield f"{path}.{name}: is optional now, and older readers need it"
    for name in sorted(before.keys() & after.keys()):
        yield from _compare(old.child(before[name]), new.child(after[name]), f"{path}.{name}")
