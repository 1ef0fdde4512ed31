"""From stored days to columns and tracks."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from services.kit.store.ephemeris import DAY_MINUTES, EphemerisDay, EphemerisRecord, Position, pack
from services.search.engine.columns import Hemisphere, SourceColumns, columns_for, columns_of, mask, track_of
from services.search.engine.filters import MetadataFilter, read_filter
from services.search.engine.tracks import Track
from tests.support.space import FIRST_MINUTE, make_records

_HERE, _THERE = Position(1.5, 2.5), Position(-3.0, 4.0)


def columns(records: Sequence[EphemerisRecord], first: int = -(2**40), until: int = 2**40) -> SourceColumns:
    return columns_of(7, pack(records), first, until)


def places(track: Track) -> list[tuple[int, float, float]]:
    assert track.ticks is not None
    lat, lon = (np.broadcast_to(each, track.ticks.shape).tolist() for each in (track.lat, track.lon))
    return list(zip(track.ticks.tolist(), lat, lon, strict=True))


def wanted(*expressions: Any) -> MetadataFilter:
    found = read_filter([{"key": key, "operator": operator, "values": values} for key, operator, values in expressions])
    assert found is not None
    return found


@pytest.mark.parametrize("gaps", [(), (1,), (1, 2, 5)])
def test_days_become_minutes_since_1970(gaps: tuple[int, ...]) -> None:
    minutes = [minute for minute in range(0, 8 * DAY_MINUTES, 50) if minute // DAY_MINUTES not in gaps]
    records = make_records(minutes)
    found = columns(records)
    assert found.minutes.tolist() == [record.minute for record in records]
    assert places(track_of(found, "nbtrace")) == [
        (record.minute, record.nbtrace.lat, record.nbtrace.lon) for record in records if record.nbtrace
    ]


def test_only_the_minutes_of_the_range_are_kept() -> None:
    found = columns(make_records(range(3000)), FIRST_MINUTE + 1439, FIRST_MINUTE + 1441)
    assert found.minutes.tolist() == [FIRST_MINUTE + 1439, FIRST_MINUTE + 1440]
    assert found.positions["location_geo"].lat.size == found.codes.size == 2


def test_before_1970_days_are_the_same() -> None:
    records = [EphemerisRecord(minute=minute, nbtrace=_HERE) for minute in (-3000, -1, 0, 1)]
    assert columns(records).minutes.tolist() == [-3000, -1, 0, 1]


def test_a_place_is_one_pair_of_numbers_only_when_it_is_the_same_on_every_day() -> None:
    still = [EphemerisRecord(minute=minute, nbtrace=_HERE) for minute in range(0, 5000, 100)]
    assert columns(still).positions["nbtrace"].lat.tolist() == [1.5]
    moved = [
        EphemerisRecord(minute=day * DAY_MINUTES + n, nbtrace=_HERE if day else _THERE)
        for day in (0, 1)
        for n in (0, 1)
    ]
    assert columns(moved).positions["nbtrace"].lat.tolist() == [-3.0, -3.0, 1.5, 1.5]
    mixed = [EphemerisRecord(minute=0, nbtrace=_HERE), EphemerisRecord(minute=DAY_MINUTES, nbtrace=_THERE)]
    assert columns(mixed).positions["nbtrace"].lon.tolist() == [2.5, 4.0]


def test_a_source_without_days_has_no_minutes() -> None:
    assert columns_of(7, [], 0, 10).minutes.size == 0
    assert places(track_of(columns_of(7, [], 0, 10), "sbtrace")) == []


def test_absent_places_are_left_out_of_the_trace_alone() -> None:
    records = [
        EphemerisRecord(minute=0, nbtrace=_HERE),
        EphemerisRecord(minute=1, nbtrace=_HERE, sbtrace=_THERE),
        EphemerisRecord(minute=2, location_geo=_HERE),
    ]
    found = columns(records)
    assert [minute for minute, _, _ in places(track_of(found, "nbtrace"))] == [0, 1]
    assert places(track_of(found, "sbtrace")) == [(1, -3.0, 4.0)]
    assert places(track_of(found, "geographic")) == [(2, 1.5, 2.5)]


def test_a_hemisphere_is_that_of_the_place_below_the_source() -> None:
    lats = (10.0, 0.0, -0.0, -10.0, None)
    records = [
        EphemerisRecord(minute=n, location_geo=None if lat is None else Position(lat, 5), nbtrace=_HERE)
        for n, lat in enumerate(lats)
    ]
    found = columns(records)

    def kept(*hemispheres: Any) -> list[int]:
        return [minute for minute, _, _ in places(track_of(found, "nbtrace", hemispheres=hemispheres))]

    assert kept("northern") == [0, 1, 2]
    assert kept("southern") == [3]
    assert kept("northern", "southern") == kept() == [0, 1, 2, 3, 4]


def test_a_filter_chooses_minutes_by_their_metadata() -> None:
    texts = [json.dumps({"class": "clear" if n // 10 % 2 else "cloudy", "n": n % 4}) for n in range(3000)]
    found = columns([EphemerisRecord(minute=n, nbtrace=_HERE, metadata_json=text) for n, text in enumerate(texts)])
    assert len(found.texts) == 8
    assert np.flatnonzero(mask(wanted(("class", "=", ["clear"])), found)).tolist() == [
        n for n in range(3000) if n // 10 % 2
    ]
    track = track_of(found, "nbtrace", metadata_filter=wanted(("class", "=", ["clear"]), ("n", ">", ["2"])))
    assert [minute for minute, _, _ in places(track)] == [n for n in range(3000) if n // 10 % 2 and n % 4 > 2]


def test_a_filter_and_a_hemisphere_both_choose() -> None:
    records = [
        EphemerisRecord(
            minute=n, location_geo=Position((-1) ** n, 0), nbtrace=Position(n, 0), metadata_json=json.dumps({"n": n})
        )
        for n in range(8)
    ]
    days = pack(records)
    chosen: Any = {"hemispheres": ("southern",), "metadata_filter": wanted(("n", "between", ["3", "6"]))}
    asked = [
        EphemerisDay(day.day, day.present, {name: day.columns[name] for name in columns_for("nbtrace", **chosen)})
        for day in days
    ]
    found = columns_of(7, asked, 0, 10)
    assert places(track_of(found, "nbtrace", **chosen)) == [(3, 3.0, 0.0), (5, 5.0, 0.0)]


def test_only_the_columns_that_a_track_needs_are_read() -> None:
    northern: Hemisphere = "northern"
    southern: Hemisphere = "southern"
    assert columns_for("nbtrace") == ("nbtrace",)
    assert columns_for("geographic", hemispheres=(southern,)) == ("location_geo",)
    assert columns_for("sbtrace", hemispheres=(northern,)) == ("location_geo", "sbtrace")
    assert columns_for("sbtrace", hemispheres=(northern, southern)) == ("sbtrace",)
    assert columns_for("nbtrace", metadata_filter=wanted(("a", "=", [1]))) == ("nbtrace", "metadata")


def test_a_longitude_beyond_180_is_the_same_place() -> None:
    records = [
        EphemerisRecord(minute=n, nbtrace=Position(0, lon)) for n, lon in enumerate((190.0, 265.356336, -94.643664))
    ]
    track = track_of(columns(records), "nbtrace")
    assert track.lon == pytest.approx([-170.0, -94.643664, -94.643664])
    assert track.lon[2] == -94.643664
