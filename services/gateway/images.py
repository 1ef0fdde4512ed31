"""Answering with an image: a stranger's bytes, that a browser must not run."""

from collections.abc import Mapping

from fastapi import Response

from services.gateway.conditional import FRESH

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp", "image/tiff": "tif"}

IMAGE_CONTENT = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in _EXTENSIONS}
"""The `content` of a route that answers with an image, for the OpenAPI page."""


def image_response(data: bytes, media_type: str, *, name: str, headers: Mapping[str, str]) -> Response:
    """Return the bytes as a file called `name`, with `headers` beside the usual ones."""
    safe = {
        "Cache-Control": FRESH,
        "Content-Disposition": f'inline; filename="{name}.{_EXTENSIONS.get(media_type, "bin")}"',
        # A browser must neither guess their type nor run anything in them.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(data, media_type=media_type, headers={**safe, **headers})
