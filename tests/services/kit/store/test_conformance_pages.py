"""What every store promises about lists of queries."""

from datetime import timedelta

import pytest

from services.kit.store.documents import QueryDocument
from services.kit.store.port import QueryFilter, Store, Swap
from tests.support.documents import NOW, TENANT, later, make_answer, make_document
from tests.support.stores import FixedClock, put

OTHER_DETECTOR = "det_" + "e" * 27


def revised(document: QueryDocument, revision: int, **changes: object) -> QueryDocument:
    return document.model_copy(update={"revision": revision, **changes})


async def listed(store: Store, query_filter: QueryFilter | None = None, *, limit: int = 100) -> list[str]:
    page = await store.queries.page(TENANT, query_filter or QueryFilter(), None, limit)
    return [document.id for document in page.items]


async def test_a_page_lists_newest_first_and_ties_by_id(store: Store) -> None:
    documents = [make_document(created_at=NOW + timedelta(microseconds=n // 3)) for n in range(9)]
    await put(store, *documents)
    newest_first = sorted(documents, key=lambda document: (document.created_at, document.id), reverse=True)
    assert await listed(store) == [document.id for document in newest_first]


@pytest.mark.parametrize("limit", [1, 3, 4, 12, 13])
async def test_walking_by_cursor_gives_each_once(store: Store, limit: int) -> None:
    documents = [make_document(created_at=NOW + timedelta(microseconds=n // 3)) for n in range(12)]
    await put(store, *documents)
    walked: list[QueryDocument] = []
    page = await store.queries.page(TENANT, QueryFilter(), None, limit)
    pages = 1
    while page.next is not None:
        assert len(page.items) == limit
        walked += page.items
        page = await store.queries.page(TENANT, QueryFilter(), page.next, limit)
        pages += 1
    walked += page.items
    assert pages == -(-len(documents) // limit)
    assert walked == sorted(documents, key=lambda document: (document.created_at, document.id), reverse=True)


async def test_walking_is_not_disturbed_by_new_queries(store: Store) -> None:
    documents = [make_document(created_at=later(n)) for n in range(10)]
    await put(store, *documents)
    walked: list[str] = []
    page = await store.queries.page(TENANT, QueryFilter(), None, 3)
    while page.next is not None:
        walked += [document.id for document in page.items]
        await put(store, make_document(created_at=later(100 + len(walked))))
        page = await store.queries.page(TENANT, QueryFilter(), page.next, 3)
    walked += [document.id for document in page.items]
    assert walked == [document.id for document in reversed(documents)]


async def test_each_filter_and_all_together(store: Store) -> None:
    labelled_open = make_document(answer=make_answer("NO"), created_at=later(4))
    plain = make_document(created_at=later(3))
    answered = make_document(state="answered", answer=make_answer("YES"), created_at=later(2))
    elsewhere = make_document(detector_id=OTHER_DETECTOR, state="running", created_at=later(1))
    overtaken = make_document(requested=False, state="answered", answer=make_answer("YES"), created_at=later(0))
    everything = [labelled_open, plain, answered, elsewhere, overtaken]
    await put(store, *everything)
    cases = [
        (QueryFilter(), everything),
        (QueryFilter(detector_id=OTHER_DETECTOR), [elsewhere]),
        (QueryFilter(state="answered"), [answered, overtaken]),
        (QueryFilter(state="failed"), []),
        (QueryFilter(label="YES"), [answered, overtaken]),
        (QueryFilter(label="NO"), [labelled_open]),
        (QueryFilter(open_only=True), [plain, elsewhere]),
        (QueryFilter(created_from=later(2)), [labelled_open, plain, answered]),
        (QueryFilter(created_until=later(2)), [elsewhere, overtaken]),
        (QueryFilter(created_from=later(1), created_until=later(3)), [answered, elsewhere]),
        (QueryFilter(detector_id=OTHER_DETECTOR, label="YES"), []),
        (QueryFilter(state="answered", label="YES", created_from=later(1)), [answered]),
    ]
    for query_filter, expected in cases:
        assert await listed(store, query_filter) == [document.id for document in expected], query_filter
        assert await store.queries.count(TENANT, query_filter, 100) == len(expected), query_filter


async def test_counting_stops_at_the_most_that_is_asked_for(store: Store) -> None:
    await put(store, *(make_document(created_at=later(n)) for n in range(5)))
    assert [await store.queries.count(TENANT, QueryFilter(), most) for most in (1, 4, 5, 6)] == [1, 4, 5, 5]
    assert await store.queries.count("nobody", QueryFilter(), 10) == 0


async def test_filters_hold_across_pages(store: Store) -> None:
    wanted = [make_document(state="failed", created_at=later(2 * n)) for n in range(5)]
    await put(store, *wanted, *(make_document(created_at=later(2 * n + 1)) for n in range(5)))
    query_filter = QueryFilter(state="failed")
    first = await store.queries.page(TENANT, query_filter, None, 3)
    second = await store.queries.page(TENANT, query_filter, first.next, 3)
    assert [*first.items, *second.items] == list(reversed(wanted))
    assert second.next is None


async def test_lists_follow_what_was_swapped_last(store: Store) -> None:
    document = make_document()
    await put(store, document)
    answered = revised(document, 2, state="answered", answers=(make_answer("NO"),), answer=make_answer("NO"))
    await store.queries.swap([Swap(answered, 1)])
    assert await listed(store, QueryFilter(state="submitted")) == []
    assert await listed(store, QueryFilter(open_only=True)) == []
    assert await listed(store, QueryFilter(state="answered", label="NO")) == [document.id]


async def test_a_page_shows_the_own_tenant_only(store: Store) -> None:
    ours, theirs = make_document(), make_document(tenant="other", created_at=later(1))
    await put(store, ours, theirs)
    assert await listed(store) == [ours.id]
    page = await store.queries.page("nobody", QueryFilter(), None, 10)
    assert (list(page.items), page.next) == ([], None)


async def test_erased_ones_are_loaded_but_not_listed(store: Store) -> None:
    document = make_document(state="answered", answer=make_answer())
    await put(store, document)
    erased = revised(document, 2, erased_at=NOW, request=None, answers=(), answer=None)
    await store.queries.swap([Swap(erased, 1)])
    assert await store.queries.load([document.key]) == {document.key: erased}
    assert await listed(store) == []


async def test_a_page_hides_what_is_past_its_retention_even_before_the_purge(store: Store, clock: FixedClock) -> None:
    kept = make_document(created_at=later(1))
    brief = make_document(expires_at=later(60))
    await put(store, kept, brief)
    clock.advance(59)
    assert await listed(store) == [kept.id, brief.id]
    clock.advance(1)
    assert await listed(store) == [kept.id]
    assert await store.queries.count(TENANT, QueryFilter(), 10) == 1
