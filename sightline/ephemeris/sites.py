"""Where ground instruments stand: those of THEMIS-ASI, REGO and TREx, and any others from a file.

`sites.csv` has the coordinates that the station lists of the arrays publish, as the open package asilib has them;
Gillam of THEMIS-ASI is as AuroraX's own programs state it. Platforms and instrument types are named as in AuroraX.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from contracts.http.ephemeris import LEAST_LATITUDE, LEAST_LONGITUDE, MOST_LATITUDE, MOST_LONGITUDE
from sightline.ephemeris.errors import BadData, shown

PUBLISHED = Path(__file__).with_name("sites.csv")
_HEADER = ("program", "platform", "instrument_type", "code", "lat", "lon")


class Site(NamedTuple):
    """One instrument; geodetic degrees, north and east positive."""

    program: str
    platform: str
    instrument_type: str
    code: str
    lat: float
    lon: float

    @property
    def name(self) -> str:
        """What `--site` and `--source` call it."""
        return f"{self.program}/{self.platform}/{self.instrument_type}"


def read_sites(path: Path = PUBLISHED) -> tuple[Site, ...]:
    """Return the sites of a file: CSV with the columns program, platform, instrument_type, code, lat, lon.

    Raises:
        BadData: with the line, the column and the rule.
        OSError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = tuple(name.strip() for name in next(rows, []))
            if header != _HEADER:
                raise BadData(path, f"the header must be {','.join(_HEADER)}", line=1)
            sites = tuple(_site(path, rows.line_num, row) for row in rows if any(row))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(path, f"this is no CSV in UTF-8: {error}") from None
    if not sites:
        raise BadData(path, "it has no sites")
    names = [site.name for site in sites]
    for name in names:
        if names.count(name) > 1:
            raise BadData(path, f"{name} is there twice")
    return sites


def select(sites: Iterable[Site], wanted: Sequence[str]) -> list[Site]:
    """Return the sites that are meant: PROGRAM[/PLATFORM[/INSTRUMENT]] each.

    Raises:
        BadData: nothing is meant by one.
    """
    found: dict[str, Site] = {}
    sites = tuple(sites)
    for text in wanted:
        parts = tuple(part.strip() for part in text.split("/"))
        fitting = [site for site in sites if site[: len(parts)] == parts]
        if not fitting:
            raise BadData("--site", f"{shown(text)} is no site that is known; see `sightline ephemeris sites`")
        found.update((site.name, site) for site in fitting)
    return list(found.values())


def _site(path: Path, line: int, row: Sequence[str]) -> Site:
    if len(row) != len(_HEADER):
        raise BadData(path, f"{len(row)} cells, and the header has {len(_HEADER)}", line=line)
    program, platform, instrument_type, code, *angles = (cell.strip() for cell in row)
    for column, cell in zip(_HEADER, (program, platform, instrument_type), strict=False):
        if not cell or "/" in cell:
            raise BadData(path, "a name without a slash is needed", line=line, column=column)
    limits = {"lat": (LEAST_LATITUDE, MOST_LATITUDE), "lon": (LEAST_LONGITUDE, MOST_LONGITUDE)}
    values = []
    for cell, (column, within) in zip(angles, limits.items(), strict=True):
        try:
            values.append(_angle(cell, *within))
        except ValueError as error:
            raise BadData(path, str(error), line=line, column=column) from None
    return Site(program, platform, instrument_type, code, *values)


def _angle(cell: str, least: float, most: float) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{shown(cell)} is no number") from None
    if not least <= value <= most:
        raise ValueError(f"{shown(cell)} is not from {least:g} to {most:g} degrees")
    return value
