"""How a worker and its child processes speak: a head of JSON and a body of bytes, lengths in front."""

import struct
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict

READY = b"ready\n"
"""Said once by a child, before the first question is read."""
LENGTHS = struct.Struct(">II")

HeadT = TypeVar("HeadT", bound="Head")


class Head(BaseModel):
    """What a message says beside its bytes."""

    model_config = ConfigDict(frozen=True)


def pack(head: Head, body_bytes: int) -> bytes:
    """Return what comes before the body on the wire."""
    text = head.model_dump_json().encode()
    return LENGTHS.pack(len(text), body_bytes) + text


def read_question(stream: BinaryIO, kind: type[HeadT]) -> tuple[HeadT, bytes] | None:
    """Wait for the next question and its body; None when the worker is gone."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head_bytes, body_bytes = LENGTHS.unpack(lengths)
    head, body = stream.read(head_bytes), stream.read(body_bytes)
    if len(head) < head_bytes or len(body) < body_bytes:
        return None
    return kind.model_validate_json(head), body
