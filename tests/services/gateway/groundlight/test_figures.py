"""What an account and a detector have done, and starting a detector afresh."""

from contracts.ids import SEARCH, new_id
from contracts.v1.search import SearchSubmitted
from services.kit.groundlight import PREFIX
from services.kit.store.port import QueryFilter, Swap
from tests.support.documents import make_document
from tests.support.gateways import TENANT, Door
from tests.support.until import until


async def test_a_search_is_none_of_the_months_image_queries(door: Door) -> None:
    now = door.platform.clock.now()
    await door.ask((await door.detector())["id"])
    search = SearchSubmitted(query_id=new_id(SEARCH, now), search_type="ephemeris", query_json="{}", submitted_at=now)
    await door.publish(search)
    assert (await door.http.get(f"/v1/queries/{search.query_id}")).json()["kind"] == "search"
    assert (await door.http.get(f"{PREFIX}/month-to-date-account-info")).json()["iqs"] == 1


async def test_a_reset_erases_more_queries_than_one_page_holds(door: Door) -> None:
    detector_id, now = (await door.detector())["id"], door.platform.clock.now()
    documents = [make_document(tenant=TENANT, detector_id=detector_id, created_at=now) for _ in range(201)]
    await door.platform.store.queries.swap([Swap(document, 0) for document in documents])
    assert (await door.http.delete(f"{PREFIX}/detector-reset/{detector_id}")).status_code == 204

    async def nothing_is_left() -> bool:
        return not await door.platform.store.queries.count(TENANT, QueryFilter(detector_id=detector_id), 1)

    await until(nothing_is_left)
