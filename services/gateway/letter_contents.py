"""What a dead letter holds, as far as anybody can read it. Its bytes may be a stranger's: nothing is believed."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import ormsgpack
from pydantic_core import from_json

from contracts.http.base import Json
from services.kit.bus.codec import JSON, MSGPACK
from services.kit.store.records import DeadLetter

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]{1,40}")
_UNKNOWN = "application/octet-stream"
_DEEPEST = 20
_LONGEST_TEXT = 4096
_MOST_ITEMS = 200


@dataclass(frozen=True, slots=True)
class Picture:
    """The image of a message: `data` when it travels inside, else to be found by `sha256`, if that is one."""

    media_type: str
    size_bytes: int | None
    sha256: str | None
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Contents:
    """The payload for a person to read, cut where it is long, and the image that it has."""

    payload: Json
    picture: Picture | None


def read_contents(letter: DeadLetter) -> Contents:
    """Return what the letter holds; never raises, whatever the bytes are."""
    try:
        payload = ormsgpack.unpackb(letter.body) if letter.content_type == MSGPACK else None
        payload = from_json(letter.body, allow_inf_nan=False) if letter.content_type == JSON else payload
    except ValueError:
        return Contents(None, None)
    image = payload.get("image") if isinstance(payload, dict) else None
    return Contents(_shown(payload), _picture(image) if isinstance(image, dict) else None)


def _picture(image: Mapping[str, object]) -> Picture | None:
    data, sha256 = image.get("data"), image.get("sha256")
    media_type, size_bytes = image.get("media_type"), image.get("size_bytes")
    inline = data if isinstance(data, bytes) else None
    named = sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None
    if inline is None and named is None:
        return None
    size_bytes = size_bytes if isinstance(size_bytes, int) and not isinstance(size_bytes, bool) else None
    return Picture(
        media_type=media_type if isinstance(media_type, str) and _MEDIA_TYPE.fullmatch(media_type) else _UNKNOWN,
        size_bytes=size_bytes if inline is None else len(inline),
        sha256=named,
        data=inline,
    )


def _shown(value: object, depth: int = 0) -> Json:
    """Return `value` as JSON that is short enough to be looked at."""
    if depth > _DEEPEST:
        return "..."
    match value:
        case bytes():
            value = f"({len(value)} bytes)"
        case str() if len(value) > _LONGEST_TEXT:
            value = f"{value[:_LONGEST_TEXT]}... ({len(value)} characters)"
        case float() if not math.isfinite(value):
            value = str(value)
        case dict():
            items = list(value.items())[:_MOST_ITEMS]
            value = {str(name)[:_LONGEST_TEXT]: _shown(item, depth + 1) for name, item in items}
        case list():
            value = [_shown(item, depth + 1) for item in value[:_MOST_ITEMS]]
    return value
