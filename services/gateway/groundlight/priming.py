"""Pipelines of detectors, and priming groups: a name for a model that new detectors begin with."""

import json
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from contracts.http.groundlight import Pipeline, PipelinePage, PrimingGroup, PrimingGroupPage, PrimingGroupRequest
from services.gateway.control import ControlDep
from services.gateway.groundlight.entries import add_entry, all_entries
from services.gateway.groundlight.paging import Numbered, neighbours
from services.gateway.references import find_model
from services.gateway.revision import revise
from services.kit.errors import Refused
from services.kit.groundlight import PREFIX
from services.kit.http import DetectorWriter, PlatformDep, Reader
from services.kit.platform import Platform
from services.kit.store.records import DetectorRecord, EntryRecord, ModelRecord

router = APIRouter(prefix=PREFIX, include_in_schema=False)

GroupId = Annotated[str, Path(max_length=44)]
_PEOPLE = "people"
_TASKS = {
    "classification": {"BINARY", "MULTI_CLASS"},
    "detection": {"COUNT", "BOUNDING_BOX"},
    "text": {"TEXT"},
}


@router.get("/detectors/{detector_id}/pipelines")
async def list_pipelines(
    *, request: Request, detector_id: str, wanted: Numbered, caller: Reader, control: ControlDep, platform: PlatformDep
) -> PipelinePage:
    """Answer with the one pipeline that a detector has here: its model, or people."""
    record = await control.detectors.find(caller.tenant, detector_id)
    model = await platform.catalog.model(record.tenant, record.model_id) if record.model_id is not None else None
    results = (_to_pipeline(record, model),) if wanted.page == 1 else ()
    onward, back = neighbours(request, platform.settings, wanted, 1)
    return PipelinePage(count=1, next=onward, previous=back, results=results)


@router.get("/priming-groups")
async def list_priming_groups(
    request: Request, wanted: Numbered, caller: Reader, platform: PlatformDep
) -> PrimingGroupPage:
    """Answer with a page of priming groups, newest first."""
    entries = await all_entries(platform, caller.tenant, "priming_group")
    onward, back = neighbours(request, platform.settings, wanted, len(entries))
    results = tuple(map(_to_group, entries[wanted.end - wanted.page_size : wanted.end]))
    return PrimingGroupPage(count=len(entries), next=onward, previous=back, results=results)


@router.post("/priming-groups", status_code=201)
async def create_priming_group(
    wanted: PrimingGroupRequest, caller: DetectorWriter, platform: PlatformDep
) -> PrimingGroup:
    """Name the model of a pipeline, for detectors to begin with."""
    model = await find_model(platform.store, caller.tenant, wanted.source_ml_pipeline_id)
    if wanted.detector_mode not in _TASKS[model.manifest.task]:
        raise Refused("labels_mismatch", f"a model of {model.manifest.task} answers no {wanted.detector_mode} detector")
    content = wanted.model_dump(mode="json") | {"model_id": model.id, "num_classes": len(model.manifest.output.labels)}
    entry = await add_entry(platform, caller.tenant, "priming_group", wanted.name, json.dumps(content))
    if entry is None:
        raise Refused("name_taken", "another priming group has this name")
    return _to_group(entry)


@router.get("/priming-groups/{group_id}")
async def get_priming_group(group_id: GroupId, caller: Reader, platform: PlatformDep) -> PrimingGroup:
    """Answer with a priming group; a deleted one is gone."""
    return _to_group(await _find(platform, caller.tenant, group_id))


@router.delete("/priming-groups/{group_id}", status_code=204, response_class=Response)
async def delete_priming_group(group_id: GroupId, caller: DetectorWriter, platform: PlatformDep) -> Response:
    """Delete a priming group; detectors that began with its model keep it."""
    entry = await _find(platform, caller.tenant, group_id)

    async def change(_current: EntryRecord) -> dict[str, object]:
        return {"removed_at": platform.clock.now()}

    await revise(platform.store.entries, entry, change, platform.clock)
    return Response(status_code=204)


async def primed_model(platform: Platform, tenant: str, group_id: str) -> str:
    """Return the ID of the model that a priming group names.

    Raises:
        Refused: not_found, or gone, with the word that client programs look for.
    """
    return str(json.loads((await _find(platform, tenant, group_id)).content_json)["model_id"])


async def _find(platform: Platform, tenant: str, group_id: str) -> EntryRecord:
    entry = await platform.store.entries.get(tenant, group_id)
    if entry is None or entry.kind != "priming_group":
        raise Refused("not_found", f"there is no PrimingGroup {group_id}")
    if entry.removed_at is not None:
        raise Refused("priming_group_gone", f"the PrimingGroup {group_id} was deleted")
    return entry


def _to_group(entry: EntryRecord) -> PrimingGroup:
    return PrimingGroup(id=entry.id, created_at=entry.created_at, **json.loads(entry.content_json))


def _to_pipeline(record: DetectorRecord, model: ModelRecord | None) -> Pipeline:
    name = model.name if model is not None else record.constant or _PEOPLE
    return Pipeline(
        id=model.id if model is not None else f"people_{record.id.removeprefix('det_')}",
        pipeline_config=name,
        is_enabled=model is None or model.status == "ready",
        created_at=model.created_at if model is not None else record.created_at,
        trained_at=model.created_at if model is not None else None,
        friendly_name=name,
        model_binary_id=model.digest if model is not None else None,
    )
