"""Reading the upload of a model: one file and its manifest, as multipart/form-data."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Request
from pydantic import Field, StringConstraints, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from contracts.http.base import Request as RequestBody
from contracts.http.models import Manifest, ModelName
from contracts.ids import MODEL, is_id
from services.kit.errors import Refused

_PARTS = frozenset({"model", "manifest", "name", "description"})
_MAX_MANIFEST_BYTES = 1024 * 1024
_AROUND_BYTES = 2 * _MAX_MANIFEST_BYTES
"""What the manifest, the fields and the multipart syntax may add to the file."""


class _Fields(RequestBody):
    name: ModelName
    description: Annotated[str, StringConstraints(max_length=2000)] = Field(default="")


@dataclass(frozen=True, slots=True)
class Upload:
    """A model as it was sent; `digest` is the SHA-256 of `data`, hexadecimal."""

    name: str
    description: str
    manifest: Manifest
    data: bytes
    digest: str


async def read_upload(request: Request, max_bytes: int) -> Upload:
    """Read the parts; the file is spooled to disk while it comes in.

    Raises:
        Refused: media_type, bad_request, invalid_parameter, manifest_invalid, body_too_large, or model_rejected for an
            empty file.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refused("media_type", "send multipart/form-data with the parts model, manifest and name")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > max_bytes + _AROUND_BYTES:
        raise _too_large(max_bytes)
    parser = _Parser(request.headers, request.stream(), max_files=2, max_fields=4, max_part_size=_MAX_MANIFEST_BYTES)
    try:
        return await _read_parts(await parser.parse(), max_bytes)
    except ClientDisconnect:
        raise Refused("bad_request", "the upload ended early") from None
    except MultiPartException as error:
        raise Refused("bad_request", error.message) from None
    finally:
        parser.close()


class _Parser(MultiPartParser):
    """Starlette's parser, which leaves the file of a part open that never ended."""

    def close(self) -> None:
        """Close every file that was begun."""
        for file in self._files_to_close_on_error:
            file.close()


async def _read_parts(form: FormData, max_bytes: int) -> Upload:
    _check_parts(form)
    fields = _read_fields(form)
    manifest = _read_manifest(await _text_of(form, "manifest"))
    file = form["model"]
    if not isinstance(file, UploadFile):
        raise Refused("invalid_parameter", "model: send it as a file")
    if (file.size or 0) > max_bytes:
        raise _too_large(max_bytes)
    data, digest = await asyncio.to_thread(_read_file, file)
    if not data:
        raise Refused("model_rejected", "the file is empty")
    return Upload(fields.name, fields.description, manifest, data, digest)


def _too_large(max_bytes: int) -> Refused:
    return Refused("body_too_large", f"a model file may have {max_bytes} bytes here")


def _check_parts(form: FormData) -> None:
    names = [name for name, _ in form.multi_items()]
    missing = sorted({"model", "manifest", "name"} - set(names))
    if missing:
        raise Refused("invalid_parameter", f"the parts {', '.join(missing)} are missing")
    if not set(names) <= _PARTS or len(names) != len(set(names)):
        raise Refused("invalid_parameter", f"the parts are {', '.join(sorted(_PARTS))}, each once")


def _read_fields(form: FormData) -> _Fields:
    try:
        return _Fields.model_validate({name: form[name] for name in ("name", "description") if name in form})
    except ValidationError as error:
        raise Refused("invalid_parameter", _reasons(error)) from None


async def _text_of(form: FormData, name: str) -> str:
    part = form[name]
    if isinstance(part, str):
        return part
    if (part.size or 0) > _MAX_MANIFEST_BYTES:
        raise Refused("manifest_invalid", f"it may have {_MAX_MANIFEST_BYTES} bytes")
    try:
        return (await part.read()).decode()
    except UnicodeDecodeError:
        raise Refused("manifest_invalid", "it is not UTF-8") from None


def _read_manifest(text: str) -> Manifest:
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise Refused("manifest_invalid", _reasons(error)) from None


def _reasons(error: ValidationError) -> str:
    """Return where and what is wrong, without the value."""
    items = error.errors(include_url=False, include_context=False, include_input=False)[:5]
    wheres = [".".join(str(part) for part in item["loc"]) for item in items]
    return "; ".join(
        f"{where}: {item['msg']}" if where else item["msg"] for where, item in zip(wheres, items, strict=True)
    )


def _read_file(file: UploadFile) -> tuple[bytes, str]:
    file.file.seek(0)
    data = file.file.read()
    return data, hashlib.sha256(data).hexdigest()


def check_model_name(name: str) -> None:
    """Raise Refused when the name could be taken for an ID."""
    if is_id(name, MODEL):
        raise Refused("invalid_parameter", "name: it must not look like an ID")
