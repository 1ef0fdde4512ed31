"""Data sources: listing, adding, changing and deleting them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from contracts.http.sources import SourceCreate, SourceFormat, SourceSearch, SourceType, SourceUpdate
from services.gateway.aurorax.source_views import read_stats, to_view
from services.gateway.control import ControlDep
from services.kit.aurorax import PREFIX, read_json, read_model
from services.kit.errors import Refused
from services.kit.http import PlatformDep, Reader, SourceWriter
from services.kit.platform import Platform
from services.kit.sources import read_sources, select
from services.kit.store.records import SourceRecord

router = APIRouter(prefix=f"{PREFIX}/data_sources", include_in_schema=False)


class Filters(BaseModel):
    """Which sources: a field that is given must be exactly that."""

    program: str | None = None
    platform: str | None = None
    instrument_type: str | None = None
    source_type: SourceType | None = None
    owner: str | None = None

    def admit(self, source: SourceRecord) -> bool:
        """Say whether a source fits."""
        return all(value is None or getattr(source, name) == value for name, value in self)


class Shown(BaseModel):
    """How sources are shown."""

    format: SourceFormat = "basic_info"
    include_stats: bool = False


FiltersDep = Annotated[Filters, Depends(Filters)]
ShownDep = Annotated[Shown, Depends(Shown)]


@router.get("")
async def list_sources(
    wanted: FiltersDep, shown: ShownDep, caller: Reader, platform: PlatformDep
) -> list[dict[str, Any]]:
    """Answer with the sources that fit, by identifier."""
    sources = await read_sources(platform.store, caller.tenant)
    return [await _view(platform, source, shown) for source in sources if wanted.admit(source)]


@router.post("/search")
async def search_sources(
    request: Request, shown: ShownDep, caller: Reader, platform: PlatformDep
) -> list[dict[str, Any]]:
    """Answer with the sources that fit, by identifier: values of a field are alternatives."""
    wanted = read_model(SourceSearch, await _read_object(request))
    sources = select(await read_sources(platform.store, caller.tenant), wanted)
    return [await _view(platform, source, shown) for source in sources]


@router.get("/{identifier}")
async def get_source(
    identifier: int, shown: ShownDep, caller: Reader, control: ControlDep, platform: PlatformDep
) -> dict[str, Any]:
    """Answer with the source."""
    return await _view(platform, await control.sources.find(caller.tenant, identifier), shown)


@router.post("")
async def add_source(request: Request, caller: SourceWriter, control: ControlDep) -> dict[str, Any]:
    """Add a source; without an identifier it gets the next one. It belongs to whom the token is named after."""
    wanted = read_model(SourceCreate, await _read_object(request))
    return to_view(await control.sources.add(caller.tenant, wanted, owner=caller.name or None), "full_record")


@router.patch("/{identifier}")
async def update_source(identifier: int, request: Request, caller: SourceWriter, control: ControlDep) -> dict[str, Any]:
    """Change what is not null."""
    wanted = read_model(SourceUpdate, await _read_object(request))
    source = await control.sources.find(caller.tenant, identifier)
    return to_view(await control.sources.change(source, wanted), "full_record")


@router.put("/{identifier}")
async def replace_source(
    identifier: int, request: Request, caller: SourceWriter, control: ControlDep
) -> dict[str, Any]:
    """Change everything: null empties a field, but a source keeps its owner. Of the client of 2021."""
    wanted = read_model(SourceCreate, await _read_object(request))
    nothing: dict[str, Any] = {
        "metadata": {},
        "maintainers": (),
        "ephemeris_metadata_schema": (),
        "data_product_metadata_schema": (),
    }
    given = {name: value for name, value in wanted if value is not None}
    source = await control.sources.find(caller.tenant, identifier)
    return to_view(await control.sources.change(source, SourceUpdate.model_validate(nothing | given)), "full_record")


@router.get("/{identifier}/stats")
async def get_stats(
    identifier: int, shown: ShownDep, caller: Reader, control: ControlDep, platform: PlatformDep
) -> dict[str, Any]:
    """Answer with the statistics of a source, as the client of 2021 asks for them."""
    source = await control.sources.find(caller.tenant, identifier)
    stats = await read_stats(platform.store, source)
    return {"data_source": to_view(source, shown.format), **stats.model_dump()}


@router.delete("/{identifier}")
async def delete_source(identifier: int, caller: SourceWriter, control: ControlDep) -> dict[str, int]:
    """Delete a source that has no records."""
    await control.sources.delete(await control.sources.find(caller.tenant, identifier))
    return {"identifier": identifier}


async def _view(platform: Platform, source: SourceRecord, shown: Shown) -> dict[str, Any]:
    stats = await read_stats(platform.store, source) if shown.include_stats else None
    return to_view(source, shown.format, stats)


async def _read_object(request: Request) -> Any:
    value = await read_json(request)
    if not isinstance(value, dict):
        raise Refused("invalid_parameter", "the body must be a JSON object")
    return value
