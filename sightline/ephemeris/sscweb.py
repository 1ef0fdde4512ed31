"""Positions, footprints and regions from NASA's Satellite Situation Center, by its own client; a request a day."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import requests
from sscws.bfieldmodels import BFieldModel
from sscws.coordinates import CoordinateComponent, CoordinateSystem
from sscws.outputoptions import BFieldTraceOptions, CoordinateOptions, OutputOptions, RegionOptions, ValueOptions
from sscws.regions import Hemisphere
from sscws.request import DataRequest, SatelliteSpecification
from sscws.result import ResultStatusCode
from sscws.sscws import SscWs
from sscws.timeinterval import TimeInterval

from contracts.http.ephemeris import DAY_MINUTES, Place
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.stretch import Floats, Stretch
from sightline.ephemeris.summary import time_of
from sightline.ephemeris.times import whole_minutes
from sightline.errors import Unavailable

SCHEME = "sscweb:"
FACTS = {"frame": "GEO", "unit": "degrees", "time scale": "UTC", "footprints": "SSCWeb, IGRF and T89c, to 100 km"}
_TIMEOUT_S = 60
_REGIONS = {
    "nbtrace_region": "NorthBTracedFootpointRegions",
    "sbtrace_region": "SouthBTracedFootpointRegions",
    "radial_trace_region": "RadialTracedFootpointRegions",
    "spacecraft_region": "SpacecraftRegion",
}
_COMPONENTS = (CoordinateComponent.LAT, CoordinateComponent.LON)
_SYSTEMS: dict[Place, CoordinateSystem] = {"location_geo": CoordinateSystem.GEO, "location_gsm": CoordinateSystem.GSM}
_HEMISPHERES: dict[Place, Hemisphere] = {"nbtrace": Hemisphere.NORTH, "sbtrace": Hemisphere.SOUTH}


def stretches(
    spacecraft: str, first_minute: int, until_minute: int, *, endpoint: str | None = None
) -> Iterator[Stretch]:
    """Return what SSCWeb has of a spacecraft, by the identifier that it has there, like swarma.

    Records between the minutes are left out. `endpoint` is another address of the service.

    Raises:
        BadData: SSCWeb refuses, or answers what it does not document.
        Unavailable: it cannot be reached.
    """
    service = SscWs(endpoint=endpoint, timeout=_TIMEOUT_S, user_agent="sightline", disable_cache=True)
    try:
        for first in range(first_minute, until_minute, DAY_MINUTES):
            yield _day(service, spacecraft, first, min(first + DAY_MINUTES, until_minute))
    finally:
        service.close()


def _day(service: SscWs, spacecraft: str, first_minute: int, until_minute: int) -> Stretch:
    name = f"{SCHEME}{spacecraft}"
    try:
        answer = service.get_locations(_request(spacecraft, first_minute, until_minute - 1))
    except requests.RequestException as error:
        reason = type(error).__name__
        raise Unavailable(f"{name}: SSCWeb cannot be reached ({reason}); what was read is not stored") from error
    except (ValueError, AttributeError, KeyError) as error:
        raise BadData(name, f"SSCWeb answers what its client cannot read: {error}") from None
    if answer["HttpStatus"] != 200 or answer.get("StatusCode") is ResultStatusCode.ERROR:
        parts = (answer.get("ErrorMessage"), answer.get("ErrorDescription"), answer.get("StatusSubCode"))
        said = " ".join(str(getattr(part, "value", part)).strip() for part in parts if part)
        raise BadData(name, f"SSCWeb refuses: {said or answer['HttpStatus']}")
    if not len(answer["Data"]):
        raise BadData(name, f"SSCWeb has nothing from {time_of(first_minute)} on")
    return _stretch(name, answer["Data"][0])


def _request(spacecraft: str, first_minute: int, last_minute: int) -> DataRequest:
    start, end = (datetime.fromtimestamp(minute * 60, UTC) for minute in (first_minute, last_minute))
    coordinates = [CoordinateOptions(system, part) for system in _SYSTEMS.values() for part in _COMPONENTS]
    traces = [BFieldTraceOptions(CoordinateSystem.GEO, half, True, True) for half in _HEMISPHERES.values()]
    options = OutputOptions(
        coordinates,
        region_options=RegionOptions(True, True, True, True),
        value_options=ValueOptions(radial_distance=True),
        b_field_trace_options=traces,
    )
    interval = TimeInterval(start, max(end, start + timedelta(minutes=1)))
    return DataRequest("sightline", interval, [SatelliteSpecification(spacecraft, 1)], BFieldModel(), options)


def _stretch(name: str, data: dict[str, Any]) -> Stretch:
    times = [time if time.tzinfo else time.replace(tzinfo=UTC) for time in data["Time"]]
    minutes, off = whole_minutes(np.array([round(time.timestamp() * 1e6) for time in times], np.int64))
    places: dict[Place, Floats] = {}
    for place, system in _SYSTEMS.items():
        found = [one for one in data["Coordinates"] if one["CoordinateSystem"] is system]
        if found:
            places[place] = _angles(name, found[0], len(minutes))
    for place, hemisphere in _HEMISPHERES.items():
        found = [one for one in data["BTraceData"] if one["Hemisphere"] is hemisphere]
        if found:
            places[place] = _without_fill(_angles(name, found[0], len(minutes)))
    if "location_geo" not in places:
        raise BadData(name, "SSCWeb's answer has no positions in GEO")
    return Stretch(minutes, places, _texts(data, len(minutes))).part(off == 0)


def _angles(name: str, data: dict[str, Any], count: int) -> Floats:
    lat, lon = np.asarray(data["Latitude"], np.float64), np.asarray(data["Longitude"], np.float64)
    if not len(lat) == len(lon) == count:
        raise BadData(name, "SSCWeb's answer has columns of several lengths")
    return np.column_stack([lat, lon])


def _without_fill(places: Floats) -> Floats:
    """Return NaN where a field line does not come down, for which SSCWeb gives a number that is no angle."""
    outside = (np.abs(places[:, 0]) > 90.0) | (np.abs(places[:, 1]) > 360.0)
    return np.where(outside[:, None], np.nan, places)


def _texts(data: dict[str, Any], count: int) -> Sequence[str]:
    columns: dict[str, list[object]] = {
        key: [_words(region) for region in data[name]] for key, name in _REGIONS.items() if len(data[name]) == count
    }
    if len(data["RadialLength"]) == count:
        columns["radial_distance"] = [round(float(length), 1) for length in data["RadialLength"]]
    if not columns:
        return ("{}",)
    rows = zip(*columns.values(), strict=True)
    return [json.dumps({key: cell for key, cell in zip(columns, row, strict=True) if cell}) for row in rows]


def _words(region: object) -> str:
    """Return a region as AuroraX writes it: NorthMidLatitude is north mid-latitude."""
    words = " ".join(re.findall(r"[A-Z][a-z]*|\d+", str(getattr(region, "value", region)))).lower()
    return "" if words == "not applicable" else words.replace("mid latitude", "mid-latitude")
