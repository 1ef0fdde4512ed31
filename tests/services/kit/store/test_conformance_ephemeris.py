"""What every store promises about ephemeris."""

import asyncio
import itertools
import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.store.ephemeris import COLUMNS, DAY_MINUTES, Column, EphemerisRecord, Extent, Position, pack, unpack
from services.kit.store.port import Store
from tests.support.documents import TENANT
from tests.support.space import DAY, FIRST_MINUTE, make_record, make_records

SOURCE = 46
_EVERY_DAY = (DAY - 10, DAY + 1000)


async def stored(store: Store, source: int = SOURCE, tenant: str = TENANT) -> list[EphemerisRecord]:
    found = await store.ephemeris.read(tenant, (source,), *_EVERY_DAY, COLUMNS)
    return [record for day in found[source] for record in unpack(day)]


async def test_records_come_back_exactly(store: Store) -> None:
    records = make_records((0, 1, 2, 59, 1439, 1440, 4000))
    records.append(
        EphemerisRecord(minute=FIRST_MINUTE + 5000, nbtrace=Position(-0.0, 5e-324), metadata_json='"\\ud800"')
    )
    await store.ephemeris.put(TENANT, SOURCE, pack(records))
    found = await stored(store)
    assert found == records
    assert math.copysign(1, found[-1].nbtrace.lat if found[-1].nbtrace else 0) == -1


async def test_what_is_not_there_is_empty(store: Store) -> None:
    assert await store.ephemeris.read(TENANT, (1, 2), *_EVERY_DAY, COLUMNS) == {1: [], 2: []}
    assert await store.ephemeris.read(TENANT, (), *_EVERY_DAY, COLUMNS) == {}
    assert await store.ephemeris.availability(TENANT, (1,), *_EVERY_DAY) == {1: {}}
    assert await store.ephemeris.extent(TENANT, 1) is None
    assert await store.ephemeris.delete(TENANT, 1, 0, 2**40) == 0


async def test_only_the_columns_and_days_that_are_asked_for_are_read(store: Store) -> None:
    await store.ephemeris.put(TENANT, SOURCE, pack(make_records(range(0, 5 * DAY_MINUTES, 100))))
    columns: tuple[Column, ...] = ("metadata", "nbtrace")
    found = await store.ephemeris.read(TENANT, (SOURCE,), DAY + 1, DAY + 3, columns)
    assert [(day.day, sorted(day.columns)) for day in found[SOURCE]] == [(DAY + n, [*columns]) for n in (1, 2)]
    found = await store.ephemeris.read(TENANT, (SOURCE,), DAY, DAY + 1, ())
    assert [(len(day), day.columns) for day in found[SOURCE]] == [(15, {})]


async def test_the_later_record_of_a_minute_stays_and_a_repeat_changes_nothing(store: Store) -> None:
    first, second = make_records(range(10)), make_records(range(5, 15), lat=12.5, text="{}")
    for days in (pack(first), pack(second), pack(second)):
        await store.ephemeris.put(TENANT, SOURCE, days)
    assert await stored(store) == [*first[:5], *second]


async def test_uploads_of_one_day_in_parallel_lose_nothing(store: Store) -> None:
    parts = [make_records(range(n, 200, 8)) for n in range(8)]
    await asyncio.gather(*(store.ephemeris.put(TENANT, SOURCE, pack(part)) for part in parts))
    assert await stored(store) == make_records(range(200))


async def test_a_range_of_minutes_is_removed(store: Store) -> None:
    await store.ephemeris.put(TENANT, SOURCE, pack(make_records(range(4 * DAY_MINUTES))))
    first, until = FIRST_MINUTE + DAY_MINUTES - 1, FIRST_MINUTE + 3 * DAY_MINUTES + 1
    assert await store.ephemeris.delete(TENANT, SOURCE, first, until) == 2 * DAY_MINUTES + 2
    assert await store.ephemeris.delete(TENANT, SOURCE, first, until) == 0
    left = [record.minute - FIRST_MINUTE for record in await stored(store)]
    assert left == [*range(DAY_MINUTES - 1), *range(3 * DAY_MINUTES + 1, 4 * DAY_MINUTES)]


async def test_years_are_removed_up_to_the_minutes_at_both_ends(store: Store) -> None:
    # Sparse days, more of them than any adapter takes at once.
    records = make_records(minute for day in range(300) for minute in (day * DAY_MINUTES, (day + 1) * DAY_MINUTES - 1))
    await store.ephemeris.put(TENANT, SOURCE, pack(records))
    await store.ephemeris.put(TENANT, SOURCE + 1, pack(records[:4]))
    first, until = FIRST_MINUTE + 1, FIRST_MINUTE + 299 * DAY_MINUTES + 1
    assert await store.ephemeris.delete(TENANT, SOURCE, until, first) == 0
    assert await store.ephemeris.delete(TENANT, SOURCE, first, until) == 598
    assert await store.ephemeris.delete(TENANT, SOURCE, first, until) == 0
    assert await stored(store) == [records[0], records[-1]]
    assert await store.ephemeris.extent(TENANT, SOURCE) == Extent(2, FIRST_MINUTE, FIRST_MINUTE + 300 * 1440 - 1)
    assert await stored(store, SOURCE + 1) == records[:4]


