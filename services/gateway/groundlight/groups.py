"""Groups of detectors, and notes about a detector."""

import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from contracts.http.groundlight import DetectorGroup, DetectorGroupRequest, Note, Notes
from services.gateway.control import ControlDep
from services.gateway.groundlight.entries import add_entry, all_entries
from services.gateway.groundlight.paging import read_all
from services.kit.errors import Refused
from services.kit.groundlight import PREFIX
from services.kit.http import DetectorWriter, PlatformDep, Reader
from services.kit.store.port import Cursor, Page
from services.kit.store.records import DetectorRecord

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_DEFAULT = "default"
_LONGEST_NOTE = 4000


@router.post("/detector-groups", status_code=201)
async def create_group(wanted: DetectorGroupRequest, caller: DetectorWriter, platform: PlatformDep) -> DetectorGroup:
    """Make a group; one that is there already is answered as it is."""
    await add_entry(platform, caller.tenant, "group", wanted.name, "{}")
    return _to_group(caller.tenant, wanted.name)


@router.get("/detector-groups")
async def list_groups(caller: Reader, platform: PlatformDep) -> list[DetectorGroup]:
    """Answer with every group that was made or that a detector is in."""

    async def read(cursor: Cursor | None, limit: int) -> Page[DetectorRecord]:
        return await platform.store.detectors.page(caller.tenant, cursor, limit)

    made = {entry.name for entry in await all_entries(platform, caller.tenant, "group")}
    used = {record.group for record in await read_all(read)}
    return [_to_group(caller.tenant, name) for name in sorted({_DEFAULT} | made | used)]


@router.get("/notes")
async def list_notes(detector_id: str, caller: Reader, control: ControlDep, platform: PlatformDep) -> Notes:
    """Answer with the notes about a detector, newest first."""
    record = await control.detectors.find(caller.tenant, detector_id)
    entries = [one for one in await all_entries(platform, caller.tenant, "note") if one.name == record.id]
    return Notes(CUSTOMER=tuple(Note(detector_id=record.id, **json.loads(one.content_json)) for one in entries))


@router.post("/notes", status_code=204, response_class=Response)
async def create_note(
    *,
    request: Request,
    detector_id: str,
    caller: DetectorWriter,
    control: ControlDep,
    platform: PlatformDep,
    content: Annotated[str, Form(max_length=_LONGEST_NOTE)],
    is_pinned: Annotated[bool, Form()] = False,
) -> Response:
    """Keep a note. Its text only: a picture is refused rather than lost."""
    if "image" in await request.form():
        raise Refused("not_served", "a note's image is not kept here; send the text alone")
    record = await control.detectors.find(caller.tenant, detector_id)
    await add_entry(
        platform, caller.tenant, "note", record.id, json.dumps({"content": content, "is_pinned": is_pinned})
    )
    return Response(status_code=204)


def _to_group(tenant: str, name: str) -> DetectorGroup:
    return DetectorGroup(id=f"grp_{hashlib.sha256(f'{tenant}|{name}'.encode()).hexdigest()[:27]}", name=name)
