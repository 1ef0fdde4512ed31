"""Routes of the detectors."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Response
from fastapi import Query as Parameter

from contracts.http.detectors import Detector, DetectorCreate, DetectorPage, DetectorUpdate
from services.gateway import examples
from services.gateway.bodies import needs_json
from services.gateway.conditional import FRESH
from services.gateway.control import ControlDep
from services.gateway.cursor import decode_cursor, encode_cursor
from services.gateway.paging import PageParameters
from services.kit.http import DetectorWriter, Reader, problems

router = APIRouter(prefix="/v1/detectors", tags=["detectors"])

DetectorPath = Annotated[str, Path(description="The detector's ID or name.", examples=["door"])]

_COMMON = ("not_authenticated", "not_allowed", "unavailable")
_BODY = ("invalid_parameter", "metadata_invalid", "media_type", "bad_request", "body_too_large")
_MODEL = ("model_not_found", "model_not_ready", "labels_mismatch")
_CREATE_EXAMPLES = [
    {"name": "door", "query": "Is the door open?", "model": "door"},
    {"name": "crates", "query": "What is in the crate?", "mode": "multiclass", "labels": ["apple", "pear", "nothing"]},
]


@router.post(
    "",
    summary="Create a detector",
    status_code=201,
    responses={201: examples.DETECTOR, **problems(*_COMMON, *_BODY, *_MODEL, "name_taken")},
    dependencies=[Depends(needs_json)],
)
async def create_detector(
    wanted: Annotated[DetectorCreate, Body(examples=_CREATE_EXAMPLES)],
    caller: DetectorWriter,
    control: ControlDep,
    response: Response,
) -> Detector:
    """Create a detector: a question and its possible answers.

    A binary one has the labels NO and YES, a multiclass one names its own. Without a model its queries wait for a
    person; the labels of a model that is bound must be the detector's.
    """
    detector = await control.detectors.create(caller.tenant, wanted)
    response.headers["Location"] = f"/v1/detectors/{detector.id}"
    return detector


@router.get(
    "",
    summary="List detectors, newest first",
    responses={200: examples.DETECTORS, **problems(*_COMMON, "invalid_parameter")},
)
async def list_detectors(
    parameters: Annotated[PageParameters, Parameter()], caller: Reader, control: ControlDep, response: Response
) -> DetectorPage:
    """Answer with a page of the detectors that are not deleted."""
    page = await control.detectors.page(caller.tenant, decode_cursor(parameters.cursor), parameters.limit)
    response.headers["Cache-Control"] = FRESH
    return DetectorPage(items=tuple(page.items), next_cursor=encode_cursor(page.next))


@router.get(
    "/{detector}",
    summary="Get a detector by ID or name",
    responses={200: examples.DETECTOR, **problems(*_COMMON, "detector_not_found", "detector_gone")},
)
async def get_detector(detector: DetectorPath, caller: Reader, control: ControlDep, response: Response) -> Detector:
    """Answer with the detector. A deleted one is gone by its ID and not found by its name, which is free again."""
    response.headers["Cache-Control"] = FRESH
    return await control.detectors.resource(await control.detectors.find(caller.tenant, detector))


@router.patch(
    "/{detector}",
    summary="Change a detector, or bind a model to it",
    responses={
        200: examples.DETECTOR,
        **problems(*_COMMON, *_BODY, *_MODEL, "detector_not_found", "detector_gone", "name_taken", "edited_meanwhile"),
    },
    dependencies=[Depends(needs_json)],
)
async def update_detector(
    detector: DetectorPath,
    wanted: Annotated[DetectorUpdate, Body(examples=[{"model": "door"}, {"model": None, "patience_s": 60}])],
    caller: DetectorWriter,
    control: ControlDep,
) -> Detector:
    """Change the fields that are sent; `"model": null` unbinds. Queries that wait for a model are then worked on."""
    return await control.detectors.update(caller.tenant, detector, wanted)


@router.delete(
    "/{detector}",
    summary="Delete a detector",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "It is deleted; its queries stay."},
        **problems(*_COMMON, "detector_not_found", "detector_gone", "edited_meanwhile"),
    },
)
async def delete_detector(detector: DetectorPath, caller: DetectorWriter, control: ControlDep) -> Response:
    """Delete a detector. Its queries can still be looked up, and nobody can ask it any more."""
    await control.detectors.delete(caller.tenant, detector)
    return Response(status_code=204)
