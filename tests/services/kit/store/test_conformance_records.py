"""What every store promises about the control plane's records."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import pytest

from services.kit.errors import Conflict
from services.kit.store.port import Records, Store
from services.kit.store.records import Record
from tests.support.documents import NOW, TENANT, later, make_detector, make_entry, make_model, make_token


class MakeRecord(Protocol):
    def __call__(self, name: str = ..., *, tenant: str = ..., created_at: Any = ...) -> Record: ...


class Kind(NamedTuple):
    records: Callable[[Store], Records[Any]]
    make: MakeRecord


KINDS = {
    "detectors": Kind(lambda store: store.detectors, make_detector),
    "models": Kind(lambda store: store.models, make_model),
    "tokens": Kind(lambda store: store.tokens, make_token),
    "entries": Kind(lambda store: store.entries, make_entry),
}
NAMED = {name: kind for name, kind in KINDS.items() if name not in {"tokens", "entries"}}

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
every_named_kind = pytest.mark.parametrize("kind", NAMED.values(), ids=NAMED)


def revised(record: Record, **changes: object) -> Record:
    return record.model_copy(update={"revision": record.revision + 1, "updated_at": later(1), **changes})


@every_kind
async def test_a_record_comes_back_equal(store: Store, kind: Kind) -> None:
    record = kind.make("T\xfcr \U0001f6aa $gt a.b", created_at=later(0.000001))
    await kind.records(store).insert(record)
    assert await kind.records(store).get(TENANT, record.id) == record
    assert await kind.records(store).find(record.id) == record


@every_kind
async def test_what_is_not_there_is_none(store: Store, kind: Kind) -> None:
    records, record = kind.records(store), kind.make()
    assert await records.get(TENANT, record.id) is None
    assert await records.by_name(TENANT, record.name) is None
    assert await records.find(record.id) is None
    page = await records.page(TENANT, None, 10)
    assert (list(page.items), page.next) == ([], None)


@every_kind
async def test_an_id_is_inserted_once(store: Store, kind: Kind) -> None:
    records, record = kind.records(store), kind.make("one")
    await records.insert(record)
    with pytest.raises(Conflict):
        await records.insert(record)
    with pytest.raises(Conflict):
        await records.insert(record.model_copy(update={"name": "two"}))
    assert await records.get(TENANT, record.id) == record


@every_kind
async def test_each_revision_replaces_the_one_before_it(store: Store, kind: Kind) -> None:
    records, first = kind.records(store), kind.make("one")
    await records.insert(first)
    second = revised(first, name="two")
    third = revised(second)
    with pytest.raises(Conflict):
        await records.replace(third)
    with pytest.raises(Conflict):
        await records.replace(first)
    await records.replace(second)
    assert await records.get(TENANT, first.id) == second
    with pytest.raises(Conflict):
        await records.replace(second)
    await records.replace(third)
    assert await records.get(TENANT, first.id) == third


@every_kind
async def test_what_is_not_there_cannot_be_replaced(store: Store, kind: Kind) -> None:
    records, record = kind.records(store), kind.make()
    await records.insert(kind.make("theirs", tenant="other").model_copy(update={"id": record.id}))
    with pytest.raises(Conflict):
        await records.replace(revised(record))
    assert await records.get(TENANT, record.id) is None


@every_kind
async def test_of_many_replacements_at_once_exactly_one_wins(store: Store, kind: Kind) -> None:
    records, record = kind.records(store), kind.make("start")
    await records.insert(record)
    rivals = [revised(record, name=f"rival-{n}") for n in range(10)]
    outcomes = await asyncio.gather(*(records.replace(rival) for rival in rivals), return_exceptions=True)
    winners = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if outcome is None]
    assert len(winners) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9
    assert await records.get(TENANT, record.id) == winners[0]


@every_named_kind
async def test_a_name_has_one_holder_in_its_tenant(store: Store, kind: Kind) -> None:
    records, holder, theirs = kind.records(store), kind.make("door"), kind.make("door", tenant="other")
    await records.insert(holder)
    await records.insert(theirs)
    rival, neighbour = kind.make("door"), kind.make("gate")
    with pytest.raises(Conflict):
        await records.insert(rival)
    await records.insert(neighbour)
    with pytest.raises(Conflict):
        await records.replace(revised(neighbour, name="door"))
    assert await records.get(TENANT, rival.id) is None
    assert await records.get(TENANT, neighbour.id) == neighbour
    assert await records.by_name(TENANT, "door") == holder
    assert await records.by_name("other", "door") == theirs
    assert await records.by_name(TENANT, "Door") is None


@every_named_kind
async def test_of_many_who_take_a_name_at_once_one_gets_it(store: Store, kind: Kind) -> None:
    records = kind.records(store)
    rivals = [kind.make("door") for _ in range(10)]
    outcomes = await asyncio.gather(*(records.insert(rival) for rival in rivals), return_exceptions=True)
    winners = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if outcome is None]
    assert winners == [await records.by_name(TENANT, "door")]
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9


@every_named_kind
async def test_a_removed_record_gives_its_name_free_and_is_still_found_by_id(store: Store, kind: Kind) -> None:
    records, first = kind.records(store), kind.make("door")
    await records.insert(first)
    removed = revised(first, removed_at=NOW)
    await records.replace(removed)
    assert await records.by_name(TENANT, "door") is None
    assert await records.get(TENANT, first.id) == removed
    second = kind.make("door")
    await records.insert(second)
    assert await records.by_name(TENANT, "door") == second
    with pytest.raises(Conflict):
        await records.replace(revised(removed, removed_at=None))


@every_named_kind
async def test_a_renamed_record_gives_its_name_free(store: Store, kind: Kind) -> None:
    records, first, second = kind.records(store), kind.make("door"), kind.make("door")
    await records.insert(first)
    await records.replace(revised(first, name="gate"))
    await records.insert(second)
    assert await records.by_name(TENANT, "door") == second
    found = await records.by_name(TENANT, "gate")
    assert found is not None
    assert found.id == first.id


async def test_a_rejected_model_gives_its_name_free_but_is_listed(store: Store) -> None:
    first, second = make_model("door"), make_model("door", created_at=later(1))
    await store.models.insert(first)
    rejected = first.model_copy(update={"revision": 2, "status": "rejected", "reason": "labels_mismatch"})
    await store.models.replace(rejected)
    assert await store.models.by_name(TENANT, "door") is None
    await store.models.insert(second)
    assert await store.models.by_name(TENANT, "door") == second
    assert list((await store.models.page(TENANT, None, 10)).items) == [second, rejected]


async def test_tokens_may_share_a_name_that_nobody_holds(store: Store) -> None:
    tokens = [make_token("camera") for _ in range(3)]
    for token in tokens:
        await store.tokens.insert(token)
        assert await store.tokens.find(token.id) == token
    assert await store.tokens.by_name(TENANT, "camera") is None


@every_kind
async def test_only_find_looks_across_tenants(store: Store, kind: Kind) -> None:
    records, theirs = kind.records(store), kind.make("door", tenant="other")
    await records.insert(theirs)
    assert await records.get(TENANT, theirs.id) is None
    assert await records.by_name(TENANT, "door") is None
    assert list((await records.page(TENANT, None, 10)).items) == []
    assert await records.find(theirs.id) == theirs
    removed = revised(theirs, removed_at=NOW)
    await records.replace(removed)
    assert await records.find(theirs.id) == removed


async def test_the_types_are_apart(store: Store) -> None:
    detector = make_detector("door")
    model = make_model("door").model_copy(update={"id": detector.id})
    await store.detectors.insert(detector)
    assert await store.models.get(TENANT, detector.id) is None
    assert await store.models.find(detector.id) is None
    await store.models.insert(model)
    assert await store.detectors.by_name(TENANT, "door") == detector
    assert await store.models.by_name(TENANT, "door") == model
    assert list((await store.detectors.page(TENANT, None, 10)).items) == [detector]
    assert await store.tokens.find(detector.id) is None


@every_kind
async def test_a_page_walks_newest_first_without_removed_ones(store: Store, kind: Kind) -> None:
    records = kind.records(store)
    made = [kind.make(f"r{n}", created_at=later(n // 2)) for n in range(7)]
    for record in made:
        await records.insert(record)
    await records.replace(revised(made[3], removed_at=NOW))
    expected = sorted((*made[:3], *made[4:]), key=lambda record: (record.created_at, record.id), reverse=True)
    first = await records.page(TENANT, None, 2)
    await records.insert(kind.make("newcomer", created_at=later(100)))
    second = await records.page(TENANT, first.next, 2)
    third = await records.page(TENANT, second.next, 2)
    assert [*first.items, *second.items, *third.items] == expected
    assert third.next is None


async def test_entries_hold_their_name_within_their_kind(store: Store) -> None:
    group = make_entry("yard")
    await store.entries.insert(group)
    with pytest.raises(Conflict):
        await store.entries.insert(make_entry("yard"))
    await store.entries.insert(make_entry("yard").model_copy(update={"kind": "priming_group"}))
    for _ in range(2):
        await store.entries.insert(make_entry("yard").model_copy(update={"kind": "note"}))
    assert await store.entries.by_name(TENANT, "group yard") == group
    assert len((await store.entries.page(TENANT, None, 10)).items) == 4
