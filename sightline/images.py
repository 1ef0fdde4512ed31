"""An image as its bytes, from whatever the caller holds."""

import os
from pathlib import Path
from typing import IO

from contracts.http.routes import ROUTES
from sightline.errors import Refused

ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, the bytes of an encoded image, or a binary file."""

MAX_BYTES = next(route.body_limit for route in ROUTES if route.path == "/v1/image-queries")


def read_image(source: ImageSource) -> bytes:
    """Return the encoded image; the platform recognises its format from the bytes.

    Raises:
        OSError: the file cannot be read.
        Refused: body_too_large, before anything is sent.
        TypeError: an array or a decoded image: encode it first.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    elif hasattr(source, "read"):
        data = source.read(MAX_BYTES + 1)
    else:
        raise TypeError(_advice(source))
    if not isinstance(data, bytes):
        raise TypeError("open the image file in binary mode")
    if len(data) > MAX_BYTES:
        raise Refused("body_too_large", f"an image may have at most {MAX_BYTES} bytes", status=413)
    return data


def _advice(source: object) -> str:
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    if hasattr(source, "__array_interface__"):
        return f'a {kind} is not an encoded image: pass cv2.imencode(".jpg", array)[1].tobytes(), or a path'
    return f"a {kind} is not an image: pass a path, the bytes of an encoded image, or a binary file"