async def test_minutes_put_beside_a_removal_are_those_put_or_none(store: Store) -> None:
    old = make_records(range(0, 600, 7))
    new = make_records(range(3, 600, 7), text='{"new": 1}')
    for _ in range(5):
        await store.ephemeris.put(TENANT, SOURCE, pack(old))
        await asyncio.gather(
            store.ephemeris.delete(TENANT, SOURCE, FIRST_MINUTE, FIRST_MINUTE + DAY_MINUTES),
            *(store.ephemeris.put(TENANT, SOURCE, pack(new[n::4])) for n in range(4)),
            store.ephemeris.delete(TENANT, SOURCE, FIRST_MINUTE, FIRST_MINUTE + DAY_MINUTES),
        )
        assert {record.minute for record in await stored(store)} <= {record.minute for record in new}
        await store.ephemeris.delete(TENANT, SOURCE, FIRST_MINUTE, FIRST_MINUTE + DAY_MINUTES)


async def test_availability_counts_the_minutes_of_days(store: Store) -> None:
    await store.ephemeris.put(TENANT, SOURCE, pack(make_records((0, 3, 1441, 4500))))
    await store.ephemeris.put(TENANT, -1, pack(make_records(range(DAY_MINUTES))))
    found = await store.ephemeris.availability(TENANT, (SOURCE, -1), DAY, DAY + 3)
    assert found == {SOURCE: {DAY: 2, DAY + 1: 1}, -1: {DAY: 1440}}


async def test_the_extent_says_how_much_there_is(store: Store) -> None:
    await store.ephemeris.put(TENANT, SOURCE, pack(make_records((7, 3, 1441, 300 * DAY_MINUTES + 20))))
    assert await store.ephemeris.extent(TENANT, SOURCE) == Extent(4, FIRST_MINUTE + 3, FIRST_MINUTE + 300 * 1440 + 20)


async def test_long_reads_give_every_day_in_order(store: Store) -> None:
    records = make_records(range(0, 300 * DAY_MINUTES, DAY_MINUTES))
    await store.ephemeris.put(TENANT, SOURCE, pack(records))
    assert await stored(store) == records


async def test_few_days_of_many_sources_come_each_with_its_source(store: Store) -> None:
    records = {source: make_records(range(source, 5 * DAY_MINUTES, 1000 + source)) for source in range(60)}
    for source, own in records.items():
        await store.ephemeris.put(TENANT, source, pack(own))
    found = await store.ephemeris.read(TENANT, range(70), DAY + 1, DAY + 4, COLUMNS)
    wanted = range((DAY + 1) * DAY_MINUTES, (DAY + 4) * DAY_MINUTES)
    assert {source: [record for day in days for record in unpack(day)] for source, days in found.items()} == {
        source: [record for record in records.get(source, ()) if record.minute in wanted] for source in range(70)
    }


async def test_sources_and_tenants_are_apart(store: Store) -> None:
    largest = 2**63 - 1
    for source, tenant in ((SOURCE, TENANT), (largest, TENANT), (SOURCE, "other")):
        await store.ephemeris.put(tenant, source, pack([make_record(source % 7)]))
    assert await store.ephemeris.delete("other", SOURCE, 0, 2**40) == 1
    assert await stored(store, SOURCE, "other") == []
    assert await stored(store) == [make_record(SOURCE % 7)]
    assert await stored(store, largest) == [make_record(0)]


async def test_days_before_1970_are_days(store: Store) -> None:
    records = [EphemerisRecord(minute=minute) for minute in (-1441, -1440, -1, 0)]
    await store.ephemeris.put(TENANT, SOURCE, pack(records))
    assert await store.ephemeris.availability(TENANT, (SOURCE,), -9, 9) == {SOURCE: {-2: 1, -1: 2, 0: 1}}
    assert await store.ephemeris.delete(TENANT, SOURCE, -1440, 0) == 2
    assert await store.ephemeris.extent(TENANT, SOURCE) == Extent(2, -1441, 0)


_sources = itertools.count(1000)
_minutes = st.sets(st.integers(0, 2 * DAY_MINUTES - 1), max_size=20)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(_minutes, st.sampled_from(["{}", '{"b": [1]}']), st.booleans()), max_size=6))
async def test_a_source_does_what_a_dict_of_minutes_would(
    store: Store, steps: list[tuple[set[int], str, bool]]
) -> None:
    source = next(_sources)  # the store outlives the example
    model: dict[int, EphemerisRecord] = {}
    for minutes, text, remove in steps:
        if remove and minutes:
            first, until = FIRST_MINUTE + min(minutes), FIRST_MINUTE + max(minutes)
            gone = [minute for minute in model if first <= minute < until]
            assert await store.ephemeris.delete(TENANT, source, first, until) == len(gone)
            for minute in gone:
                del model[minute]
        else:
            records = make_records(sorted(minutes), text=text)
            await store.ephemeris.put(TENANT, source, pack(records))
            model |= {record.minute: record for record in records}
        assert await stored(store, source) == [model[minute] for minute in sorted(model)]
