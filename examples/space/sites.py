"""The sites of the THEMIS all-sky imagers: real places, with the coordinates that their station lists publish.

Gillam is as AuroraX's own programs state it; the others are as in the station list of the open package asilib (its
arrays THEMIS, and TREx for Pinawa). Identifiers are AuroraX's.
"""

from typing import NamedTuple


class Site(NamedTuple):
    """One imager; degrees, north and east positive."""

    identifier: int
    platform: str
    code: str
    lat: float
    lon: float


SITES = (
    Site(44, "athabasca", "ATHA", 54.71, -113.28),
    Site(45, "fort simpson", "FSIM", 61.756, -121.23),
    Site(46, "gillam", "GILL", 56.376723, -94.643664),
    Site(47, "inuvik", "INUV", 68.413, -133.77),
    Site(48, "kapuskasing", "KAPU", 49.392, -82.32),
    Site(49, "kuujjuaq", "KUUJ", 58.1, -68.4),
    Site(50, "pinawa", "PINA", 50.26, -95.87),
    Site(51, "rankin inlet", "RANK", 62.82, -92.11),
    Site(52, "sanikiluaq", "SNKQ", 56.536, -79.23),
    Site(53, "taloyoak", "TALO", 69.53, -93.53),
    Site(54, "the pas", "TPAS", 53.994, -100.941),
    Site(55, "fort smith", "FSMI", 60.017, -111.95),
    Site(56, "ekati", "EKAT", 64.73, -110.6699),
    Site(57, "fort yukon", "FYKN", 66.56, -145.214),
    Site(58, "mcgrath", "MCGR", 62.953, -155.596),
    Site(59, "prince george", "PGEO", 53.815, -122.828),
    Site(60, "snap lake", "SNAP", 63.58, -110.87),
    Site(61, "whitehorse", "WHIT", 61.01, -135.223),
    Site(62, "chibougamau", "CHBG", 49.814, -74.419),
    Site(64, "gakona", "GAKO", 62.407, -145.158),
    Site(65, "kiana", "KIAN", 66.971, -160.438),
    Site(66, "goose bay", "GBAY", 53.316, -60.46),
    Site(71, "narsarsuaq", "NRSQ", 61.16, -45.44),
    Site(73, "yellowknife", "YKNF", 62.52, -114.31),
)
