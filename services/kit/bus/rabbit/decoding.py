"""Makes the driver's decoder take what any publisher may send.

RabbitMQ passes on property strings that are not UTF-8, times beyond the calendar and tables nested without end. pamqp
raises on them, aiormq then drops the whole connection, and the message comes again: one device could stop a consumer
for good. Here such a value is replaced instead, and the message becomes a dead letter like any unreadable one.
"""

import struct

from pamqp import decode
from pamqp.common import FieldTable, FieldValue

UNREADABLE = "sightline-bus-unreadable"
LARGEST_TABLE_BYTES = 64 * 1024
"""Headers above this are not decoded: our own are a tenth of it, and pamqp's time grows with the square."""

_LONG_STRING = ord("S")
_FAULTS = (ValueError, OverflowError, OSError, RecursionError, struct.error)


def tolerate_anything() -> None:
    """Replace the decoders that can raise; calling it again changes nothing."""
    decode.METHODS["shortstr"] = _short_string
    decode.METHODS["timestamp"] = _timestamp
    decode.METHODS["table"] = _table
    decode.TABLE_MAPPING[b"T"] = _timestamp


def _short_string(value: bytes) -> tuple[int, str]:
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", "replace")


def _timestamp(value: bytes) -> tuple[int, FieldValue]:
    try:
        return decode.timestamp(value)
    except _FAULTS:
        return 8, None


def _table(value: bytes) -> tuple[int, FieldTable]:
    length = int.from_bytes(value[:4], "big")
    if length > LARGEST_TABLE_BYTES:
        return length + 4, {UNREADABLE: f"headers of {length} bytes"}
    texts = _texts(value, length + 4)
    if texts is not None:
        return length + 4, texts
    try:
        return decode.field_table(value)
    except _FAULTS:
        return length + 4, {UNREADABLE: "headers that cannot be decoded"}


def _texts(value: bytes, end: int) -> FieldTable | None:
    """Return a table that holds nothing but text, as those of our own messages do; None where pamqp must look."""
    texts: FieldTable = {}
    at = 4
    try:
        while at < end:
            name_end = at + 1 + value[at]
            if value[name_end] != _LONG_STRING:
                return None
            text = name_end + 5
            text_end = text + int.from_bytes(value[name_end + 1 : text], "big")
            texts[value[at + 1 : name_end].decode()] = value[text:text_end].decode()
            at = text_end
    except (IndexError, UnicodeDecodeError):
        return None
    return texts if at == end <= len(value) else None
