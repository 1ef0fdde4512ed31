"""Uploads and deletes of records over HTTP: whole or not at all, and once however often they are sent."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from contracts.http.routes import MIB
from services.gateway.aurorax.rows import read_ephemeris, read_products
from services.gateway.control import Control
from services.kit.errors import Refused
from services.kit.store.ephemeris import COLUMNS, EphemerisRecord, Position, unpack
from services.kit.store.records import DataProduct
from tests.services.gateway.test_sources import add, refusal
from tests.support.gateways import TENANT, Door
from tests.support.space import DAY, FIRST_MINUTE

PATH = "/api/v1/data_sources/46"
TRIPLE = {"program": "swarm", "platform": "swarma", "instrument_type": "footprint"}
NOWHERE = {"lat": None, "lon": None}


def row(minute: int = 0, **fields: Any) -> dict[str, Any]:
    """A record of 2020-01-01 as the client sends it."""
    return {
        "epoch": f"2020-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000Z",
        "location_geo": {"lat": 51.5, "lon": -114},
        "nbtrace": {"lat": 89.99, "lon": 180.0},
        "sbtrace": NOWHERE,
        "location_gsm": {"lat": 150.25, "lon": -10.75},
        "metadata": {"state": "definitive"},
        **TRIPLE,
    } | fields


def product(url: str = "a.jpg", **fields: Any) -> dict[str, Any]:
    """A data product as the client sends it."""
    return {
        "data_product_type": "keogram",
        "start": "2020-01-01T00:00:00.000",
        "end": "2020-01-01T23:59:00.000",
        "url": url,
        "metadata": None,
        **TRIPLE,
    } | fields


@pytest.fixture
async def door(door: Door) -> Door:
    """A gateway with a source."""
    await add(door, identifier=46)
    return door


async def stored(door: Door) -> list[EphemerisRecord]:
    """Return every record of the source."""
    found = await door.platform.store.ephemeris.read(TENANT, (46,), DAY - 1000, DAY + 10_000, COLUMNS)
    return [record for day in found[46] for record in unpack(day)]


async def products(door: Door) -> list[DataProduct]:
    """Return every data product of the source."""
    source = await door.platform.store.sources.get(TENANT, "46")
    assert source is not None
    always = (source.created_at.replace(year=1900), source.created_at.replace(year=2200))
    return list((await door.platform.store.data_products.page(TENANT, (46,), *always, limit=10_000)).items)


async def upload(door: Door, rows: Iterable[dict[str, Any]], kind: str = "ephemeris") -> int:
    """Upload rows; return how many the answer says are stored."""
    answer = await door.http.post(f"{PATH}/{kind}", json=list(rows))
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json"), answer.text
    count: int = answer.json()["stored"]
    return count


async def test_records_are_stored_as_they_were_sent(door: Door) -> None:
    assert await upload(door, []) == 0
    assert await upload(door, [row(7), row(3, location_geo=None, metadata=None), row(7)]) == 2
    assert await stored(door) == [
        EphemerisRecord(minute=FIRST_MINUTE + 3, nbtrace=Position(89.99, 180.0), location_gsm=Position(150.25, -10.75)),
        EphemerisRecord(
            minute=FIRST_MINUTE + 7,
            location_geo=Position(51.5, -114.0),
            nbtrace=Position(89.99, 180.0),
            location_gsm=Position(150.25, -10.75),
            metadata_json='{"state":"definitive"}',
        ),
    ]


async def test_the_same_again_changes_nothing_and_other_values_replace(door: Door) -> None:
    for rows in ([row(n) for n in range(10)], [row(n) for n in range(5, 15)]):
        assert await upload(door, rows) == 10
    before = await stored(door)
    assert len(before) == 15
    await upload(door, [row(0, metadata={"state": "predictive"})])
    assert await stored(door) != before
    await upload(door, [row(0)])
    assert await stored(door) == before


@pytest.mark.parametrize(
    ("epoch", "minute"),
    [
        ("2020-01-01T00:05:00.000Z", 5),
        ("2020-01-01T00:05:00", 5),
        ("2020-01-01T00:05", 5),
        ("2020-01-01T02:05:00+02:00", 5),
        ("2019-12-31T18:35:00.000-05:30", 5),
    ],
)
async def test_a_zone_is_heeded_and_none_is_utc(door: Door, epoch: str, minute: int) -> None:
    await upload(door, [row(epoch=epoch)])
    assert [record.minute for record in await stored(door)] == [FIRST_MINUTE + minute]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "seconds": ({"epoch": "2020-01-01T00:00:30Z"}, "epoch: a whole minute"),
    "a fraction": ({"epoch": "2020-01-01T00:00:00.5Z"}, "epoch: without fractions"),
    "leap second": ({"epoch": "2016-12-31T23:59:60Z"}, "epoch: a time like"),
    "hour 24": ({"epoch": "2020-01-01T24:00:00Z"}, "epoch: a time like"),
    "a day": ({"epoch": "2020-01-01"}, "epoch: a time like"),
    "a number": ({"epoch": 1577836800}, "epoch: a time like"),
    "1949": ({"epoch": "1949-12-31T23:59:00Z"}, "epoch: a time of the years 1950 to 2099"),
    "9999 in a zone": ({"epoch": "9999-12-31T23:59:00-12:00"}, "epoch: a time"),
    "latitude 91": ({"location_geo": {"lat": 91, "lon": 0}}, "location_geo.lat: "),
    "longitude 361": ({"nbtrace": {"lat": 0, "lon": 361}}, "nbtrace.lon: "),
    "half a place": ({"sbtrace": {"lat": 1, "lon": None}}, "sbtrace: lat and lon must both be numbers, or both null"),
    "no longitude": ({"sbtrace": {"lat": 1}}, "sbtrace.lon: Field required"),
    "a text for a number": ({"nbtrace": {"lat": "1", "lon": 0}}, "nbtrace.lat: "),
    "true for a number": ({"nbtrace": {"lat": True, "lon": 0}}, "nbtrace.lat: "),
    "another program": ({"program": "themis"}, "program: the data source 46 is swarm / swarma / footprint"),
    "no platform": ({"platform": None}, "platform: "),
    "an unknown key": ({"nbtraces": {"lat": 1, "lon": 1}}, "nbtraces: Extra inputs are not permitted"),
    "metadata of a list": ({"metadata": [1]}, "metadata: "),
    "large metadata": ({"metadata": {"a": "x" * 5000}}, "metadata may have 4096 characters"),
    "half a surrogate pair": ({"metadata": {"a": "\ud800"}}, "surrogate"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_record_is_told_by_its_place_and_nothing_is_stored(door: Door, name: str) -> None:
    fields, text = BAD[name]
    answer = await door.http.post(f"{PATH}/ephemeris", content=json.dumps([row(0), row(1), row(2) | fields]))
    message = refusal(answer, 400)
    assert "Nothing was stored: record 3" in message
    assert text in message
    assert await stored(door) == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "must be a JSON array"),
        (b"{}", "must be a JSON array"),
        (b"[", "record 1 is not JSON"),
        (b"[1,", "record 2 is not JSON"),
        (b"[[], []", "does not end behind record 2"),
        (b"[] []", "does not end"),
        (b"[{} {}]", "does not end behind record 1"),
        (b'[{"epoch": NaN}]', "record 1 is not JSON"),
        (b'[{"epoch": ' + b"9" * 5000 + b"}]", "record 1 is not JSON"),
        (b"[" * 100_000, "record 1 is not JSON, or too deep"),
        (b'["\xff"]', "UTF-8"),
        (b"\xef\xbb\xbf[]", "must be a JSON array"),
        (b"[1]", "record 1: Input should be"),
        (b'[{"nbtrace": {"lat": 1e999, "lon": 1}}]', "nbtrace.lat: "),
        (b'[{"metadata": ' + b"[" * 40 + b"]" * 40 + b"}]", "metadata: "),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(door: Door, body: bytes, text: str) -> None:
    for kind in ("ephemeris", "data_products"):
        message = refusal(await door.http.post(f"{PATH}/{kind}", content=body), 400)
        assert text in message or kind == "data_products"
    assert await stored(door) == []


async def test_a_minute_twice_with_other_values_is_refused(door: Door) -> None:
    rows = [row(0), row(1), row(0), row(1, metadata={"state": "predictive"})]
    message = refusal(await door.http.post(f"{PATH}/ephemeris", json=rows), 400)
    assert "record 4 (2020-01-01T00:01:00.000Z): epoch: record 2 has the same and other values" in message
    assert await stored(door) == []


async def test_the_first_bad_records_are_told(door: Door) -> None:
    rows = [row(n, program="x" if n % 2 else "swarm") for n in range(100)]
    message = refusal(await door.http.post(f"{PATH}/ephemeris", json=rows), 400)
    assert [f"record {n}" in message for n in (2, 4, 6, 8, 10, 12)] == [True] * 5 + [False]
    assert "there may be more" in message


async def test_one_bad_record_among_a_hundred_thousand_is_found(door: Door) -> None:
    epochs = [f"20{1 + n // 10_000:02}-01-{1 + n % 28:02}T{n // 28 % 24:02}:{n // 672 % 60:02}" for n in range(100_000)]
    head = json.dumps(TRIPLE)[:-1]
    texts = [f'{head},"epoch":"{epoch}"}}' for epoch in epochs]
    texts[87_654] = texts[87_654].replace("swarma", "swarmb")
    message = refusal(await door.http.post(f"{PATH}/ephemeris", content="[" + ",".join(texts) + "]"), 400)
    assert "record 87655 (" in message
    assert "platform: the data source 46 is" in message
    assert await stored(door) == []


async def test_what_is_too_large_is_refused_by_a_status_that_the_client_shows(door: Door) -> None:
    for kind in ("ephemeris", "data_products"):
        headers = {"content-length": str(128 * MIB + 1)}
        message = refusal(await door.http.post(f"{PATH}/{kind}", content=b"[]", headers=headers), 400)
        assert "at most 134217728 bytes are taken here" in message


async def test_an_unknown_source_is_said_so_and_takes_nothing(door: Door) -> None:
    unknown = "/api/v1/data_sources/47"
    text = "No Data Source record found in AuroraX for identifier 47"
    for kind, rows in (("ephemeris", [row()]), ("data_products", [product()])):
        assert text in refusal(await door.http.post(f"{unknown}/{kind}", json=rows), 404)
    spans = {"start": "2020-01-01T00:00:00", "end": "2020-01-02T00:00:00"}
    delete = {**TRIPLE, "urls": []}
    for kind, body in (("ephemeris", {**TRIPLE, **spans}), ("data_products", delete)):
        assert text in refusal(await door.http.request("DELETE", f"{unknown}/{kind}", json=body), 404)


async def test_a_span_is_deleted_with_both_its_ends(door: Door) -> None:
    await upload(door, [row(n) for n in range(1430, 1450)])
    body = {**TRIPLE, "start": "2020-01-01T23:55:00", "end": "2020-01-02T00:02:30"}
    for count in (8, 0):
        answer = await door.http.request("DELETE", f"{PATH}/ephemeris", json=body)
        assert (answer.status_code, answer.json()) == (202, {"deleted": count})
    left = [record.minute - FIRST_MINUTE for record in await stored(door)]
    assert left == [*range(1430, 1435), *range(1443, 1450)]
    for wrong in ({"platform": "swarmb"}, {"end": "2019-01-01T00:00:00"}, {"start": "yesterday"}, {"end": None}):
        refusal(await door.http.request("DELETE", f"{PATH}/ephemeris", json=body | wrong), 400)
    assert len(await stored(door)) == 12


async def test_data_products_are_stored_once_by_their_address(door: Door) -> None:
    assert await upload(door, [product("a"), product("b", metadata={"level": 1}), product("a")], "data_products") == 2
    assert await upload(door, [product("a", data_product_type="movie")], "data_products") == 1
    assert [(each.url, each.data_product_type, each.metadata_json) for each in await products(door)] == [
        ("a", "movie", "{}"),
        ("b", "keogram", '{"level":1}'),
    ]
    body = {**TRIPLE, "urls": ["a", "c"]}
    for count in (1, 0):
        answer = await door.http.request("DELETE", f"{PATH}/data_products", json=body)
        assert (answer.status_code, answer.json()) == (200, {"deleted": count})
    refusal(await door.http.request("DELETE", f"{PATH}/data_products", json=body | {"program": "rego"}), 400)
    assert [each.url for each in await products(door)] == ["b"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"end": "2019-01-01T00:00:00"}, "end must not lie before start"),
        ({"start": "2020-01-01T00:00:00.5"}, "start: without fractions"),
        ({"url": ""}, "url: "),
        ({"url": "a\nb"}, "url: "),
        ({"data_product_type": None}, "data_product_type: "),
        ({"instrument_type": "x"}, "instrument_type: the data source 46 is"),
        ({"url": "a.jpg"}, "url: record 1 has the same and other values"),
    ],
)
async def test_a_bad_data_product_is_told_by_its_place(door: Door, fields: dict[str, Any], text: str) -> None:
    rows = [product(), product("b"), product("c", data_product_type="movie") | fields]
    message = refusal(await door.http.post(f"{PATH}/data_products", json=rows), 400)
    assert "record 3" in message
    assert text in message
    assert await products(door) == []


async def test_availability_counts_by_day_and_source(door: Door) -> None:
    await add(door, identifier=47, platform="swarmb")
    await upload(door, [row(n) for n in (0, 1439, 1440)])
    later = "2020-01-03T05:00:00"
    await upload(door, [product("a"), product("b", start=later, end=later)], "data_products")
    days = {"start": "2020-01-01", "end": "2020-01-02", "slow": "False"}

    async def asked(kind: str, **more: str) -> list[dict[str, Any]]:
        answer = await door.http.get(f"/api/v1/availability/{kind}", params=days | more)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    (found,) = await asked("ephemeris", format="identifier_only")
    assert found == {"data_source": {"identifier": 46}, "available_ephemeris": {"2020-01-01": 2, "2020-01-02": 1}}
    (found,) = await asked("data_products")
    assert (found["data_source"]["platform"], found["available_data_products"]) == ("swarma", {"2020-01-01": 1})
    assert await asked("ephemeris", platform="swarmb") == []
    assert await asked("ephemeris", start="2020-01-03", end="2020-01-03") == []
    for wrong in ({"end": "2019-01-01"}, {"start": "x"}, {"start": "1500-01-01"}):
        refusal(await door.http.get("/api/v1/availability/ephemeris", params=days | wrong), 400)


async def test_uploads_beside_each_other_lose_nothing(door: Door) -> None:
    await asyncio.gather(*(upload(door, [row(n) for n in range(start, 400, 8)]) for start in range(8)))
    assert len(await stored(door)) == 400


async def test_records_whose_source_is_removed_meanwhile_are_taken_back(door: Door) -> None:
    control: Control = door.app.state.services["gateway"]
    source = await control.sources.find(TENANT, 46)
    assert (await door.http.delete(PATH)).status_code == 200
    record = read_ephemeris(json.dumps([row(), row(7)]).encode(), source)
    with pytest.raises(Refused, match="source_not_found"):
        await control.source_records.put_ephemeris(source, record)
    with pytest.raises(Refused, match="source_not_found"):
        await control.source_records.put_products(source, read_products(json.dumps([product()]).encode(), source))
    assert (await stored(door), await door.platform.store.data_products.extent(TENANT, 46)) == ([], None)


async def test_a_source_that_is_deleted_beside_an_upload_is_there_with_its_records_or_gone_with_them(
    door: Door,
) -> None:
    for _ in range(20):
        uploaded, deleted = await asyncio.gather(
            door.http.post(f"{PATH}/ephemeris", json=[row()]), door.http.delete(PATH)
        )
        # Each may find the other's work and give way; never do both hold.
        assert (uploaded.status_code, deleted.status_code) in {(202, 409), (404, 200), (404, 409)}
        assert len(await stored(door)) == (uploaded.status_code == 202)
        if deleted.status_code == 200:
            await add(door, identifier=46)
        else:
            span = {**TRIPLE, "start": "2020-01-01T00:00:00", "end": "2020-01-01T00:00:00"}
            await door.http.request("DELETE", f"{PATH}/ephemeris", json=span)
