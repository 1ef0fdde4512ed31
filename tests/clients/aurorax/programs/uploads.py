"""A user's own sources and records with pyaurorax 1.27.0: added, uploaded, searched, changed, deleted."""

import datetime
import sys
from collections.abc import Callable
from typing import Any

import pyaurorax
import requests

aurorax = pyaurorax.PyAuroraX(api_base_url=sys.argv[1])
sources, ephemeris = aurorax.search.sources, aurorax.search.ephemeris
products, availability = aurorax.search.data_products, aurorax.search.availability
Location = pyaurorax.search.Location
DAY = datetime.datetime(2021, 2, 3)
MINUTE = datetime.timedelta(minutes=1)
SCHEMA = [{"field_name": "state", "description": "how it was made", "data_type": "string", "allowed_values": []}]


def refused(error: type[Exception], text: str, call: Callable[[], Any]) -> None:
    """Call, and find `text` in what the client says."""
    try:
        call()
    except error as said:
        assert text in str(said), said
    else:
        raise AssertionError(text)


def new_source(platform: str, source_type: str = "leo", **fields: Any) -> Any:
    """Return a source as a user describes it."""
    triple = {"program": "cubesat", "platform": platform, "instrument_type": "footprint"}
    return pyaurorax.search.DataSource(source_type=source_type, display_name=platform.upper(), **triple, **fields)


def record(source: Any, minute: int, lat: float, state: str = "definitive") -> Any:
    """Return a record of a source that goes north."""
    here = Location(lat=lat, lon=10.0)
    return pyaurorax.search.EphemerisData(
        source,
        DAY + minute * MINUTE,
        location_geo=here,
        nbtrace=here,
        location_gsm=Location(lat=150.25, lon=-10.75),
        metadata={"state": state, "made": datetime.datetime(2022, 1, 1)},
    )


def keogram(source: Any, url: str, day: int = 0) -> Any:
    """Return a product of a day."""
    begins = DAY + datetime.timedelta(days=day)
    return pyaurorax.search.DataProductData(source, "keogram", begins, begins + 1439 * MINUTE, url, {"level": "1"})


def rows(start: int, end: int) -> list[Any]:
    """Return what a search finds of the satellite."""
    found = ephemeris.search(
        DAY + start * MINUTE, DAY + end * MINUTE, programs=["cubesat"], platforms=["one"], poll_interval=0.05
    )
    return list(found.data)


# Sources: added, found in every way, changed, refused.
one = sources.add(new_source("one", ephemeris_metadata_schema=SCHEMA, metadata={"mass_kg": 3}))
site = sources.add(new_source("site", "ground", identifier=9001))
assert (one.source_type, one.metadata, site.identifier) == ("leo", {"mass_kg": 3}, 9001), one
refused(pyaurorax.AuroraXDuplicateError, "program, platform", lambda: sources.add(new_source("one")))
refused(pyaurorax.AuroraXDuplicateError, "9001", lambda: sources.add(new_source("other", identifier=9001)))
refused(pyaurorax.AuroraXAPIError, "source_type", lambda: sources.add(new_source("other", "moon")))
assert sources.get("cubesat", "one", "footprint").identifier == one.identifier
assert sources.get_using_identifier(one.identifier).ephemeris_metadata_schema[0]["field_name"] == "state"
assert [each.identifier for each in sources.list(program="cubesat", order="platform")] == [one.identifier, 9001]
assert [each.platform for each in sources.get_using_filters(program="cubesat", source_type="ground")] == ["site"]
assert len(sources.search(programs=["cubesat", "swarm"], platforms=["one", "swarma"])) == 2
assert aurorax.search.metadata.get_ephemeris_schema(one.identifier)[0]["data_type"] == "string"
assert aurorax.search.metadata.get_data_products_schema(one.identifier) == []
for shown in ("identifier_only", "basic_info", "with_metadata", "full_record"):
    given = sources.get_using_identifier(one.identifier, format=shown, include_stats=True)
    assert (given.identifier, given.stats.ephemeris_count) == (one.identifier, 0), given
sources.list_in_table(program="cubesat")
changed = sources.update(9001, display_name="The site", maintainers=["a@example.org"])
assert (changed.display_name, changed.platform, changed.maintainers) == ("The site", "site", ["a@example.org"])
refused(pyaurorax.AuroraXAPIError, "taken", lambda: sources.update(9001, platform="one"))
refused(pyaurorax.AuroraXNotFoundError, "No matching", lambda: sources.get("cubesat", "none", "footprint"))
missing = "No Data Source record found in AuroraX for identifier 12345"
refused(pyaurorax.AuroraXAPIError, missing, lambda: sources.get_using_identifier(12345))

# Ephemeris: several chunks, and at once in the next search; again, and with other values.
for _ in range(2):
    records = [record(one, minute, minute / 20) for minute in range(1200)]
    assert ephemeris.upload(one.identifier, records, validate_source=True) == 0
assert ephemeris.upload(9001, [record(site, minute, 30.0) for minute in range(1440)], chunk_size=100_000) == 0
(row,) = rows(600, 600)
assert (row.epoch, row.nbtrace.lat, row.location_gsm.lat) == (DAY + 600 * MINUTE, 30.0, 150.25), row
assert (row.sbtrace.lat, row.metadata["state"]) == (None, "definitive"), row
assert len(rows(0, 1439)) == 1200
ephemeris.upload(one.identifier, [record(one, 600, 31.0, "predictive")])
assert [row.metadata["state"] for row in rows(599, 601)] == ["definitive", "predictive", "definitive"]
found = aurorax.search.conjunctions.search(
    DAY,
    DAY + 1439 * MINUTE,
    distance=6,
    ground=[pyaurorax.search.GroundCriteriaBlock(platforms=["site"])],
    space=[pyaurorax.search.SpaceCriteriaBlock(programs=["cubesat"], platforms=["one"])],
    poll_interval=0.05,
)
assert [row.closest_epoch for row in found.data] == [DAY + 599 * MINUTE, DAY + 601 * MINUTE], found.data

