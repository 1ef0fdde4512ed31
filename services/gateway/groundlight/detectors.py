"""Detectors as the client makes, finds and changes them."""

import json
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request, Response

from contracts.http.groundlight import CONSTANT_PIPELINES, Detector, DetectorPage, DetectorPatch, DetectorRequest
from services.gateway.control import Control, ControlDep
from services.gateway.detectors import check_name
from services.gateway.groundlight.configurations import mode_configuration, mode_fields, parse_metadata, to_create
from services.gateway.groundlight.paging import Numbered, neighbours, read_all
from services.gateway.groundlight.priming import primed_model
from services.gateway.references import find_model
from services.kit.errors import Refused
from services.kit.groundlight import MODES, PREFIX
from services.kit.http import DetectorWriter, PlatformDep, Reader
from services.kit.platform import Platform
from services.kit.store.port import Cursor, Page
from services.kit.store.records import DetectorRecord

log = structlog.get_logger(__name__)

router = APIRouter(prefix=PREFIX, include_in_schema=False)


@router.post("/detectors", status_code=201)
async def create_detector(
    wanted: DetectorRequest,
    caller: DetectorWriter,
    control: ControlDep,
    platform: PlatformDep,
    x_request_id: Annotated[str | None, Header()] = None,
) -> Detector:
    """Make a detector, once per request ID.

    `pipeline_config` that names a registered model binds it. Any other is taken and says nothing: the client's own
    names of pipelines mean models that are not here, and the installation's default applies.
    """
    fields = {
        "name": wanted.name,
        "query": wanted.query,
        "confidence_threshold": wanted.confidence_threshold,
        "patience_s": wanted.patience_time,
        "metadata": parse_metadata(wanted.metadata),
        **({"group": wanted.group_name} if wanted.group_name else {}),
        **mode_fields(wanted.mode, wanted.mode_configuration or {}),
        **await _named_model(platform, caller.tenant, wanted),
    }
    key = x_request_id[:255] if x_request_id else None
    constant = wanted.pipeline_config if wanted.pipeline_config in CONSTANT_PIPELINES else None
    made = await control.detectors.make(caller.tenant, to_create(fields), key=key, constant=constant)
    return to_detector(made)


@router.get("/detectors")
async def list_detectors(
    *,
    request: Request,
    wanted: Numbered,
    caller: Reader,
    platform: PlatformDep,
    name: str | None = None,
) -> DetectorPage:
    """Answer with a page of detectors, newest first; with `name` with the one of that name, or none."""
    if name is not None:
        found = await platform.catalog.detector_named(caller.tenant, name)
        results = (to_detector(found),) if found is not None else ()
        return DetectorPage(count=len(results), next=None, previous=None, results=results)

    async def read(cursor: Cursor | None, limit: int) -> Page[DetectorRecord]:
        return await platform.store.detectors.page(caller.tenant, cursor, limit)

    records = await read_all(read)
    onward, back = neighbours(request, platform.settings, wanted, len(records))
    shown = records[wanted.end - wanted.page_size : wanted.end]
    return DetectorPage(count=len(records), next=onward, previous=back, results=tuple(map(to_detector, shown)))


@router.get("/detectors/{detector_id}")
async def get_detector(detector_id: str, caller: Reader, control: ControlDep) -> Detector:
    """Answer with the detector; a deleted one is gone."""
    return to_detector(await control.detectors.find(caller.tenant, detector_id))


@router.patch("/detectors/{detector_id}")
async def update_detector(
    detector_id: str, wanted: DetectorPatch, caller: DetectorWriter, control: ControlDep
) -> Detector:
    """Change the fields that are sent and not null."""
    record = await control.detectors.find(caller.tenant, detector_id)
    return to_detector(await _change(control, record, wanted))


@router.delete("/detectors/{detector_id}", status_code=204, response_class=Response)
async def delete_detector(detector_id: str, caller: DetectorWriter, control: ControlDep) -> Response:
    """Delete a detector."""
    await control.detectors.delete(caller.tenant, detector_id)
    return Response(status_code=204)


async def _change(control: Control, record: DetectorRecord, wanted: DetectorPatch) -> DetectorRecord:
    if wanted.name is not None:
        check_name(wanted.name)
    sent = {
        "name": wanted.name,
        "confidence_threshold": wanted.confidence_threshold,
        "patience_s": wanted.patience_time,
        "enabled": None if wanted.status is None else wanted.status == "ON",
        "human_labeling": None if wanted.escalation_type is None else wanted.escalation_type == "STANDARD",
    }
    return await control.detectors.change(record, {name: value for name, value in sent.items() if value is not None})


async def _named_model(platform: Platform, tenant: str, wanted: DetectorRequest) -> dict[str, str | None]:
    pipeline_config = wanted.pipeline_config
    if wanted.priming_group_id is not None:
        return {"model": await primed_model(platform, tenant, wanted.priming_group_id)}
    if not pipeline_config:
        return {}
    if pipeline_config in CONSTANT_PIPELINES:
        return {"model": None}
    try:
        await find_model(platform.store, tenant, pipeline_config)
    except Refused:
        log.warning("gateway.pipeline_unknown", pipeline_config=pipeline_config)
        return {}
    return {"model": pipeline_config}


def to_detector(record: DetectorRecord) -> Detector:
    """Return the resource of a detector."""
    return Detector(
        id=record.id,
        created_at=record.created_at,
        name=record.name,
        query=record.query,
        group_name=record.group,
        confidence_threshold=record.confidence_threshold,
        patience_time=record.patience_s,
        metadata=None if record.metadata_json is None else json.loads(record.metadata_json),
        mode=MODES[record.mode][0],
        mode_configuration=mode_configuration(record),
        status="ON" if record.enabled else "OFF",
        escalation_type="STANDARD" if record.human_labeling else "NO_HUMAN_LABELING",
    )
