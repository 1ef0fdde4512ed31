"""What every store promises to those who sweep: overtaken, expired, held, used and purged queries."""

import pytest

from contracts.v1.results import State
from services.kit.store.documents import QueryDocument
from services.kit.store.port import QueryFilter, Store, Swap
from tests.support.documents import DETECTOR_ID, NOW, SHA256, TENANT, later, make_answer, make_document
from tests.support.stores import put

OTHER_SHA256 = "0" * 64


def make_passed(created_at_s: float = 10, *, tenant: str = TENANT, lane: str = "default") -> QueryDocument:
    return make_document(
        tenant=tenant, lane=lane, state="answered", answer=make_answer(), created_at=later(created_at_s)
    )


async def test_an_open_query_that_a_later_answer_passed_is_overtaken(store: Store) -> None:
    for state in ("submitted", "running"):
        await put(store, make_document(state=state))
    await put(store, make_passed())
    found = await store.queries.overtaken(later(100), 10)
    assert sorted(document.state for document in found) == ["running", "submitted"]


@pytest.mark.parametrize("state", ["answered", "failed"])
async def test_work_that_ended_overtakes(store: Store, state: State) -> None:
    waiting = make_document()
    await put(store, waiting, make_document(state=state, created_at=later(1)))
    assert list(await store.queries.overtaken(later(100), 10)) == [waiting]


@pytest.mark.parametrize("state", ["submitted", "running", "cancelled", "expired"])
async def test_what_no_worker_has_ended_overtakes_nothing(store: Store, state: State) -> None:
    await put(store, make_document(), make_document(state=state, created_at=later(1), held="no_model"))
    assert list(await store.queries.overtaken(later(100), 10)) == []


@pytest.mark.parametrize(
    "waiting",
    [
        pytest.param(make_document(held="no_model"), id="held"),
        pytest.param(make_document(answer=make_answer()), id="has an answer"),
        pytest.param(make_document(updated_at=later(50.000001)), id="updated lately"),
        pytest.param(make_document(created_at=later(10)), id="not earlier"),
        pytest.param(make_document(created_at=later(11)), id="later"),
        pytest.param(make_document(lane="gpu"), id="other lane"),
        pytest.param(make_document(tenant="other"), id="other tenant"),
        pytest.param(make_document(erased_at=NOW), id="erased"),
        pytest.param(make_document(requested=False), id="without its request"),
        pytest.param(make_document(state="failed"), id="ended: failed"),
        pytest.param(make_document(state="cancelled"), id="ended: cancelled"),
        pytest.param(make_document(state="expired"), id="ended: expired"),
    ],
)
async def test_not_overtaken(store: Store, waiting: QueryDocument) -> None:
    lost = make_document(created_at=later(1), updated_at=later(50))
    await put(store, waiting, lost, make_passed(10))
    assert list(await store.queries.overtaken(later(50), 10)) == [lost]


async def test_overtaken_ones_of_every_tenant_come_oldest_first_up_to_the_limit(store: Store) -> None:
    lost = [make_document(tenant=tenant, created_at=later(n)) for n, tenant in enumerate(["b", "a", "b", "a", "b"])]
    await put(store, *reversed(lost), make_passed(tenant="a"), make_passed(tenant="b"))
    assert list(await store.queries.overtaken(later(100), 10)) == lost
    assert list(await store.queries.overtaken(later(100), 3)) == lost[:3]


async def test_overtaken_follows_what_was_swapped_last(store: Store) -> None:
    lost, passed = make_document(), make_passed()
    await put(store, lost, passed)
    swept = lost.model_copy(update={"revision": 2, "sweeps": 1, "updated_at": later(200)})
    await store.queries.swap([Swap(swept, 1)])
    assert list(await store.queries.overtaken(later(100), 10)) == []
    assert list(await store.queries.overtaken(later(200), 10)) == [swept]


async def test_every_question_follows_what_was_swapped_last(store: Store) -> None:
    bare = make_document(requested=False, created_at=later(7))
    asked = make_document(
        bare.id, revision=2, lane="gpu", created_at=later(5), request_expires_at=later(50), expires_at=later(500)
    )
    held = asked.model_copy(update={"revision": 3, "held": "no_model"})
    labelled = held.model_copy(update={"revision": 4, "held": None, "answers": (make_answer(),)})
    ended = labelled.model_copy(update={"revision": 5, "state": "answered", "answer": make_answer()})
    await put(store, bare, make_passed(6, lane="gpu"))

    await store.queries.swap([Swap(asked, 1)])
    assert list(await store.queries.overtaken(later(100), 10)) == [asked]
    assert list(await store.queries.past_expiry(later(50), 10)) == [asked]
    assert list(await store.queries.held(TENANT, DETECTOR_ID, 10)) == []
    page = await store.queries.page(TENANT, QueryFilter(detector_id=DETECTOR_ID, open_only=True), None, 10)
    assert list(page.items) == [asked]

    await store.queries.swap([Swap(held, 2)])
    assert list(await store.queries.overtaken(later(100), 10)) == []
    assert list(await store.queries.held(TENANT, DETECTOR_ID, 10)) == [held]

    await store.queries.swap([Swap(labelled, 3)])
    assert list(await store.queries.overtaken(later(100), 10)) == []
    assert list(await store.queries.past_expiry(later(50), 10)) == [labelled]
    assert list((await store.queries.page(TENANT, QueryFilter(open_only=True), None, 10)).items) == []

    await store.queries.swap([Swap(ended, 4)])
    assert list(await store.queries.past_expiry(later(50), 10)) == []
    assert await store.queries.purge(later(499)) == 0
    assert await store.queries.purge(later(500)) == 1


