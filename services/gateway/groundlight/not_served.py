"""Calls that this surface knows and does not serve: they need a language model, a trainer or a mailer of Groundlight's.

Each says so at once, with a status that the client does not repeat.
"""

from fastapi import APIRouter

from services.kit.errors import Refused
from services.kit.groundlight import PREFIX
from services.kit.http import Reader

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_ALERTS = "alerts are not part of it; poll, or wait with GET /v1/queries/{id}?wait=seconds"


@router.post("/vlm-verifications")
async def refuse_verification(_caller: Reader) -> None:
    """Refuse."""
    raise Refused("not_served", "no language model is part of it; make a detector and label its queries")


@router.post("/synthetic-images")
async def refuse_synthetic_image(_caller: Reader) -> None:
    """Refuse."""
    raise Refused("not_served", "no images are made up here")


@router.get("/edge/fetch-model-urls/{detector_id}/")
async def refuse_model_urls(detector_id: str, _caller: Reader) -> None:
    """Refuse."""
    raise Refused("not_served", f"the model of {detector_id} is not handed out; it runs here")


@router.api_route("/actions/detector/{detector_id}/rules", methods=["GET", "POST"])
async def refuse_rules_of_detector(detector_id: str, _caller: Reader) -> None:
    """Refuse."""
    raise Refused("not_served", f"{detector_id}: {_ALERTS}")


@router.get("/actions/rules")
async def refuse_rules(_caller: Reader) -> None:
    """Refuse."""
    raise Refused("not_served", _ALERTS)
