"""Ephemeris in packed columns: what is stored, and what is refused whole."""

import base64
import math
import struct
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from contracts.http.ephemeris import EphemerisUpload, PackedDay, PackedMetadata
from services.kit.store.ephemeris import EVERY_DAY, EphemerisRecord, Position, unpack
from services.kit.store.port import Store
from tests.support.gateways import TENANT, Door, expect_problem
from tests.support.space import make_source

DAY = date(2020, 1, 1)
DAY_NUMBER = 18262
SOURCE = "/v1/ephemeris/3"


@pytest.fixture
async def store(door: Door) -> Store:
    """A store with one source, 3."""
    await door.platform.store.sources.insert(make_source(identifier=3, tenant=TENANT))
    return door.platform.store


def body(day: date = DAY) -> dict[str, Any]:
    """A day of two minutes, the first of it and the third."""
    packed = PackedDay(
        day=day,
        minutes=bytes([0b10100000]) + bytes(179),
        location_geo=struct.pack("<4d", 1.0, 2.0, 3.0, -4.0),
        nbtrace=struct.pack("<2d", 60.0, -100.0),
        sbtrace=struct.pack("<4d", math.nan, -60.0, math.nan, 190.0),
        metadata=PackedMetadata(texts=({"state": "a"}, {}), codes=struct.pack("<2H", 1, 0)),
    )
    document: dict[str, Any] = EphemerisUpload(days=(packed,)).model_dump(mode="json", exclude_none=True)
    return document


async def test_the_minutes_of_a_day_are_stored_as_they_were_sent(door: Door, store: Store) -> None:
    response = await door.http.put(SOURCE, json=body())
    assert (response.status_code, response.json()) == (200, {"days": 1, "minutes": 2})
    (day,) = (await store.ephemeris.read(TENANT, [3], DAY_NUMBER, DAY_NUMBER + 1, ()))[3]
    assert day.present == bytes([0b10100000]) + bytes(179)
    found = await store.ephemeris.read(
        TENANT, [3], *EVERY_DAY, ("location_geo", "location_gsm", "nbtrace", "sbtrace", "metadata")
    )
    north = Position(60.0, -100.0)
    assert unpack(found[3][0]) == [
        EphemerisRecord(minute=DAY_NUMBER * 1440, location_geo=Position(1.0, 3.0), nbtrace=north),
        EphemerisRecord(
            minute=DAY_NUMBER * 1440 + 2,
            location_geo=Position(2.0, -4.0),
            nbtrace=north,
            sbtrace=Position(-60.0, 190.0),
            metadata_json='{"state":"a"}',
        ),
    ]


async def test_a_request_is_done_again_without_harm_and_adds_to_what_is_there(door: Door, store: Store) -> None:
    for _ in range(2):
        assert (await door.http.put(SOURCE, json=body())).status_code == 200
    other = PackedDay(day=DAY, minutes=bytes([0b01000000]) + bytes(179))
    document = EphemerisUpload(days=(other,)).model_dump(mode="json", exclude_none=True)
    assert (await door.http.put(SOURCE, json=document)).status_code == 200
    extent = await store.ephemeris.extent(TENANT, 3)
    assert extent is not None
    assert extent.total == 3


def _set(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["days"][-1].update(fields)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_set(day="1949-12-31"), "day: a day of the years 1950 to 2099"),
        (_set(minutes="AAAA"), "minutes: 180 bytes"),
        (_set(location_geo="$"), "bytes in base64"),
        (_set(location_geo=None, nbtrace="AAAAAAAAAAA="), "nbtrace: 32 bytes for 2 minutes, or 16"),
        (lambda document: document["days"].append(document["days"][0]), "days: each once, in order"),
        (lambda document: document["days"].extend([document["days"][0]] * 16), "at most 16 items"),
        (_set(minute="00:00"), "minute: Extra inputs are not permitted"),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_of_it_is_stored(
    door: Door, store: Store, spoil: Callable[[dict[str, Any]], None], says: str
) -> None:
    document = {"days": [*body(date(2019, 12, 31))["days"], *body()["days"]]}
    spoil(document)
    assert says in expect_problem(await door.http.put(SOURCE, json=document), "invalid_parameter")
    assert await store.ephemeris.extent(TENANT, 3) is None


@pytest.mark.parametrize(
    ("lat", "lon", "says"),
    [
        (91.0, 0.0, "latitudes from -90 to 90"),
        (0.0, -181.0, "longitudes from -180 to 360"),
        (math.inf, 0.0, "latitudes from -90 to 90"),
        (math.nan, 0.0, "NaN in both of a minute, or in neither"),
    ],
)
async def test_a_place_that_is_none_is_refused(door: Door, store: Store, lat: float, lon: float, says: str) -> None:
    document = body()
    document["days"][0]["nbtrace"] = base64.b64encode(struct.pack("<2d", lat, lon)).decode()
    response = await door.http.put(SOURCE, json=document)
    assert f"days.0: nbtrace: {says}" in expect_problem(response, "invalid_parameter")
    assert await store.ephemeris.extent(TENANT, 3) is None


async def test_metadata_that_no_record_may_have_names_the_day(door: Door, store: Store) -> None:
    document = body()
    document["days"][0]["metadata"]["texts"][0] = {"note": "x" * 5000}
    assert "2020-01-01: metadata may have" in expect_problem(
        await door.http.put(SOURCE, json=document), "metadata_invalid"
    )
    document["days"][0]["metadata"]["codes"] = "AgAAAA=="
    assert "codes below 2" in expect_problem(await door.http.put(SOURCE, json=document), "invalid_parameter")


@pytest.mark.parametrize("source", ["4", "-3", "9" * 30])
async def test_a_source_that_is_not_there_takes_nothing(door: Door, store: Store, source: str) -> None:
    expect_problem(await door.http.put(f"/v1/ephemeris/{source}", json=body()), "source_not_found")


async def test_another_tenant_has_no_such_source(door: Door, store: Store) -> None:
    headers = await door.token(tenant="other")
    expect_problem(await door.http.put(SOURCE, json=body(), headers=headers), "source_not_found")
