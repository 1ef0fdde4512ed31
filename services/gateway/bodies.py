"""JSON bodies: what must hold before the fields are looked at, and free JSON that is kept."""

from fastapi import Request

from contracts.http.base import Json
from contracts.http.metadata import metadata_text
from services.kit.errors import Refused


async def needs_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise Refused("media_type", "send JSON with Content-Type: application/json")


def to_metadata_text(value: Json) -> str | None:
    """Return the client's JSON as text to keep; null is None.

    Raises:
        Refused: metadata_invalid, it is too large, too deep, or cannot be written as JSON in UTF-8.
    """
    if value is None:
        return None
    try:
        return metadata_text(value)
    except ValueError as error:
        raise Refused("metadata_invalid", str(error)) from None
