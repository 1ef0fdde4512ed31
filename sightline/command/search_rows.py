"""The rows of a search as the command gives them: a table, CSV, JSON lines, a Parquet file, a map."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from contracts.v1.search import SearchType
from sightline.client import Client
from sightline.command.failures import USAGE, CommandFailed
from sightline.command.options import part
from sightline.command.output import print_table
from sightline.searches import Row

_PLACES = ("location_geo", "location_gsm", "nbtrace", "sbtrace")
_COLUMNS: Mapping[SearchType, Sequence[str]] = {
    "conjunction": ("type", "start", "end", "min_km", "max_km", "closest", "sources"),
    "ephemeris": ("source", "epoch", *(f"{place}_{axis}" for place in _PLACES for axis in ("lat", "lon")), "metadata"),
    "data_product": ("source", "data_product_type", "start", "end", "url", "metadata"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the user wants the rows. Files are written beside what is printed; with a file alone, no table is."""

    as_json: bool = False
    as_csv: bool = False
    parquet: Path | None = None
    map: Path | None = None

    def check(self, search_type: SearchType | None = None) -> None:
        """Return if it can be done, as far as that is known before the search.

        Raises:
            CommandFailed: a package or a folder is missing, or the search has no map.
        """
        if self.as_json and self.as_csv:
            raise CommandFailed("--json and --csv go to the same place: give one of them", exit_code=USAGE)
        for path in (self.parquet, self.map):
            if path is not None and not path.absolute().parent.is_dir():
                raise CommandFailed(f"{path}: there is no such folder", exit_code=USAGE)
        if self.map is not None and search_type not in {None, "conjunction"}:
            raise CommandFailed("--map draws conjunctions; this search has none", exit_code=USAGE)
        if self.parquet is not None:
            _parquet()
        if self.map is not None:
            _maps()

    def give(self, client: Client, search_id: str, search_type: SearchType) -> None:
        """Read the rows, print them and write the files."""
        rows = client.search_rows(search_id)
        if self.as_json:
            for row in rows:
                print(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
        elif self.as_csv:
            _print_csv(rows, search_type)
        elif self.parquet is None and self.map is None:
            _print_table(rows, search_type)
        if self.parquet is not None:
            _parquet().write(self.parquet, search_type, rows)
            print(f"{self.parquet}: {len(rows)} results", file=sys.stderr)
        if self.map is not None:
            self._draw(self.map, rows, client, search_id)

    def _draw(self, path: Path, rows: Sequence[Row], client: Client, search_id: str) -> None:
        picture = _maps()
        story = part("sightline.maps.meetings", "map").story_of(rows, client.search_places(search_id))
        picture.draw(story, path)
        print(f"{path}: a map of {len(story.meetings)} conjunctions", file=sys.stderr)


def _parquet() -> ModuleType:
    return part("sightline.parquet", "parquet")


def _maps() -> ModuleType:
    return part("sightline.maps.picture", "map")


def _print_csv(rows: Sequence[Row], search_type: SearchType) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS[search_type])
    writer.writerows(_cells(row, exact=True) for row in rows)


def _print_table(rows: Sequence[Row], search_type: SearchType) -> None:
    if rows:
        header = [column.upper() for column in _COLUMNS[search_type]]
        cells = [_apart(row) for row in rows]
        width = max(map(len, cells))
        print_table([*header, *[""] * (width - len(header))], ([*row, *[""] * (width - len(row))] for row in cells))
    print(f"{len(rows)} results", file=sys.stderr)


def _apart(row: Row) -> Sequence[str]:
    """Return the cells with one for each source: on a terminal a long cell is cut, and instruments stand at the end."""
    cells = _cells(row)
    if "data_sources" not in row:
        return cells
    first, *others = map(_name, row["data_sources"])
    return (*cells[:-1], first, *(f"+ {name}" for name in others))


def _cells(row: Row, *, exact: bool = False) -> Sequence[str]:
    """Return a row as flat text: sources by name, positions as two numbers, metadata as JSON.

    Numbers are rounded for people, and exact where a program reads them.
    """
    if "data_sources" in row:
        return (
            row["conjunction_type"],
            row["start"],
            row["end"],
            _number(row["min_distance"], "" if exact else ".3f"),
            _number(row["max_distance"], "" if exact else ".3f"),
            row["closest_epoch"],
            " + ".join(_name(source) for source in row["data_sources"]),
        )
    metadata = json.dumps(row["metadata"], ensure_ascii=False)
    if "epoch" in row:
        numbers = (_number(row[place][axis], "" if exact else ".6g") for place in _PLACES for axis in ("lat", "lon"))
        return (_name(row["data_source"]), row["epoch"], *numbers, metadata)
    return (_name(row["data_source"]), row["data_product_type"], row["start"], row["end"], row["url"], metadata)


def _name(source: Mapping[str, Any]) -> str:
    # Instruments of one platform have records of their own, so their names tell rows apart.
    return f"{source['program']}/{source['platform']}/{source['instrument_type']}"


def _number(value: float | None, form: str) -> str:
    """Return a number; no form is the shortest text that stands for exactly this number."""
    return "" if value is None else f"{value:{form}}"