async def test_a_query_that_ends_overtakes_the_earlier_ones_and_a_request_that_arrives_uses_its_image(
    store: Store,
) -> None:
    earlier = make_document(sha256=OTHER_SHA256)
    later_one = make_document(requested=False, created_at=later(1))
    await put(store, earlier, later_one)
    assert not await store.queries.uses_image(TENANT, SHA256)
    assert list(await store.queries.overtaken(later(100), 10)) == []
    answered = make_document(later_one.id, revision=2, state="answered", answer=make_answer(), created_at=later(1))
    await store.queries.swap([Swap(answered, 1)])
    assert await store.queries.uses_image(TENANT, SHA256)
    assert list(await store.queries.overtaken(later(100), 10)) == [earlier]


async def test_past_expiry_finds_open_queries_of_every_tenant_oldest_first(store: Store) -> None:
    due = [
        make_document(tenant="b", request_expires_at=later(100)),
        make_document(tenant="a", state="running", created_at=later(1), request_expires_at=later(50)),
        make_document(tenant="b", created_at=later(2), request_expires_at=later(99), held="no_model"),
    ]
    await put(
        store,
        *reversed(due),
        make_document(request_expires_at=later(100.000001)),
        make_document(),
        make_document(state="answered", answer=make_answer(), request_expires_at=later(50)),
        make_document(request_expires_at=later(50), erased_at=NOW),
        make_document(expires_at=later(50)),
    )
    assert list(await store.queries.past_expiry(later(100), 10)) == due
    assert list(await store.queries.past_expiry(later(100), 2)) == due[:2]


async def test_held_finds_open_held_queries_of_one_detector_oldest_first(store: Store) -> None:
    held = [make_document(created_at=later(n), held="no_model") for n in range(4)]
    await put(
        store,
        *reversed(held),
        make_document(),
        make_document(held="no_model", detector_id="det_" + "e" * 27),
        make_document(held="no_model", tenant="other"),
        make_document(held="no_model", state="cancelled"),
        make_document(held="no_model", erased_at=NOW),
    )
    assert list(await store.queries.held(TENANT, DETECTOR_ID, 10)) == held
    assert list(await store.queries.held(TENANT, DETECTOR_ID, 3)) == held[:3]
    released = held[0].model_copy(update={"revision": 2, "held": None})
    await store.queries.swap([Swap(released, 1)])
    assert list(await store.queries.held(TENANT, DETECTOR_ID, 10)) == held[1:]


async def test_an_image_is_used_while_a_query_that_is_not_erased_refers_to_it(store: Store) -> None:
    first, second = make_document(), make_document()
    await put(store, first, second, make_document(sha256=OTHER_SHA256, tenant="other"))
    assert await store.queries.uses_image(TENANT, SHA256)
    assert not await store.queries.uses_image(TENANT, OTHER_SHA256)
    assert not await store.queries.uses_image("other", SHA256)
    await store.queries.swap([Swap(first.model_copy(update={"revision": 2, "erased_at": NOW}), 1)])
    assert await store.queries.uses_image(TENANT, SHA256)
    await store.queries.swap([Swap(second.model_copy(update={"revision": 2, "erased_at": NOW}), 1)])
    assert not await store.queries.uses_image(TENANT, SHA256)


async def test_an_image_is_used_by_another_query_besides_the_own(store: Store) -> None:
    first, second, theirs = make_document(), make_document(), make_document(tenant="other")
    await put(store, first, theirs)
    assert not await store.queries.uses_image(TENANT, SHA256, besides=[first.id])
    assert await store.queries.uses_image(TENANT, SHA256, besides=[second.id])
    await put(store, second)
    assert await store.queries.uses_image(TENANT, SHA256, besides=[first.id])
    assert not await store.queries.uses_image(TENANT, SHA256, besides=[first.id, second.id])
    await store.queries.swap([Swap(second.model_copy(update={"revision": 2, "erased_at": NOW}), 1)])
    assert not await store.queries.uses_image(TENANT, SHA256, besides=[first.id])


async def test_a_purge_removes_every_tenants_documents_whose_retention_is_over(store: Store) -> None:
    over = [make_document(tenant=tenant, expires_at=later(n)) for n, tenant in enumerate(["a", "b", TENANT])]
    kept = [make_document(expires_at=later(2.000001)), make_document()]
    await put(store, *over, *kept)
    assert await store.queries.purge(later(2)) == 3
    assert await store.queries.load([document.key for document in (*over, *kept)]) == {
        document.key: document for document in kept
    }
    assert await store.queries.purge(later(2)) == 0
    assert await store.queries.swap([Swap(over[0].model_copy(update={"revision": 2}), 1)]) == {over[0].key}


async def test_a_purge_of_many_leaves_none(store: Store) -> None:
    documents = [make_document(expires_at=NOW) for _ in range(1200)]
    await put(store, *documents)
    assert await store.queries.purge(NOW) == 1200
    assert list((await store.queries.page(TENANT, QueryFilter(), None, 10)).items) == []
    assert await store.queries.load([document.key for document in documents]) == {}
