"""The origin itself: clients ask it whether somebody is there."""

from fastapi import APIRouter

from services.kit.api_page import PATH

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> dict[str, str]:
    """Say who answers here, and where that is described; `aurorax-cli --test-connectivity` wants no more than 200."""
    return {"name": "Sightline", "docs": PATH}
