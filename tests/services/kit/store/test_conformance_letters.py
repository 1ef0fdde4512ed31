"""What every store promises about dead letters."""

import pytest

from services.kit.store.port import LetterFilter, Store
from services.kit.store.records import DeadLetter
from tests.support.documents import TENANT, later, make_dead_letter

ALL = LetterFilter()
QUERY_ID = "iq_" + "0" * 27


async def test_a_dead_letter_is_kept_whole(store: Store) -> None:
    letter = make_dead_letter(body=bytes(range(256)) * 1000)
    await store.dead_letters.add(letter)
    assert await store.dead_letters.get(letter.id) == letter
    assert await store.dead_letters.summary(letter.id) == letter.summary
    assert letter.summary.size_bytes == 256_000
    assert await store.dead_letters.get("evt_2") is await store.dead_letters.summary("evt_2") is None


async def test_adding_a_dead_letter_again_changes_nothing(store: Store) -> None:
    letter = make_dead_letter()
    await store.dead_letters.add(letter)
    await store.dead_letters.add(letter.model_copy(update={"reason": "other", "died_at": later(1)}))
    assert await store.dead_letters.get(letter.id) == letter
    assert list((await store.dead_letters.page(ALL, None, 10)).items) == [letter.summary]


async def test_dead_letters_are_listed_newest_first_and_deleted(store: Store) -> None:
    letters = [make_dead_letter(f"evt_{n}", died_at=later(n // 2)) for n in range(5)]
    for letter in letters:
        await store.dead_letters.add(letter)
    first = await store.dead_letters.page(ALL, None, 3)
    second = await store.dead_letters.page(ALL, first.next, 3)
    assert [*first.items, *second.items] == [letter.summary for letter in reversed(letters)]
    assert second.next is None
    for _ in range(2):
        await store.dead_letters.delete("evt_1")
    assert await store.dead_letters.get("evt_1") is None
    assert [letter.id for letter in (await store.dead_letters.page(ALL, None, 10)).items] == [
        "evt_4",
        "evt_3",
        "evt_2",
        "evt_0",
    ]


VARIETY: tuple[DeadLetter, ...] = tuple(
    make_dead_letter(f"evt_{number}", died_at=later(number)).model_copy(update=given)
    for number, given in enumerate(
        (
            {"queue": "a", "reason": "x"},
            {"queue": "b", "reason": "x", "tenant": ""},
            {"queue": "b", "reason": "y", "query_id": QUERY_ID},
            {"queue": "b", "reason": "x", "tenant": "other", "query_id": QUERY_ID},
        )
    )
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LetterFilter(queue="b"), "321"),
        (LetterFilter(reason="x"), "310"),
        (LetterFilter(queue="b", reason="x"), "31"),
        (LetterFilter(query_id=QUERY_ID), "32"),
        (LetterFilter(tenant=TENANT), "20"),
        (LetterFilter(tenant=""), "1"),
        (LetterFilter(query_id=QUERY_ID, tenant="other"), "3"),
        (LetterFilter(reason="' OR 1"), ""),
    ],
)
async def test_only_letters_that_pass_every_filter_are_listed(store: Store, wanted: LetterFilter, found: str) -> None:
    for letter in VARIETY:
        await store.dead_letters.add(letter)
    ids: list[str] = []
    cursor = None
    while True:
        page = await store.dead_letters.page(wanted, cursor, 2)
        ids += [letter.id.removeprefix("evt_") for letter in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert "".join(ids) == found


async def test_letters_are_counted_by_reason(store: Store) -> None:
    assert await store.dead_letters.counts() == {}
    for letter in VARIETY:
        await store.dead_letters.add(letter)
    assert await store.dead_letters.counts() == {"x": 3, "y": 1}


async def test_old_letters_are_purged(store: Store) -> None:
    for number in range(60):
        await store.dead_letters.add(make_dead_letter(f"evt_{number}", died_at=later(number)))
    assert await store.dead_letters.purge(later(58)) == 59
    assert await store.dead_letters.purge(later(58)) == 0
    assert [letter.id for letter in (await store.dead_letters.page(ALL, None, 10)).items] == ["evt_59"]
