"""What a worker and its decoding child say to each other: a head of JSON and a body of bytes, lengths in front."""

import struct
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

from contracts.http.models import ManifestInput

LENGTHS = struct.Struct(">II")


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True)


class Question(_Head):
    """Decode the body, and bring it into the form that the model wants."""

    wanted: ManifestInput


class Reply(_Head):
    """The body is the pixels, (height, width, channels) of the model; or it is empty and `code` says why.

    Width and height are those of the picture before it was resized.
    """

    code: str | None = None
    detail: str = ""
    width: int = 0
    height: int = 0
    decode_s: float = 0.0
    resize_s: float = 0.0


def pack(head: Question | Reply, body_bytes: int) -> bytes:
    """Return what comes before the body on the wire."""
    text = head.model_dump_json().encode()
    return LENGTHS.pack(len(text), body_bytes) + text


def read_question(stream: BinaryIO) -> tuple[Question, bytes] | None:
    """Wait for the next question and its image; None when the worker is gone."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head_bytes, body_bytes = LENGTHS.unpack(lengths)
    head, body = stream.read(head_bytes), stream.read(body_bytes)
    if len(head) < head_bytes or len(body) < body_bytes:
        return None
    return Question.model_validate_json(head), body