# What is wrong with an upload is shown, and nothing of its chunk is there.
before = len(rows(0, 1439))
beyond = record(one, 1401, 1.0).to_json_serializable() | {"nbtrace": {"lat": 91, "lon": 0}}
refused(
    pyaurorax.AuroraXAPIError,
    "record 2 (2021-02-03T23:21:00.000Z): nbtrace.lat",
    lambda: ephemeris.upload(one.identifier, [record(one, 1400, 1.0), beyond]),
)
refused(pyaurorax.AuroraXAPIError, "record 1", lambda: ephemeris.upload(one.identifier, [record(site, 1400, 1.0)]))
refused(pyaurorax.AuroraXAPIError, missing, lambda: ephemeris.upload(12345, [record(site, 1400, 1.0)]))
refused(
    pyaurorax.AuroraXError,
    "Unable to validate",
    lambda: ephemeris.upload(one.identifier, [record(site, 1400, 1.0)], validate_source=True),
)
refused(
    pyaurorax.AuroraXAPIError,
    "could not be found",
    lambda: ephemeris.upload(12345, [record(site, 1400, 1.0)], validate_source=True),
)
large = {**record(one, 1400, 1.0).to_json_serializable(), "metadata": {"a": "x" * 140_000_000}}
refused(pyaurorax.AuroraXAPIError, "at most 134217728 bytes", lambda: ephemeris.upload(one.identifier, [large]))
assert len(rows(0, 1439)) == before

# Data products.
keograms = [keogram(one, f"https://data.example.org/{day}.jpg", day) for day in range(5)]
for _ in range(2):
    assert products.upload(one.identifier, [*keograms], validate_source=False) == 0
    keograms = [keogram(one, f"https://data.example.org/{day}.jpg", day) for day in range(5)]
span = (DAY, DAY + datetime.timedelta(days=30))
asked = {"programs": ["cubesat"], "poll_interval": 0.05}
listed = products.search(*span, **asked)
assert [each.url[-5:] for each in listed.data] == [f"{day}.jpg" for day in range(5)], listed.data
assert listed.data[0].end == DAY + 1439 * MINUTE, listed.data[0]
assert products.delete_urls(one, ["https://data.example.org/0.jpg", "https://data.example.org/none.jpg"]) == 0
assert len(products.search(*span, **asked).data) == 4
refused(pyaurorax.AuroraXAPIError, "platform", lambda: products.delete_urls(new_source("one", identifier=9001), ["a"]))

# Availability and statistics.
(counts,) = availability.ephemeris(DAY, DAY, program="cubesat", platform="one")
assert counts.available_ephemeris == {"2021-02-03": 1200}, counts
assert counts.data_source.platform == "one", counts
(counts,) = availability.data_products(*span, program="cubesat", format="full_record")
assert counts.available_data_products == {f"2021-02-0{4 + day}": 1 for day in range(4)}, counts
stats = sources.get_using_identifier(one.identifier, include_stats=True).stats
assert (stats.ephemeris_count, stats.data_product_count) == (1200, 4), stats
assert (stats.earliest_ephemeris_loaded, stats.latest_ephemeris_loaded) == (DAY, DAY + 1199 * MINUTE), stats
assert stats.earliest_data_product_loaded == DAY + datetime.timedelta(days=1), stats

# Deleting: nothing while there are records, spans with both ends, everything.
refused(pyaurorax.AuroraXConflictError, "1200 records of ephemeris", lambda: sources.delete(one.identifier))
assert ephemeris.delete(one, DAY, DAY + 599 * MINUTE) == 0
assert len(rows(0, 1439)) == 600
wrong = new_source("other", identifier=one.identifier)
refused(pyaurorax.AuroraXAPIError, "platform", lambda: ephemeris.delete(wrong, DAY, DAY + 1439 * MINUTE))
assert ephemeris.delete(one, DAY, DAY + 1439 * MINUTE) == 0
assert rows(0, 1439) == []
refused(pyaurorax.AuroraXConflictError, "4 data products", lambda: sources.delete(one.identifier))
assert products.delete(one, *span) == 0
assert sources.delete(one.identifier) == 0
assert ephemeris.delete(site, DAY, DAY + 1439 * MINUTE) == 0
assert sources.delete(9001) == 0
assert sources.list(program="cubesat") == []

# Keys. At the end: the client keeps a key for every object of the process.
for scope, may in (("queries:read", False), ("sources:write", True)):
    made = requests.post(f"{sys.argv[1]}/v1/tokens", json={"name": "a@example.org", "scopes": [scope]}, timeout=10)
    keyed = pyaurorax.PyAuroraX(api_base_url=sys.argv[1], api_key=made.json()["token"])
    if may:
        own = keyed.search.sources.add(new_source("own"))
        assert own.owner == "a@example.org", own.owner
        assert keyed.search.sources.delete(own.identifier) == 0
    else:
        refused(pyaurorax.AuroraXUnauthorizedError, "sources:write", lambda: keyed.search.sources.add(one))  # noqa: B023
