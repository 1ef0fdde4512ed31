"""How a day of ephemeris is packed."""

import pytest

from services.kit.errors import Undecodable
from services.kit.store.ephemeris import (
    EphemerisDay,
    EphemerisRecord,
    Position,
    cut,
    minutes_of,
    pack,
    unpack,
    unpack_metadata,
)
from tests.support.space import FIRST_MINUTE, make_records


def test_the_bitmap_begins_with_the_first_minute() -> None:
    (day,) = pack(make_records((0, 9, 1439)))
    assert (day.present[0], day.present[1], day.present[-1]) == (0b10000000, 0b01000000, 1)
    assert minutes_of(day.present) == [0, 9, 1439]
    assert len(day) == 3


def test_the_last_of_two_records_of_a_minute_wins_whatever_the_order_is() -> None:
    one, two = EphemerisRecord(minute=5), EphemerisRecord(minute=5, metadata_json="[2]")
    (day,) = pack([EphemerisRecord(minute=7), one, EphemerisRecord(minute=6), two])
    assert unpack(day) == [two, EphemerisRecord(minute=6), EphemerisRecord(minute=7)]


def test_a_site_on_the_ground_takes_a_few_bytes() -> None:
    here = Position(56.4, -94.6)
    records = [EphemerisRecord(minute=FIRST_MINUTE + n, location_geo=here, nbtrace=here) for n in range(1440)]
    (day,) = pack(records)
    assert unpack(day) == records
    assert sum(map(len, day.columns.values())) < 150


def test_a_day_without_its_last_minute_is_no_day() -> None:
    (day,) = pack(make_records((3, 4)))
    kept = cut(day, FIRST_MINUTE + 4, FIRST_MINUTE + 5)
    assert kept is not None
    assert unpack(kept) == make_records((3,))
    assert cut(day, FIRST_MINUTE, FIRST_MINUTE + 5) is None


def test_columns_that_were_not_asked_for_are_absent() -> None:
    (day,) = pack(make_records((1, 2)))
    bare = EphemerisDay(day.day, day.present, {})
    assert unpack(bare) == [EphemerisRecord(minute=FIRST_MINUTE + n) for n in (1, 2)]


@pytest.mark.parametrize("data", [b"", b"nonsense", pack([EphemerisRecord(minute=0)])[0].columns["metadata"][:-3]])
def test_damaged_metadata_says_so(data: bytes) -> None:
    with pytest.raises(Undecodable, match="ephemeris_damaged"):
        unpack_metadata(data)
