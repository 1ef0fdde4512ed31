"""GET /v1/queries: filters, order, cursors; and the image of a query."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.cursor import decode_cursor, encode_cursor
from services.kit.errors import Refused
from services.kit.store.port import Cursor, Swap
from tests.support.documents import make_answer, make_document
from tests.support.gateways import IMAGE, TENANT, Door, expect_problem, ids_of

BEGIN = datetime(2051, 1, 1, tzinfo=UTC)


async def store_queries(door: Door, count: int, detector_id: str = "det_" + "0" * 27) -> list[str]:
    """Store queries one second apart; return their IDs, newest first."""
    documents = [
        make_document(tenant=TENANT, created_at=BEGIN + timedelta(seconds=number), detector_id=detector_id)
        for number in range(count)
    ]
    await door.platform.store.queries.swap([Swap(document, 0) for document in documents])
    return [document.id for document in reversed(documents)]


async def test_pages_follow_each_other_newest_first_without_gap_or_repeat(door: Door) -> None:
    expected = await store_queries(door, 7)
    seen: list[str] = []
    parameters: dict[str, str] = {"limit": "3"}
    sizes = []
    while True:
        page = await door.http.get("/v1/queries", params=parameters)
        seen += ids_of(page)
        sizes.append(len(page.json()["items"]))
        if page.json()["next_cursor"] is None:
            break
        parameters["cursor"] = page.json()["next_cursor"]
    assert seen == expected
    assert sizes == [3, 3, 1]


async def test_a_page_holds_fifty_unless_asked_otherwise(door: Door) -> None:
    await store_queries(door, 51)
    assert len(ids_of(await door.http.get("/v1/queries"))) == 50
    assert len(ids_of(await door.http.get("/v1/queries?limit=200"))) == 51


async def test_filters_narrow_the_list_and_all_must_hold(door: Door) -> None:
    detector = await door.detector("gate")
    pending = make_document(tenant=TENANT, created_at=BEGIN, detector_id=detector["id"])
    answered = make_document(
        tenant=TENANT, created_at=BEGIN + timedelta(hours=1), state="answered", answer=make_answer("YES")
    )
    cancelled = make_document(tenant=TENANT, created_at=BEGIN + timedelta(hours=2), state="cancelled")
    await door.platform.store.queries.swap([Swap(document, 0) for document in (pending, answered, cancelled)])
    expected = {
        "": [cancelled, answered, pending],
        "detector=gate": [pending],
        f"detector={detector['id']}": [pending],
        "state=cancelled": [cancelled],
        "state=failed": [],
        "label=YES": [answered],
        "label=NO": [],
        "open=true": [pending],
        "open=false": [cancelled, answered, pending],
        "created_from=2051-01-01T01:00:00Z": [cancelled, answered],
        "created_until=2051-01-01T01:00:00Z": [pending],
        "created_from=2051-01-01T02:00:00%2B01:00&created_until=2051-01-01T02:00:00Z": [answered],
        "detector=gate&state=cancelled": [],
    }
    for filters, documents in expected.items():
        listed = ids_of(await door.http.get(f"/v1/queries?{filters}"))
        assert listed == [document.id for document in documents], filters


async def test_the_queries_of_a_deleted_detector_are_listed_by_its_id(door: Door) -> None:
    detector = await door.detector("gate")
    expected = await store_queries(door, 1, detector["id"])
    await door.http.delete("/v1/detectors/gate")
    assert ids_of(await door.http.get(f"/v1/queries?detector={detector['id']}")) == expected
    expect_problem(await door.http.get("/v1/queries?detector=gate"), "detector_not_found")


@pytest.mark.parametrize(
    "parameters",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "state=done",
        "open=perhaps",
        "created_from=yesterday",
        "created_from=2026-01-01T00:00:00",
        "created_from=0001-01-01T00:00:00%2B14:00",
        "created_until=9999-12-31T23:59:59-14:00",
        "stat=answered",
        "label=" + "x" * 201,
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "cursor=" + "A" * 5000,
    ],
)
async def test_a_filter_that_cannot_be_is_refused(door: Door, parameters: str) -> None:
    expect_problem(await door.http.get(f"/v1/queries?{parameters}"), "invalid_parameter")


async def test_an_unknown_detector_is_not_an_empty_list(door: Door) -> None:
    for reference in ("nobody", "det_" + "0" * 27, "det_x"):
        expect_problem(await door.http.get(f"/v1/queries?detector={reference}"), "detector_not_found")


def test_a_cursor_comes_back_as_it_was_and_needs_no_quoting() -> None:
    cursor = Cursor(datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC), "iq_" + "a" * 27)
    text = encode_cursor(cursor)
    assert text is not None
    assert text.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(text) == cursor
    assert encode_cursor(None) is None
    assert decode_cursor(None) is None


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        b"2026-11-20T10:00:00+00:00",
        b"2026-11-20T10:00:00 iq_a",
        b"never iq_a",
        b"2026-11-20T10:00:00+00:00 iq_a'; DROP",
        b"0001-01-01T00:00:00+14:00 iq_a",
        b"\xff\xfe",
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(inside: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decode_cursor(base64.urlsafe_b64encode(inside).decode())
    assert refused.value.code == "invalid_parameter"


@pytest.mark.parametrize(("media_type", "extension"), [("image/jpeg", "jpg"), ("image/png", "png"), ("image/x", "bin")])
async def test_the_image_comes_back_byte_for_byte_and_can_do_no_harm(
    door: Door, media_type: str, extension: str
) -> None:
    query_id = await door.ask("det_" + "0" * 27, image=IMAGE, media_type=media_type)
    response = await door.http.get(f"/v1/queries/{query_id}/image")
    assert (response.status_code, response.content) == (200, IMAGE)
    assert response.headers["content-type"] == media_type
    assert response.headers["content-disposition"] == f'inline; filename="{query_id}.{extension}"'
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    etag = response.headers["etag"]
    again = await door.http.get(f"/v1/queries/{query_id}/image", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


async def test_an_image_that_is_not_there_is_not_found(door: Door) -> None:
    removed = await door.ask("det_" + "0" * 27)
    shown = (await door.http.get(f"/v1/queries/{removed}")).json()
    await door.platform.store.images.delete(TENANT, shown["image"]["sha256"])
    claimed = (await door.claim("det_" + "0" * 27)).id
    for query_id in (removed, claimed):
        expect_problem(await door.http.get(f"/v1/queries/{query_id}/image"), "image_not_found")


async def test_the_image_of_an_erased_query_is_gone(door: Door) -> None:
    query_id = await door.ask("det_" + "0" * 27)
    await door.http.delete(f"/v1/queries/{query_id}")
    expect_problem(await door.http.get(f"/v1/queries/{query_id}/image"), "query_erased")
