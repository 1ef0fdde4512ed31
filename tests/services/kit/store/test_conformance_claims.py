"""What every store promises about the claims of submissions."""

import asyncio

from services.kit.store.documents import QueryKey
from services.kit.store.port import Store
from tests.support.documents import NOW, SHA256, TENANT, later, make_claim
from tests.support.stores import FixedClock

OTHER_SHA256 = "0" * 64


def key_of(claim_id: str, tenant: str = TENANT) -> QueryKey:
    return QueryKey(tenant, claim_id)


async def test_a_claim_is_found_by_its_id_as_it_was_made(store: Store) -> None:
    claim = make_claim(key="T\xfcr \U0001f6aa $gt a.b")
    assert await store.claims.make(claim) == claim
    assert await store.claims.find(key_of(claim.id)) == claim


async def test_an_unknown_id_and_that_of_another_tenant_are_not_found(store: Store) -> None:
    claim = await store.claims.make(make_claim(tenant="other"))
    assert await store.claims.find(key_of(claim.id)) is None
    assert await store.claims.find(key_of(make_claim().id)) is None


async def test_the_first_claim_of_a_key_is_returned_to_those_who_come_later(store: Store) -> None:
    first = await store.claims.make(make_claim(key="k"))
    second = make_claim(key="k", body=b"another body")
    assert await store.claims.make(second) == first
    assert await store.claims.find(key_of(second.id)) is None


async def test_parallel_claims_of_one_key_all_get_the_same(store: Store) -> None:
    claims = [make_claim(key="k", body=b"%d" % n) for n in range(50)]
    made = await asyncio.gather(*(store.claims.make(claim) for claim in claims))
    assert len(set(made)) == 1
    found = [await store.claims.find(key_of(claim.id)) for claim in claims]
    assert [claim for claim in found if claim] == [made[0]]


async def test_parallel_claims_are_made_whatever_becomes_of_one(store: Store) -> None:
    taken = await store.claims.make(make_claim(key="taken"))
    keys = [None, "a", "taken", "b", None, "b", "c"]
    claims = [make_claim(key=key) for key in keys]
    made = await asyncio.gather(*(store.claims.make(claim) for claim in claims))
    assert made[2] == taken
    assert made[3] == made[5]
    for n in (0, 1, 4, 6):
        assert made[n] == claims[n]
        assert await store.claims.find(key_of(claims[n].id)) == claims[n]


async def test_a_claim_is_found_by_its_key_until_it_expires(store: Store, clock: FixedClock) -> None:
    claim = make_claim(key="k")
    await store.claims.make(claim)
    await store.claims.make(make_claim())
    assert await store.claims.by_key(TENANT, "k") == claim
    assert await store.claims.by_key(TENANT, "K") is None
    assert await store.claims.by_key("other", "k") is None
    clock.advance((claim.expires_at - NOW).total_seconds())
    assert await store.claims.by_key(TENANT, "k") is None


async def test_claims_without_a_key_never_meet(store: Store) -> None:
    claims = [make_claim() for _ in range(20)]
    assert await asyncio.gather(*(store.claims.make(claim) for claim in claims)) == claims
    for claim in claims:
        assert await store.claims.find(key_of(claim.id)) == claim


async def test_a_key_belongs_to_its_tenant(store: Store) -> None:
    ours, theirs = make_claim(key="k"), make_claim(key="k", tenant="other")
    assert await store.claims.make(ours) == ours
    assert await store.claims.make(theirs) == theirs


async def test_keys_that_differ_in_anything_differ(store: Store) -> None:
    keys = ["k", "K", "k ", " k", "", "\u212a", "e\u0301", "\xe9", "null", "0"]
    claims = [make_claim(key=key) for key in keys]
    for claim in claims:
        assert await store.claims.make(claim) == claim


async def test_making_the_same_claim_again_changes_nothing(store: Store) -> None:
    keyed, keyless = make_claim(key="k"), make_claim()
    for claim in (keyed, keyless, keyed, keyless):
        assert await store.claims.make(claim) == claim
    longer = keyless.model_copy(update={"expires_at": later(10**6)})
    assert await store.claims.make(longer) == keyless
    assert await store.claims.find(key_of(keyless.id)) == keyless


async def test_an_expired_claim_of_the_key_is_replaced(store: Store, clock: FixedClock) -> None:
    old = await store.claims.make(make_claim(key="k", expires_at=later(60)))
    new = make_claim(key="k", expires_at=later(600))
    clock.advance(59)
    assert await store.claims.make(new) == old
    clock.advance(1)
    assert await store.claims.make(new) == new
    assert await store.claims.find(key_of(new.id)) == new
    assert await store.claims.find(key_of(old.id)) is None


async def test_parallel_claims_of_an_expired_key_all_get_the_same(store: Store, clock: FixedClock) -> None:
    await store.claims.make(make_claim(key="k", expires_at=later(60)))
    clock.advance(60)
    made = await asyncio.gather(*(store.claims.make(make_claim(key="k")) for _ in range(50)))
    assert len({claim.id for claim in made}) == 1


async def test_a_deleted_claim_is_gone_and_frees_its_key(store: Store) -> None:
    claim, other = make_claim(key="k"), make_claim(key="other")
    await store.claims.make(claim)
    await store.claims.make(other)
    await store.claims.delete(QueryKey("elsewhere", claim.id))
    assert await store.claims.find(QueryKey(TENANT, claim.id)) == claim
    await store.claims.delete(QueryKey(TENANT, claim.id))
    await store.claims.delete(QueryKey(TENANT, claim.id))
    assert await store.claims.find(QueryKey(TENANT, claim.id)) is None
    assert await store.claims.find(QueryKey(TENANT, other.id)) == other
    again = make_claim(key="k")
    assert await store.claims.make(again) == again


async def test_a_purge_removes_expired_claims_of_every_tenant_and_frees_their_keys(store: Store) -> None:
    over = [make_claim(key="k", expires_at=later(60)), make_claim(tenant="other", expires_at=NOW)]
    kept = [make_claim(expires_at=later(60.000001)), make_claim(key="kept")]
    for claim in (*over, *kept):
        await store.claims.make(claim)
    assert await store.claims.purge(later(60)) == 2
    assert await store.claims.purge(later(60)) == 0
    for claim in over:
        assert await store.claims.find(key_of(claim.id, claim.tenant)) is None
    for claim in kept:
        assert await store.claims.find(key_of(claim.id)) == claim
    again = make_claim(key="k")
    assert await store.claims.make(again) == again


async def test_a_claim_uses_the_image_of_its_question(store: Store) -> None:
    ours, theirs = make_claim(), make_claim(tenant="other", sha256=OTHER_SHA256)
    for claim in (ours, theirs):
        await store.claims.make(claim)
    assert await store.claims.uses_image(TENANT, SHA256)
    assert await store.claims.uses_image(TENANT, SHA256, besides=[theirs.id])
    assert not await store.claims.uses_image(TENANT, SHA256, besides=[theirs.id, ours.id])
    assert not await store.claims.uses_image(TENANT, OTHER_SHA256)
    await store.claims.delete(key_of(ours.id))
    assert not await store.claims.uses_image(TENANT, SHA256)
