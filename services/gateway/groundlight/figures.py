"""What an account and a detector have done, and starting a detector afresh."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, Response

from contracts.http.base import Json
from contracts.http.groundlight import Usage
from contracts.v1.query import QueryErased
from services.gateway.control import ControlDep
from services.gateway.facts import SOURCE
from services.gateway.groundlight.paging import MOST_COUNTED, read_all
from services.kit.bus.codec import encode, event_of
from services.kit.groundlight import PREFIX
from services.kit.http import PlatformDep, Reader, Writer
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument
from services.kit.store.port import Cursor, Page, QueryFilter
from services.kit.store.records import DetectorRecord

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_LOOKED_AT = 2000
"""How many of a detector's newest queries its metrics are made from."""
_ERASED_AT_ONCE = 200


@router.get("/month-to-date-account-info")
async def usage(caller: Reader, platform: PlatformDep) -> Usage:
    """Answer with this month's numbers, in UTC. Nothing is escalated to strangers and nothing is limited."""

    async def read(cursor: Cursor | None, limit: int) -> Page[DetectorRecord]:
        return await platform.store.detectors.page(caller.tenant, cursor, limit)

    this_month = QueryFilter(kind="image_query", created_from=_month_begin(platform.clock.now()))
    queries = await platform.store.queries.count(caller.tenant, this_month, MOST_COUNTED)
    detectors = await read_all(read)
    return Usage(iqs=queries, active_detectors=sum(record.enabled for record in detectors))


@router.get("/detectors/{detector_id}/metrics")
async def detector_metrics(detector_id: str, caller: Reader, control: ControlDep, platform: PlatformDep) -> Json:
    """Answer with counts of a detector's newest queries; the total is of all."""
    record = await control.detectors.find(caller.tenant, detector_id)
    documents = await _newest(platform, record, _LOOKED_AT)
    total = await platform.store.queries.count(record.tenant, QueryFilter(detector_id=record.id), MOST_COUNTED)
    answers = [document.answer for document in documents if document.answer is not None]
    people = Counter(answer.label for answer in answers if answer.source == "person")
    machine = Counter(answer.label for answer in answers if answer.source == "model")
    unsure = Counter(d.answer.label for d in documents if d.answer is not None and not d.confident)
    summary = {
        "num_ground_truth": people.total(),
        "num_current_source_human": people.total(),
        "class_counts": {
            "source_ml": machine,
            "source_human": people,
            "cloud_labeler": {},
            "cloud": {},
            "total": machine + people,
        },
        "unconfident_counts": {"source_ml": unsure, "total": unsure},
        "total_iqs": total,
    }
    return {"summary": summary}


@router.get("/detectors/{detector_id}/evaluation")
async def detector_evaluation(detector_id: str, caller: Reader, control: ControlDep) -> Json:
    """Answer that there is none: models are trained elsewhere, and evaluated there."""
    await control.detectors.find(caller.tenant, detector_id)
    return {"evaluation_results": None}


@router.delete("/detector-reset/{detector_id}", status_code=204, response_class=Response)
async def reset_detector(detector_id: str, caller: Writer, control: ControlDep, platform: PlatformDep) -> Response:
    """Erase every query of a detector that is stored now, with its image. What is asked meanwhile stays."""
    record = await control.detectors.find(caller.tenant, detector_id)
    now = platform.clock.now()
    wanted, cursor = QueryFilter(detector_id=record.id), None
    while True:
        page = await platform.store.queries.page(record.tenant, wanted, cursor, _ERASED_AT_ONCE)
        events = [
            event_of(
                QueryErased(query_id=document.id, erased_at=now, erased_by=caller.key_id),
                source=SOURCE,
                tenant=caller.tenant,
                at=now,
                lane=document.lane,
                subject=document.id,
            )
            for document in page.items
        ]
        await platform.bus.publish([encode(event) for event in events])
        cursor = page.next
        if cursor is None:
            return Response(status_code=204)


async def _newest(platform: Platform, record: DetectorRecord, most: int) -> Sequence[QueryDocument]:
    async def read(cursor: Cursor | None, limit: int) -> Page[QueryDocument]:
        return await platform.store.queries.page(record.tenant, QueryFilter(detector_id=record.id), cursor, limit)

    return await read_all(read, most=most)


def _month_begin(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
