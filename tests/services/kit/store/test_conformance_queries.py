"""What every store promises about query documents: load and swap. See also the other test_conformance files."""

import asyncio
import json
from datetime import datetime, timedelta, timezone

import pytest

from contracts.ids import IMAGE_QUERY, new_id
from services.kit.store.documents import AnswerRecord, Failure, QueryDocument, QueryKey
from services.kit.store.port import QueryFilter, Store, Swap
from tests.support.documents import NOW, TENANT, later, make_answer, make_document
from tests.support.stores import put


async def get(store: Store, key: QueryKey) -> QueryDocument | None:
    return (await store.queries.load([key])).get(key)


def revised(document: QueryDocument, revision: int, **changes: object) -> QueryDocument:
    return document.model_copy(update={"revision": revision, **changes})


async def test_expected_zero_inserts_once_and_is_a_conflict_again(store: Store) -> None:
    first = make_document()
    second = revised(first, 1, attempts=99)
    assert await store.queries.swap([Swap(first, 0)]) == frozenset()
    assert await store.queries.swap([Swap(second, 0)]) == {first.key}
    assert await get(store, first.key) == first


async def test_a_swap_writes_over_the_expected_revision_only(store: Store) -> None:
    first = make_document(revision=2)
    await put(store, first)
    fourth = revised(first, 4, state="answered", answers=(make_answer(),), answer=make_answer())
    for wrong in (1, 3, 4):
        assert await store.queries.swap([Swap(fourth, wrong)]) == {first.key}
        assert await get(store, first.key) == first
    assert await store.queries.swap([Swap(fourth, 2)]) == frozenset()
    assert await get(store, first.key) == fourth
    assert await store.queries.swap([Swap(revised(fourth, 5), 2)]) == {first.key}


async def test_a_swap_of_what_is_not_there_is_a_conflict_and_writes_nothing(store: Store) -> None:
    document = make_document(revision=4)
    assert await store.queries.swap([Swap(document, 3)]) == {document.key}
    assert await get(store, document.key) is None


async def test_a_batch_reports_exactly_the_conflicts_and_writes_the_others(store: Store) -> None:
    stored = [make_document() for _ in range(6)]
    await put(store, *stored)
    fresh = make_document()
    good = [revised(document, 2) for document in stored[:3]]
    bad = [revised(document, 9) for document in stored[3:5]]
    again = revised(stored[5], 1, attempts=7)
    missing = make_document(revision=2)
    swaps = [Swap(bad[0], 8), Swap(good[0], 1), Swap(fresh, 0), Swap(missing, 1)]
    swaps += [Swap(good[1], 1), Swap(again, 0), Swap(bad[1], 2), Swap(good[2], 1)]
    assert await store.queries.swap(swaps) == {bad[0].key, bad[1].key, again.key, missing.key}
    expected = {document.key: document for document in (*good, *stored[3:], fresh)}
    assert await store.queries.load([*expected, missing.key]) == expected


async def test_empty_batches_do_nothing(store: Store) -> None:
    assert await store.queries.swap([]) == frozenset()
    assert await store.queries.load([]) == {}


async def test_of_many_swaps_at_once_exactly_one_wins(store: Store) -> None:
    document = make_document()
    for expected in range(5):
        rivals = [revised(document, expected + 1, attempts=n) for n in range(20)]
        outcomes = await asyncio.gather(*(store.queries.swap([Swap(rival, expected)]) for rival in rivals))
        winners = [rival for rival, conflicts in zip(rivals, outcomes, strict=True) if not conflicts]
        assert len(winners) == 1
        assert await get(store, document.key) == winners[0]


async def test_writers_that_load_again_after_a_conflict_lose_nothing(store: Store) -> None:
    document = make_document()
    await put(store, document)

    async def count_up() -> None:
        for _ in range(5):
            while True:
                present = await get(store, document.key)
                assert present is not None
                changed = revised(present, present.revision + 1, attempts=present.attempts + 1)
                if not await store.queries.swap([Swap(changed, present.revision)]):
                    break

    await asyncio.gather(*(count_up() for _ in range(8)))
    assert await get(store, document.key) == revised(document, 41, attempts=41)


