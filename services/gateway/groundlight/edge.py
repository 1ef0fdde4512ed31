"""What the client asks of an edge endpoint, at the root of the host: here every detector is answered on the spot."""

import json
from typing import Annotated

from fastapi import APIRouter, Body, Request

from contracts.http.base import Json
from services.gateway.groundlight.entries import add_entry, named_entry
from services.gateway.groundlight.paging import read_all
from services.gateway.revision import revise
from services.kit.errors import Refused
from services.kit.http import DetectorWriter, PlatformDep, Reader
from services.kit.store.port import Cursor, Page
from services.kit.store.records import DetectorRecord, EntryRecord

router = APIRouter(include_in_schema=False)

_NAME = "edge"
_EMPTY: Json = {"global_config": {}, "edge_inference_configs": {}, "detectors": []}


@router.get("/edge-info")
async def edge_info(request: Request, caller: Reader, platform: PlatformDep) -> Json:
    """Answer with this installation's own origin: it forwards to nobody."""
    del caller
    return {"upstream_endpoint": str(platform.settings.public_url or request.base_url).rstrip("/")}


@router.get("/edge-config")
async def get_edge_config(caller: Reader, platform: PlatformDep) -> Json:
    """Answer with the configuration that was put last."""
    entry = await named_entry(platform, caller.tenant, "edge_config", _NAME)
    return json.loads(entry.content_json) if entry is not None else _EMPTY


@router.put("/edge-config")
async def put_edge_config(
    wanted: Annotated[dict[str, Json], Body()], caller: DetectorWriter, platform: PlatformDep
) -> Json:
    """Keep a configuration. It changes nothing: which model answers is the detector's own."""
    text = json.dumps(wanted)
    entry = await named_entry(platform, caller.tenant, "edge_config", _NAME)
    if entry is None:
        entry = await add_entry(platform, caller.tenant, "edge_config", _NAME, text)
    if entry is None:
        raise Refused("edited_meanwhile")

    async def change(current: EntryRecord) -> dict[str, object]:
        return {} if current.content_json == text else {"content_json": text}

    await revise(platform.store.entries, entry, change, platform.clock)
    return wanted


@router.get("/edge-detector-readiness")
async def edge_detector_readiness(caller: Reader, platform: PlatformDep) -> Json:
    """Answer which detectors have a model that answers now."""

    async def read(cursor: Cursor | None, limit: int) -> Page[DetectorRecord]:
        return await platform.store.detectors.page(caller.tenant, cursor, limit)

    ready = {}
    for record in await read_all(read):
        model = await platform.catalog.model(record.tenant, record.model_id) if record.model_id is not None else None
        by_machine = record.constant is not None if record.model_id is None else False
        ready[record.id] = {"ready": by_machine or (model is not None and model.status == "ready")}
    return ready
