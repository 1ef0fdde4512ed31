"""Where field lines come down: IRBEM's tracing (SpacePy), to 100 km, as SSCWeb does it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np

from contracts.http.ephemeris import Place
from sightline.ephemeris.frames import to_sphere, turned
from sightline.ephemeris.irbem import unheard
from sightline.ephemeris.stretch import Floats, Integers

HEIGHT_KM = 100.0
EARTH_RADIUS_KM = 6371.2
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - SpacePy takes UTC without a zone
_FLATTENING = 1 / 298.257223563
_SEMI_MAJOR_KM = 6378.137
_T89 = "T89"
_DRIVERS = ("Kp", "Dst", "dens", "velo", "Pdyn", "ByIMF", "BzIMF", "G1", "G2", "G3", *(f"W{n}" for n in range(1, 7)))


@dataclass(frozen=True, slots=True)
class FieldModel:
    """IGRF alone, or with Tsyganenko's field of 1989 for an activity of `kp` (0 to 6)."""

    name: Literal["IGRF", "T89"] = "IGRF"
    kp: float = 2.0

    @property
    def text(self) -> str:
        """What a person calls it."""
        return self.name if self.name == "IGRF" else f"IGRF and T89, Kp {self.kp:g}"


Hemisphere = Literal["north", "south"]


def footprints(vectors_km: Floats, minutes: Integers, field: FieldModel, hemisphere: Hemisphere) -> Floats:
    """Return geocentric latitude and longitude of the ends of field lines; NaN where a line does not come down.

    `vectors_km` turn with the Earth; one row per minute since 1970.
    """
    found = geodetic_footprints(vectors_km, minutes, field, hemisphere)
    return to_sphere(geodetic_vectors(found[:, :2], found[:, 2]))


def geodetic_footprints(vectors_km: Floats, minutes: Integers, field: FieldModel, hemisphere: Hemisphere) -> Floats:
    """Return the same as geodetic latitude and longitude, and height in kilometres."""
    from spacepy.coordinates import Coords
    from spacepy.irbempy import find_footpoint
    from spacepy.time import Ticktock

    ticks = Ticktock([_EPOCH + timedelta(minutes=int(minute)) for minute in minutes], "UTC")
    place = Coords(vectors_km / EARTH_RADIUS_KM, "GEO", "car", use_irbem=True)
    place.ticks = ticks
    options: dict[str, Any] = {"extMag": "0"}
    if field.name == _T89:
        values = dict.fromkeys(_DRIVERS, np.zeros(len(minutes)))
        options = {"extMag": _T89, "omnivals": {**values, "Kp": np.full(len(minutes), field.kp)}}
    with unheard():
        found = find_footpoint(ticks, place, hemi=hemisphere, alt=HEIGHT_KM, **options)["loci"].data
    height, lat, lon = np.asarray(found, np.float64).T
    return np.column_stack([lat, (lon + 180.0) % 360.0 - 180.0, height])


def traced(vectors_km: Floats, minutes: Integers, field: FieldModel) -> dict[Place, Floats]:
    """Return where vectors that turn with the Earth are in GSM, and both ends of their field lines."""
    return {
        "location_gsm": to_sphere(turned(vectors_km, minutes, "GEO", "GSM")),
        "nbtrace": footprints(vectors_km, minutes, field, "north"),
        "sbtrace": footprints(vectors_km, minutes, field, "south"),
    }


def geodetic_vectors(places: Floats, height_km: Floats | float) -> Floats:
    """Return vectors in kilometres, turning with the Earth, of geodetic latitudes and longitudes, on WGS 84."""
    lat, lon = np.radians(places).T
    squared = _FLATTENING * (2 - _FLATTENING)
    normal = _SEMI_MAJOR_KM / np.sqrt(1 - squared * np.sin(lat) ** 2)
    out = (normal + height_km) * np.cos(lat)
    return np.column_stack([out * np.cos(lon), out * np.sin(lon), (normal * (1 - squared) + height_km) * np.sin(lat)])
