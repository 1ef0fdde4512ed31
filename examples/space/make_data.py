"""Writes data.json.xz: four days of real sites with synthetic nights, and of spacecraft on synthetic orbits."""

import json
import lzma
import random
import sys
from pathlib import Path
from typing import Any

# Run as a script, the search path starts at this folder, not at the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from examples.space.orbits import ORBITS, Orbit, ground_track, northern_trace
from examples.space.sites import SITES, Site

FIRST_DAY = 18262
"""2020-01-01, counted from 1970."""
DAYS = 4
_MINUTES = np.arange(FIRST_DAY * 1440, (FIRST_DAY + DAYS) * 1440)
_FOLDER = Path(__file__).resolve().parent
_CLASS_MINUTES = 10
"""A class of clouds stands for as many minutes, as with the real classifier."""
_CLOUDS = ("classified as cloudy", "classified as not cloudy", "not classified")
_SYNTHETIC = {"synthetic": True, "note": "made for demonstration; no instrument recorded this"}


def build() -> dict[str, Any]:
    """Return the data set as it lies in the file."""
    ground, space = [_ground(site) for site in SITES], [_space(orbit) for orbit in ORBITS]
    return {"about": _SYNTHETIC["note"], "sources": [*ground, *space], "data_products": _keograms()}


def write(path: Path) -> int:
    """Write the data set; return its size in bytes."""
    text = json.dumps(build(), separators=(",", ":"))
    return path.write_bytes(lzma.compress(text.encode(), preset=9))


def _ground(site: Site) -> dict[str, Any]:
    chance = random.Random(site.identifier)
    hour = (_MINUTES / 60 + site.lon / 15) % 24
    minutes = _MINUTES[(hour >= 17) | (hour < 7)]
    classes = {start: chance.choice(_CLOUDS) for start in range(_MINUTES[0], _MINUTES[-1] + 1, _CLASS_MINUTES)}
    texts = [f'{{"calgary_cloud_ml_v1": "{name}"}}' for name in _CLOUDS]
    codes = [_CLOUDS.index(classes[minute - minute % _CLASS_MINUTES]) for minute in minutes.tolist()]
    return {
        "identifier": site.identifier,
        "program": "themis-asi",
        "platform": site.platform,
        "instrument_type": "panchromatic ASI",
        "source_type": "ground",
        "display_name": f"THEMIS-ASI {site.code}",
        "metadata": {**_SYNTHETIC, "place": "real"},
        "runs": _runs(minutes.tolist()),
        "location_geo": [[site.lat], [site.lon]],
        "nbtrace": [[site.lat], [site.lon]],
        "sbtrace": [[-site.lat], [site.lon]],
        "texts": texts,
        "codes": "".join(map(str, codes)),
    }


def _space(orbit: Orbit) -> dict[str, Any]:
    lat, lon = ground_track(orbit, _MINUTES)
    trace = northern_trace(orbit, lat)
    regions = ("north mid-latitude", "north auroral oval", "north polar cap")
    codes = np.digitize(trace, (62.0, 76.0))
    along = _rounded(lon)
    return {
        "identifier": orbit.identifier,
        "program": orbit.program,
        "platform": orbit.platform,
        "instrument_type": "footprint",
        "source_type": orbit.source_type,
        "display_name": orbit.name,
        "metadata": {**_SYNTHETIC, "height_km": round(orbit.height_km), "inclination": orbit.inclination},
        "runs": _runs(_MINUTES.tolist()),
        "location_geo": [_rounded(lat), along],
        "nbtrace": [_rounded(trace), along],
        "sbtrace": [_rounded(-trace), along],
        "texts": [f'{{"nbtrace_region": "{region}", "state": "synthetic"}}' for region in regions],
        "codes": "".join(map(str, codes.tolist())),
    }


def _keograms() -> list[dict[str, Any]]:
    return [
        {
            "source": site.identifier,
            "url": f"https://data.example.org/keogram/{site.code.lower()}/{day}.jpg",
            "data_product_type": "keogram",
            "start_minute": (FIRST_DAY + day) * 1440,
            "end_minute": (FIRST_DAY + day) * 1440 + 1439,
        }
        for site in SITES
        for day in range(DAYS)
    ]


def _rounded(degrees: Any) -> list[float]:
    return [round(value, 2) for value in degrees.tolist()]


def _runs(minutes: list[int]) -> list[list[int]]:
    """The minutes as runs: the first of each and the one behind its last."""
    runs: list[list[int]] = []
    for minute in minutes:
        if runs and runs[-1][1] == minute:
            runs[-1][1] += 1
        else:
            runs.append([minute, minute + 1])
    return runs


if __name__ == "__main__":
    print(f"data.json.xz: {write(_FOLDER / 'data.json.xz')} bytes")
