"""The route of ephemeris in packed columns."""

import struct
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from contracts.http.ephemeris import EphemerisStored, EphemerisUpload, PackedDay, PackedMetadata
from services.gateway.bodies import needs_json
from services.gateway.control import ControlDep
from services.gateway.ephemeris import read_days
from services.kit.http import SourceWriter, problems

router = APIRouter(prefix="/v1/ephemeris", tags=["ephemeris"])

_EXAMPLE = EphemerisUpload(
    days=(
        PackedDay(
            day=date(2020, 1, 1),
            minutes=bytes([0b11000000]) + bytes(179),
            location_geo=struct.pack("<4d", 56.1, 56.4, -94.6, -94.7),
            metadata=PackedMetadata(texts=({"state": "definitive"},)),
        ),
    )
)


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema without references: FastAPI reads no body here, so it would not know their models."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items() if key != "$defs"}


_SCHEMA = EphemerisUpload.model_json_schema()
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _inlined(_SCHEMA, _SCHEMA["$defs"]),
                "example": _EXAMPLE.model_dump(mode="json", exclude_none=True),
            }
        },
    }
}
_STORED: dict[str, Any] = {
    "content": {"application/json": {"example": EphemerisStored(days=1, minutes=2).model_dump()}}
}


@router.put(
    "/{source}",
    summary="Put days of ephemeris of a data source, in packed columns",
    responses={
        200: _STORED,
        **problems("not_authenticated", "not_allowed", "unavailable", "source_not_found", "invalid_parameter"),
        **problems("metadata_invalid", "media_type", "body_too_large"),
    },
    dependencies=[Depends(needs_json)],
    openapi_extra=_BODY,
)
async def put_ephemeris(
    source: Annotated[int, Path(description="The identifier of the data source.", examples=[3])],
    request: Request,
    caller: SourceWriter,
    control: ControlDep,
) -> EphemerisStored:
    """Store every minute of the days, over the record that a minute may have already.

    Nothing is stored unless all of the request is right, and each day is there at once or not at all. The same request
    again changes nothing, so one without an answer can be repeated.
    """
    found = await control.sources.find(caller.tenant, source)
    days = await control.source_records.read(read_days, await request.body(), found)
    await control.source_records.put_days(found, days)
    return EphemerisStored(days=len(days), minutes=sum(map(len, days)))
