"""Image queries as the client looks them up and lists them, and the labels that it gives."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import ValidationError

from contracts.http.groundlight import ImageQuery, ImageQueryPage, LabelRequest, LabelValue, RoiRequest
from contracts.http.queries import BOUNDING_BOX, NO_OBJECTS
from contracts.ids import LABEL, derived_id
from contracts.v1.image_query import Box
from contracts.v1.label import LabelAdded
from services.gateway import labels
from services.gateway.control import ControlDep
from services.gateway.groundlight.paging import MOST_COUNTED, Numbered, neighbours, read_page
from services.gateway.lookup import Found, look_up
from services.gateway.routes_queries import get_image
from services.kit.errors import Refused
from services.kit.groundlight import PREFIX, to_image_query, to_rois
from services.kit.http import Labeller, PlatformDep, Reader
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument
from services.kit.store.port import Cursor, Page, QueryFilter
from services.kit.store.records import DetectorRecord
from services.kit.view import to_query

router = APIRouter(prefix=PREFIX, include_in_schema=False)


@router.get("/image-queries/{query_id}")
async def get_image_query(query_id: str, caller: Reader, platform: PlatformDep) -> ImageQuery:
    """Answer with the query as it is now; from the first time on it has a result, if only a placeholder."""
    found = await look_up(platform, caller.tenant, query_id)
    detector = await _detector_of(platform, found)
    return to_image_query(found.query, detector)


@router.get("/image-queries")
async def list_image_queries(
    *,
    request: Request,
    wanted: Numbered,
    caller: Reader,
    control: ControlDep,
    platform: PlatformDep,
    detector_id: str | None = None,
) -> ImageQueryPage:
    """Answer with a page of queries, newest first, without those of deleted detectors."""
    query_filter = QueryFilter(kind="image_query")
    if detector_id is not None:
        query_filter = QueryFilter(detector_id=(await control.detectors.find(caller.tenant, detector_id)).id)

    async def read(cursor: Cursor | None, limit: int) -> Page[QueryDocument]:
        return await platform.store.queries.page(caller.tenant, query_filter, cursor, limit)

    documents = await read_page(read, wanted)
    count = await platform.store.queries.count(caller.tenant, query_filter, MOST_COUNTED)
    onward, back = neighbours(request, platform.settings, wanted, count)
    results = []
    for document in documents:
        asked = document.image_request.detector_id if document.image_request is not None else None
        detector = await platform.catalog.detector(caller.tenant, asked) if asked is not None else None
        if detector is not None and detector.removed_at is None:
            results.append(to_image_query(to_query(document), detector))
    return ImageQueryPage(count=count, next=onward, previous=back, results=tuple(results))


@router.get("/image-queries/{query_id}/image", response_class=Response)
async def download_image(query_id: str, caller: Reader, platform: PlatformDep) -> Response:
    """Answer with the image exactly as it was submitted."""
    return await get_image(query_id, caller, platform)


@router.post("/labels", status_code=201)
async def add_label(
    wanted: LabelRequest,
    caller: Labeller,
    platform: PlatformDep,
    x_request_id: Annotated[str | None, Header()] = None,
) -> LabelValue:
    """Give a person's answer, once per request ID; the next lookup shows it."""
    found = await look_up(platform, caller.tenant, wanted.image_query_id)
    detector = await _detector_of(platform, found)
    boxes = tuple(map(_to_box, wanted.rois or ()))
    said = labels.understand(detector, _label_of(detector, wanted, len(boxes)))
    now = platform.clock.now()
    seed = hashlib.sha256(f"{found.key.tenant}|{found.key.id}|{x_request_id or now.isoformat()}".encode()).digest()
    added = LabelAdded(
        query_id=found.key.id,
        label_id=derived_id(LABEL, found.query.created_at, seed),
        label=said.label,
        text=said.text,
        boxes=boxes,
        labelled_by=caller.key_id,
        labelled_at=now,
    )
    await labels.add_label(platform, found, added)
    rois = to_rois(boxes) if wanted.rois is not None else None
    return LabelValue(confidence=added.confidence, class_name=said.label, rois=rois, created_at=now, text=said.text)


async def _detector_of(platform: Platform, found: Found) -> DetectorRecord:
    """Return the detector that was asked.

    Raises:
        Refused: query_not_found, also when the detector was deleted: its queries are gone for this client with it.
        Unavailable: which one it was is not known yet.
    """
    detector = await labels.detector_of(platform, found)
    if detector is None or detector.removed_at is not None:
        raise Refused("query_not_found", "its detector was deleted")
    return detector


def _label_of(detector: DetectorRecord, wanted: LabelRequest, boxes: int) -> str:
    """Return what the client said: a class by its number, or nothing beside the regions that it drew."""
    if wanted.label is None:
        if wanted.rois is None:
            raise Refused("label_invalid", "label: say what it is, or draw regions")
        if detector.mode == "count":
            return str(boxes)
        return BOUNDING_BOX if boxes else NO_OBJECTS
    given = wanted.label
    is_number = detector.mode == "multiclass" and given not in detector.labels and given.isascii() and given.isdecimal()
    if is_number and int(given) < len(detector.labels):
        return detector.labels[int(given)]
    return given


def _to_box(roi: RoiRequest) -> Box:
    score = 1.0 if roi.score is None else roi.score
    try:
        return Box(label=roi.label, score=score, **roi.geometry.model_dump())
    except ValidationError as error:
        raise Refused("label_invalid", f"rois: {error.errors()[0]['msg']}") from None
