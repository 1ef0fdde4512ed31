"""How many records there are of each day."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from services.gateway.aurorax.source_views import to_view
from services.gateway.aurorax.sources import Filters, FiltersDep, Shown, ShownDep
from services.kit.aurorax import PREFIX
from services.kit.errors import Refused
from services.kit.http import PlatformDep, Reader
from services.kit.platform import Platform
from services.kit.sources import read_sources
from services.kit.store.records import SourceRecord

router = APIRouter(prefix=f"{PREFIX}/availability", include_in_schema=False)

_EPOCH = date(1970, 1, 1)
_FIRST, _LAST = date(1950, 1, 1), date(2099, 12, 31)


class Days:
    """The days that are asked for, both ends included."""

    def __init__(self, start: date, end: date) -> None:
        if not _FIRST <= start <= end <= _LAST:
            raise Refused("invalid_parameter", f"start, end: days from {_FIRST} to {_LAST}, end not before start")
        self.first, self.until = start, end + timedelta(days=1)

    @property
    def numbers(self) -> tuple[int, int]:
        """The first day, counted from 1970, and the one behind the last."""
        return (self.first - _EPOCH).days, (self.until - _EPOCH).days

    @property
    def times(self) -> tuple[datetime, datetime]:
        """The instants at which they begin and end."""
        first, until = (datetime(each.year, each.month, each.day, tzinfo=UTC) for each in (self.first, self.until))
        return first, until


DaysDep = Annotated[Days, Depends(Days)]


@router.get("/ephemeris")
async def ephemeris_availability(
    days: DaysDep, wanted: FiltersDep, shown: ShownDep, caller: Reader, platform: PlatformDep
) -> list[dict[str, Any]]:
    """Answer with the minutes of each day that has some, by source."""
    sources = {
        each.identifier: each for each in await read_sources(platform.store, caller.tenant) if wanted.admit(each)
    }
    counts = await platform.store.ephemeris.availability(caller.tenant, list(sources), *days.numbers)
    return _rows(sources, counts, shown, "available_ephemeris")


@router.get("/data_products")
async def data_product_availability(
    days: DaysDep, wanted: FiltersDep, shown: ShownDep, caller: Reader, platform: PlatformDep
) -> list[dict[str, Any]]:
    """Answer with the data products that begin on each day that has some, by source."""
    sources = {
        each.identifier: each for each in await read_sources(platform.store, caller.tenant) if wanted.admit(each)
    }
    counts = await platform.store.data_products.availability(caller.tenant, list(sources), *days.times)
    return _rows(sources, counts, shown, "available_data_products")


async def _sources(platform: Platform, tenant: str, wanted: Filters) -> Mapping[int, SourceRecord]:
    return {source.identifier: source for source in await read_sources(platform.store, tenant) if wanted.admit(source)}


def _rows(
    sources: Mapping[int, SourceRecord], counts: Mapping[int, Mapping[int, int]], shown: Shown, key: str
) -> list[dict[str, Any]]:
    return [
        {
            "data_source": to_view(source, shown.format),
            key: {str(_EPOCH + timedelta(days=day)): count for day, count in sorted(counts[identifier].items())},
        }
        for identifier, source in sources.items()
        if counts[identifier]
    ]