async def test_load_returns_what_exists_of_any_number_of_keys(store: Store) -> None:
    documents = [make_document() for _ in range(300)]
    await put(store, *documents)
    unknown = [QueryKey(TENANT, new_id(IMAGE_QUERY, NOW)) for _ in range(300)]
    keys = [key for pair in zip(unknown, [document.key for document in documents], strict=True) for key in pair]
    assert await store.queries.load([*keys, keys[1]]) == {document.key: document for document in documents}


async def test_the_same_id_of_two_tenants_is_two_documents(store: Store) -> None:
    ours = make_document()
    theirs = make_document(ours.id, tenant="other", lane="gpu")
    await put(store, ours)
    assert await store.queries.load([theirs.key]) == {}
    assert await store.queries.swap([Swap(revised(theirs, 2), 1)]) == {theirs.key}
    await put(store, theirs)
    assert await store.queries.load([ours.key, theirs.key]) == {ours.key: ours, theirs.key: theirs}


async def test_a_load_sees_the_swap_that_returned_before(store: Store) -> None:
    async def write_and_read() -> None:
        document = make_document()
        for revision in range(1, 11):
            document = revised(document, revision)
            assert await store.queries.swap([Swap(document, revision - 1)]) == frozenset()
            assert await get(store, document.key) == document

    await asyncio.gather(*(write_and_read() for _ in range(10)))


@pytest.mark.parametrize(
    "text",
    [
        "Ist die T\xfcr offen? \u0434\u0430 \u3044\u3044\u3048 \U0001f6aa\U0001f44d\U0001f3fd",
        "e\u0301 is not \xe9",
        '"quotes" \\ \\u0000 \t\r\n\x1f\x7f\u2028\ufeff',
        "'; DROP TABLE queries; --",
        "$gt",
        "a.b.$c",
        "",
        "x" * 4094,
    ],
)
async def test_any_text_comes_back_as_it_was(store: Store, text: str) -> None:
    document = make_document(
        metadata_json=json.dumps(text, ensure_ascii=False),
        held=text,
        answer=make_answer(text[:200] or " "),
        state="failed",
    ).model_copy(update={"error": Failure(reason="crashed", detail=text)})
    await put(store, document)
    assert await get(store, document.key) == document
    assert document.answer is not None
    label = document.answer.label
    same = await store.queries.page(TENANT, QueryFilter(label=label), None, 10)
    other = await store.queries.page(TENANT, QueryFilter(label=f"{label}."), None, 10)
    assert (list(same.items), list(other.items)) == ([document], [])


@pytest.mark.parametrize(
    "metadata_json",
    [
        '{"$gt": {"a.b": 1, "": null}, "$where": "1"}',
        '{"n": 123456789012345678901234567890, "f": 1.10, "z": -0.0}',
        '{"pair": "\\ud83d\\ude00", "nul": "\\u0000"}',
        '  {"spaces":   1 , "twice": 1, "twice": 2}  ',
    ],
)
async def test_metadata_stays_the_text_that_it_was(store: Store, metadata_json: str) -> None:
    document = make_document(metadata_json=metadata_json)
    await put(store, document)
    stored = await get(store, document.key)
    assert stored is not None
    assert stored.image_request is not None
    assert stored.image_request.metadata_json == metadata_json


async def test_every_field_comes_back_equal(store: Store) -> None:
    answers = tuple(
        make_answer(label, confidence=confidence, at=NOW + timedelta(microseconds=n)).model_copy(update={"id": f"a{n}"})
        for n, (label, confidence) in enumerate([("YES", 0.1 + 0.2), ("NO", 5e-324), ("MAYBE", 1.0), ("YES", 0.0)])
    )
    person = AnswerRecord(id="lbl_1", source="person", label="YES", confidence=1.0, by="Zo\xeb", at=NOW, replay=2)
    zone = timezone(timedelta(hours=5, minutes=45))
    document = make_document(
        answer=person,
        state="answered",
        created_at=datetime(2051, 1, 1, 0, 0, 0, 1, tzinfo=zone),
        updated_at=datetime(2051, 12, 31, 23, 59, 59, 999999, tzinfo=zone),
        expires_at=later(3600.000001),
        request_expires_at=later(0.000001),
    ).model_copy(update={"answers": (*answers, person), "sweeps": 2, "erased_at": NOW})
    await put(store, document)
    stored = await get(store, document.key)
    assert stored == document
    assert stored is not None
    assert stored.model_dump() == document.model_dump()
    assert stored.created_at.utcoffset() is not None
