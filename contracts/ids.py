"""IDs: a prefix that names the kind and 27 base62 characters that sort by time.

The 27 characters hold 160 bits, the layout of a KSUID with milliseconds: 48 bits of Unix time in milliseconds, then
112 random bits. Ids made on different machines sort by their clocks and never need a coordinator.
"""

import re
import secrets
from datetime import UTC, datetime

IMAGE_QUERY = "iq"
SEARCH = "sr"
DETECTOR = "det"
MODEL = "mdl"
LABEL = "lbl"
EVENT = "evt"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGIT = {letter: value for value, letter in enumerate(_ALPHABET)}
_LENGTH = 27
_RANDOM_BITS = 112
_ID = re.compile(r"^([a-z]{2,4})_([0-9A-Za-z]{27})$")


def new_id(prefix: str, at: datetime) -> str:
    """Return a fresh ID of the kind `prefix` whose time part is `at`."""
    return _make(prefix, at, secrets.randbits(_RANDOM_BITS))


def derived_id(prefix: str, at: datetime, seed: bytes) -> str:
    """Return the ID that the same arguments always give; `seed` is a hash of at least 14 bytes."""
    return _make(prefix, at, int.from_bytes(seed, "big") % (1 << _RANDOM_BITS))


def _make(prefix: str, at: datetime, low: int) -> str:
    number = (int(at.timestamp() * 1000) << _RANDOM_BITS) | low
    letters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 62)
        letters.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(reversed(letters))}"


def is_id(text: str, prefix: str) -> bool:
    """Say whether `text` has the form of an ID of the kind `prefix`."""
    match = _ID.fullmatch(text)
    return match is not None and match[1] == prefix and _milliseconds(match[2]) is not None


def id_time(text: str) -> datetime | None:
    """Return the time part of an ID, or None when `text` is not one.

    The time is the word of whoever minted the ID: use it to decide how long to look, never for a right.
    """
    match = _ID.fullmatch(text)
    milliseconds = _milliseconds(match[2]) if match else None
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(letters: str) -> int | None:
    number = 0
    for letter in letters:
        number = number * 62 + _DIGIT[letter]
    milliseconds = number >> _RANDOM_BITS
    return milliseconds if milliseconds < 1 << 47 else None  # beyond the year 6429: not ours
