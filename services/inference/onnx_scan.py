"""What an ONNX file refers to, read from its bytes before any library loads it.

A file may name other files that hold its weights (external data): those would be read from the worker's disk, so
such a file is refused, wherever in the file the reference is. So are operators outside the sets that ONNX Runtime
itself brings. Only the parts of the protobuf messages that lead there are walked; field numbers are those of
onnx-ml.proto. Anything that is not plain protobuf is refused, so that nothing can hide from this reader that the
library would see.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from services.inference.engine import ModelRejected

ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_MAX_DEPTH = 100
"""Protobuf's own limit of nesting."""

_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "operator_set", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse_tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse_tensor", 23: "sparse_tensor"},
    "function": {7: "node", 9: "operator_set", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
    "sparse_tensor": {1: "tensor", 2: "tensor"},
    "operator_set": {},
    "tensor": {},
}
_DOMAIN = {"node": 7, "function": 10, "operator_set": 1}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: a number for a varint, else the place of its bytes."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


class _Part(NamedTuple):
    kind: str
    start: int
    end: int
    depth: int


@dataclass(slots=True)
class _Found:
    """What the walk has met."""

    rest: list[_Part]
    used_domains: set[str] = field(default_factory=set)
    own_domains: set[str] = field(default_factory=set)
    has_graph: bool = False


def refuse_references(data: bytes) -> None:
    """Return if the file stands alone.

    Raises:
        ModelRejected: not_onnx, external_data, or unsupported for a foreign operator domain.
    """
    if data[4:8] == b"ORTM":
        raise ModelRejected("not_onnx", "this is a file in ORT format; upload the ONNX file that it was made from")
    found = _Found([_Part("model", 0, len(data), 1)])
    while found.rest:
        _walk(data, found.rest.pop(), found)
    if not found.has_graph:
        raise ModelRejected("not_onnx", "the file holds no graph: it is empty or not an ONNX file")
    foreign = found.used_domains - found.own_domains - ALLOWED_DOMAINS
    if foreign:
        names = ", ".join(sorted(foreign))[:200]
        raise ModelRejected("unsupported", f"operators of {names} are not available here")


def _walk(data: bytes, part: _Part, found: _Found) -> None:
    if part.depth > _MAX_DEPTH:
        raise ModelRejected("not_onnx", f"the file nests its parts deeper than {_MAX_DEPTH}")
    for item in _fields(data, part.start, part.end):
        if part.kind == "tensor":
            _refuse_external(item)
        if item.wire_type != _BYTES:
            continue
        inner = _PARTS[part.kind].get(item.number)
        if inner is not None:
            found.rest.append(_Part(inner, item.start, item.end, part.depth + 1))
            found.has_graph |= inner == "graph" and part.kind == "model"
        elif item.number == _DOMAIN.get(part.kind):
            domains = found.own_domains if part.kind == "function" else found.used_domains
            domains.add(data[item.start : item.end].decode("utf-8", errors="replace"))


def _refuse_external(item: _Field) -> None:
    # Also a location that no version of ONNX defines, or a list of places that the location does not use.
    outside = item.number == _DATA_LOCATION and item.wire_type == _VARINT and item.value != 0
    if outside or (item.number == _EXTERNAL_DATA and item.wire_type == _BYTES):
        raise ModelRejected(
            "external_data", "the file keeps weights in other files; save it as one file, without external data"
        )


def _fields(data: bytes, at: int, end: int) -> Iterator[_Field]:
    while at < end:
        key, at = _varint(data, at, end)
        number, wire_type = key >> 3, key & 7
        value, start = 0, at
        if wire_type == _VARINT:
            value, at = _varint(data, at, end)
        elif wire_type == _BYTES:
            length, start = _varint(data, at, end)
            at = start + length
        elif wire_type in (_FIXED64, _FIXED32):
            at += 8 if wire_type == _FIXED64 else 4
        else:
            raise ModelRejected("not_onnx", "the file is not an ONNX file, or it is damaged")
        if number == 0 or at > end:
            raise ModelRejected("not_onnx", "the file is not an ONNX file, or it is cut short")
        yield _Field(number, wire_type, value, start, at)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ModelRejected("not_onnx", "the file is not an ONNX file, or it is cut short")
