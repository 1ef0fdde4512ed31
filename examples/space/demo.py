"""The search of the demo: ask, check, wait, get; a table of the closest conjunctions and a map of all."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from examples.space.dataset import load
from services.kit.clock import SystemClock
from services.kit.logging import configure
from services.kit.runtime import open_store
from services.kit.settings import load as load_settings
from sightline import Client, Query
from sightline.maps.meetings import story_of
from sightline.maps.picture import draw

QUERY = {
    "start": "2020-01-01T00:00:00",
    "end": "2020-01-04T23:59:59",
    "ground": [{"programs": ["themis-asi"]}],
    "space": [{"programs": ["swarm"]}],
    "max_distances": {"ground1-space1": 500},
}
SETTINGS = {"SIGHTLINE_SEARCH_PART_DAYS": "1"}
"""So that there are parts to wait for."""
_TENANT = "default"
_WAIT_S = 60.0
_SHOWN = 5
_WIDTH = 110


def fill(data: Path, servers: Mapping[str, str]) -> int:
    """Put the data set into the store of a platform that is not running yet; return how many sources it has."""
    configure("WARNING", "console")

    async def work() -> int:
        clock = SystemClock()
        async with open_store(load_settings(servers, data=data), clock) as store:
            return await load(store, _TENANT, clock.now())

    return asyncio.run(work())


def run(url: str, sources: int, picture: Path) -> bool:
    """Run the search against the platform at `url`; say whether it found anything."""
    print(
        f"\nA long search over {sources} sources: when did a Swarm footprint pass within 500 km of an all-sky imager?"
    )
    with Client(url, "") as client:
        began = time.monotonic()
        search_id = client.search("conjunction", QUERY)
        print(f"  asked    {search_id}  the ID came after {1000 * (time.monotonic() - began):.0f} ms")
        print(f"  checked  {search_id}  {_standing(client.get_image_query(search_id))}")
        query = client.wait_for_result(search_id, timeout_s=_WAIT_S)
        print(f"  waited   {search_id}  {_standing(query)}, after {1000 * (time.monotonic() - began):.0f} ms")
        rows = client.search_rows(search_id)
        print(f"  got      {search_id}  {len(rows)} conjunctions, the closest of them:\n")
        story = story_of(rows, client.search_places(search_id))
    _print(sorted(rows, key=lambda row: (row["min_distance"], row["start"]))[:_SHOWN])
    draw(story, picture)
    print(f"\nMap of all of them (real sites, synthetic orbits): {picture}")
    return len(rows) > 0


def _standing(query: Query) -> str:
    search = query.search
    if search is None or search.parts is None:
        return query.state
    return f"{query.state}, {search.parts_done} of {search.parts} parts"


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("START", "END", "SITE", "SPACECRAFT"):
        table.add_column(column, no_wrap=True)
    table.add_column("CLOSEST, KM", no_wrap=True, justify="right")
    for row in rows:
        site, spacecraft = row["data_sources"]
        name = spacecraft["display_name"]
        table.add_row(row["start"], row["end"], site["platform"], name, f"{row['min_distance']:.1f}")
    Console(file=sys.stdout, width=_WIDTH, highlight=False, markup=False).print(table)
