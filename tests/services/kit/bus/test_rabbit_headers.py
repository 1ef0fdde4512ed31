"""Headers of nothing but text take a shorter way through the driver; on any way they are the same bytes and values."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pamqp import decode, encode
from pamqp.common import FieldTable

from services.kit.bus.rabbit.decoding import UNREADABLE, tolerate_anything
from services.kit.bus.rabbit.encoding import write_texts_at_once

TEXT = some.text(max_size=32)
VALUE = TEXT | some.integers(-(2**31), 2**31 - 1) | some.booleans() | some.lists(TEXT, max_size=2)


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    tolerate_anything()
    write_texts_at_once()


@given(some.dictionaries(TEXT, VALUE, max_size=6))
def test_what_is_written_is_what_the_driver_reads(table: FieldTable) -> None:
    written = encode.by_type(table, "table")
    assert decode.field_table(written) == (len(written), table)


@given(some.dictionaries(TEXT, VALUE, max_size=6), some.binary(max_size=8))
def test_what_the_driver_writes_is_read(table: FieldTable, behind: bytes) -> None:
    written = encode.field_table(table)
    assert decode.by_type(written + behind, "table") == (len(written), table)


@given(
    some.dictionaries(TEXT, TEXT, min_size=1, max_size=4), some.integers(4, 200), some.binary(min_size=1, max_size=3)
)
def test_damage_is_read_as_the_driver_reads_it_or_said_to_be_unreadable(
    table: FieldTable, place: int, damage: bytes
) -> None:
    whole = encode.field_table(table)
    place = min(place, len(whole) - 1)
    damaged = (whole[:place] + damage + whole[place + len(damage) :])[: len(whole)]
    try:
        expected = decode.field_table(damaged)
    except ValueError:
        expected = len(damaged), {UNREADABLE: "headers that cannot be decoded"}
    assert decode.by_type(damaged, "table") == expected


def test_a_long_name_is_cut_as_the_driver_does() -> None:
    written = encode.by_type({"ä" * 100: "text"}, "table")
    assert decode.by_type(written, "table") == (len(written), {"ä" * 64: "text"})
