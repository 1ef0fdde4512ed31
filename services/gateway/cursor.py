"""Cursors as clients see them: opaque, safe in an address, and refused when they are not ours."""

import base64
import binascii
import re
from datetime import UTC, datetime

from services.kit.errors import Refused
from services.kit.store.port import Cursor

_LONGEST = 200
_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


def encode_cursor(cursor: Cursor | None) -> str | None:
    """Return the text of a cursor; None stays None."""
    if cursor is None:
        return None
    text = f"{cursor.created_at.astimezone(UTC).isoformat()} {cursor.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(text: str | None) -> Cursor | None:
    """Return the cursor that `text` stands for; None stays None.

    Raises:
        Refused: invalid_parameter, it is not one of ours.
    """
    if text is None:
        return None
    try:
        return _parse(text)
    except (ValueError, OverflowError):
        detail = "cursor: give back `next_cursor` of the page before, unchanged"
        raise Refused("invalid_parameter", detail) from None


def _parse(text: str) -> Cursor:
    if len(text) > _LONGEST:
        raise ValueError("too long")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    time, _, record_id = decoded.partition(" ")
    created_at = datetime.fromisoformat(time)
    if created_at.tzinfo is None or not _ID.fullmatch(record_id):
        raise ValueError("not a position")
    return Cursor(created_at.astimezone(UTC), record_id)
