"""Reading one image from a request: the raw body, or the one file part of a multipart form."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from services.kit.errors import Refused

PART = "image"
_BODY_S = 120.0
"""Longest time for the body to arrive; nothing else ends a sender that stops in the middle."""
_ONE_PART = f"send exactly one file part named `{PART}`, with a file name, and nothing else"


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes and the media type that the client declared for them."""

    data: bytes
    declared_type: str | None


async def read_upload(request: Request) -> Upload:
    """Return the image that a request carries.

    Raises:
        Refused: media_type, bad_request (a broken form, a body that never ends), invalid_parameter (other parts).
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Refused("media_type", "send the image as it is, without Content-Encoding")
    declared = request.headers.get("content-type")
    try:
        async with asyncio.timeout(_BODY_S):
            if _essence(declared) == "multipart/form-data":
                return await _read_form(request)
            _check_type(declared)
            return Upload(await request.body(), declared)
    except TimeoutError:
        raise Refused("bad_request", f"the body did not arrive within {_BODY_S:g} s") from None
    except ClientDisconnect:
        raise Refused("bad_request", "the connection ended before the body did") from None


class _FormParser(MultiPartParser):
    """Takes one file part, whole. Writes nothing to disk: bodies of this route are small enough to stay in memory."""

    spool_max_size = 64 * 1024 * 1024

    def __init__(self, request: Request) -> None:
        super().__init__(request.headers, self._whole(request), max_files=1, max_fields=0)
        self._ended = False

    def on_end(self) -> None:
        super().on_end()
        self._ended = True

    async def _whole(self, request: Request) -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            yield chunk
        if not self._ended:  # the parser by itself would take what came
            raise MultiPartException("The form ends before its last boundary.")


async def _read_form(request: Request) -> Upload:
    parser = _FormParser(request)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused("bad_request", f"multipart: {error.message.rstrip('.')}; {_ONE_PART}") from None
    try:
        part = form.get(PART)
        if not isinstance(part, UploadFile) or len(form.multi_items()) != 1:
            raise Refused("invalid_parameter", _ONE_PART)
        _check_type(part.content_type)
        return Upload(await part.read(), part.content_type)
    finally:
        await form.close()


def _check_type(declared: str | None) -> None:
    kind = _essence(declared)
    if kind and kind != "application/octet-stream" and not kind.startswith("image/"):
        raise Refused("media_type", "send the image itself with Content-Type: image/jpeg (or image/png, image/webp)")


def _essence(media_type: str | None) -> str:
    return (media_type or "").partition(";")[0].strip().lower()
