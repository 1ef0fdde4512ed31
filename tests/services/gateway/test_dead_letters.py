"""Dead letters over HTTP: who sees which, what is shown, and what becomes of them."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import ormsgpack
import pytest

from contracts.ids import new_id
from contracts.topics import IMAGE_QUERIES
from contracts.v1.image_query import ImageQuerySubmitted
from services.gateway import dead_letters
from services.gateway.letter_contents import read_contents
from services.gateway.service import create as create_gateway
from services.kit.bus.codec import JSON, MSGPACK, encode, event_of
from services.kit.bus.port import Message
from services.kit.runtime import running
from services.kit.settings import load
from services.kit.store.port import LetterFilter
from services.kit.store.records import Blob, DeadLetter
from tests.support.buses import take
from tests.support.documents import NOW, make_dead_letter
from tests.support.gateways import IMAGE, TENANT, Door, client_of, expect_problem, ids_of, make_question
from tests.support.until import until

ABSENT = "dead_" + "0" * 27


def question(door: Door, *, inline: bool = True, tenant: str = TENANT) -> tuple[ImageQuerySubmitted, Message]:
    now = door.platform.clock.now()
    asked = make_question(new_id("det", now), at=now)
    if not inline:
        asked = asked.model_copy(update={"image": asked.image.model_copy(update={"data": None})})
    event = event_of(asked, source="test", tenant=tenant, at=now, subject=asked.query_id)
    return asked, encode(event)


async def die(door: Door, message: Message) -> str:
    """Let a worker give the message up; return the ID of its letter."""
    store = door.platform.store.dead_letters
    known = await newest(door)
    inference = await door.platform.bus.subscribe(IMAGE_QUERIES)
    await door.platform.bus.publish([message])
    [delivery] = await take(inference, 1)
    await inference.reject(delivery, "image_missing", "it is not there")
    await inference.close()

    async def kept() -> bool:
        return await newest(door) != known

    await until(kept)
    letter_id = await newest(door)
    assert letter_id is not None
    assert await store.summary(letter_id) is not None
    return letter_id


async def newest(door: Door) -> str | None:
    page = await door.platform.store.dead_letters.page(LetterFilter(), None, 1)
    return page.items[0].id if page.items else None


async def keep(door: Door, number: int, **given: Any) -> DeadLetter:
    letter_id = f"dead_{hashlib.sha256(str(number).encode()).hexdigest()[:27]}"
    letter = make_dead_letter(letter_id, died_at=NOW + timedelta(seconds=number)).model_copy(
        update={"tenant": TENANT, **given}
    )
    await door.platform.store.dead_letters.add(letter)
    return letter


async def test_a_dead_question_is_shown_with_its_reason_and_picture(door: Door) -> None:
    asked, message = question(door)
    letter_id = await die(door, message)
    [listed] = (await door.http.get("/v1/dead-letters")).json()["items"]
    assert (listed["id"], listed["query_id"], listed["reason"]) == (letter_id, asked.query_id, "image_missing")
    assert (listed["attempts"], listed["size_bytes"], listed["tenant"]) == (1, len(message.body), TENANT)
    assert "payload" not in listed
    shown = (await door.http.get(f"/v1/dead-letters/{letter_id}")).json()
    assert shown["headers"]["cloudEvents_type"] == "image_query.submitted"
    assert shown["payload"]["query_id"] == asked.query_id
    assert shown["payload"]["image"]["data"] == f"({len(IMAGE)} bytes)"
    assert shown["image"]["inline"] is True
    picture = await door.http.get(shown["image"]["url"])
    assert (picture.status_code, picture.content) == (200, IMAGE)
    assert picture.headers["content-type"] == "image/jpeg"
    assert "sandbox" in picture.headers["content-security-policy"]


async def test_a_picture_by_reference_comes_from_the_store(door: Door) -> None:
    asked, message = question(door, inline=False)
    letter_id = await die(door, message)
    path = f"/v1/dead-letters/{letter_id}/image"
    assert (await door.http.get(f"/v1/dead-letters/{letter_id}")).json()["image"]["inline"] is False
    expect_problem(await door.http.get(path), "image_not_found")
    blob = Blob(tenant=TENANT, sha256=asked.image.sha256, media_type="image/jpeg", data=IMAGE)
    await door.platform.store.images.put(blob)
    assert (await door.http.get(path)).content == IMAGE


async def test_a_requeued_letter_is_published_and_asking_again_says_that_it_is_gone(door: Door) -> None:
    asked, message = question(door)
    letter_id = await die(door, message)
    again = await door.http.post(f"/v1/dead-letters/{letter_id}/requeue")
    assert (again.status_code, again.json()["query_id"]) == (200, asked.query_id)
    expect_problem(await door.http.post(f"/v1/dead-letters/{letter_id}/requeue"), "dead_letter_not_found")
    assert ids_of(await door.http.get("/v1/dead-letters")) == []
    inference = await door.platform.bus.subscribe(IMAGE_QUERIES)
    [delivery] = await take(inference, 1)
    assert delivery.message.body == message.body
    await door.answer(asked.query_id, "YES")
    query: dict[str, Any] = {"answer": None}
    async with asyncio.timeout(15):  # a wait would end at once: the query's state ended when it failed
        while query["answer"] is None:
            query = (await door.http.get(f"/v1/queries/{asked.query_id}")).json()
    assert (query["state"], query["label"], query["error"]["reason"]) == ("failed", "YES", "image_missing")


async def test_a_letter_is_dropped_and_the_query_stays(door: Door) -> None:
    asked, message = question(door)
    letter_id = await die(door, message)
    assert (await door.http.delete(f"/v1/dead-letters/{letter_id}")).status_code == 204
    expect_problem(await door.http.delete(f"/v1/dead-letters/{letter_id}"), "dead_letter_not_found")
    assert (await door.http.get(f"/v1/queries/{asked.query_id}")).json()["state"] == "failed"


@pytest.mark.parametrize(
    "given",
    [{"tenant": ""}, {"routing_key": "nothing.v1.default"}, {"routing_key": ""}, {"exchange": "in"}],
    ids=["no tenant", "no topic", "no key", "another exchange"],
)
async def test_what_nothing_would_take_can_only_be_dropped(door: Door, given: dict[str, str]) -> None:
    letter = await keep(door, 1, **given)
    refused = await door.http.post(f"/v1/dead-letters/{letter.id}/requeue")
    assert "drop it" in expect_problem(refused, "dead_letter_undeliverable")
    assert (await door.http.delete(f"/v1/dead-letters/{letter.id}")).status_code == 204


async def test_pages_and_filters(door: Door) -> None:
    letters = [await keep(door, number, queue="ab"[number % 2], reason="xyz"[number // 2]) for number in range(6)]
    newest_first = [letter.id for letter in reversed(letters)]
    first = await door.http.get("/v1/dead-letters?limit=4")
    second = await door.http.get("/v1/dead-letters", params={"limit": 4, "cursor": first.json()["next_cursor"]})
    assert [*ids_of(first), *ids_of(second)] == newest_first
    assert ids_of(await door.http.get("/v1/dead-letters?queue=a")) == newest_first[1::2]
    assert ids_of(await door.http.get("/v1/dead-letters?queue=a&reason=y")) == [newest_first[3]]
    assert ids_of(await door.http.get(f"/v1/dead-letters?query_id={'x' * 30}")) == []
    expect_problem(await door.http.get("/v1/dead-letters?reson=y"), "invalid_parameter")


async def test_an_admin_sees_the_letters_of_the_own_tenant_and_the_operator_all(door: Door) -> None:
    own, foreign, nobodys = [
        await keep(door, number, tenant=tenant) for number, tenant in enumerate(("acme", "other", ""))
    ]
    acme = await door.token("admin", tenant="acme")
    assert ids_of(await door.http.get("/v1/dead-letters", headers=acme)) == [own.id]
    assert ids_of(await door.http.get("/v1/dead-letters?tenant=acme", headers=acme)) == [own.id]
    for tenant in ("other", ""):
        expect_problem(await door.http.get(f"/v1/dead-letters?tenant={tenant}", headers=acme), "not_allowed")
    for letter in (foreign, nobodys):
        for method, path in (("GET", ""), ("GET", "/image"), ("POST", "/requeue"), ("DELETE", "")):
            response = await door.http.request(method, f"/v1/dead-letters/{letter.id}{path}", headers=acme)
            expect_problem(response, "dead_letter_not_found")
    operator = await door.token("admin", tenant="default")
    everything = [nobodys.id, foreign.id, own.id]
    assert ids_of(await door.http.get("/v1/dead-letters", headers=operator)) == everything
    assert ids_of(await door.http.get("/v1/dead-letters?tenant=", headers=operator)) == [nobodys.id]
    assert (await door.http.get(f"/v1/dead-letters/{foreign.id}", headers=operator)).status_code == 200


async def test_a_decision_that_is_not_done_yet_is_accepted(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "FOLD_S", 0.05)
    settings = load({}, data=tmp_path, bus="memory://")
    async with running(settings, [create_gateway]) as app, client_of(app) as http:  # nobody acts on the facts
        door = Door(app, http)
        letter = await keep(door, 1)
        assert (await http.post(f"/v1/dead-letters/{letter.id}/requeue")).status_code == 202
        assert (await http.delete(f"/v1/dead-letters/{letter.id}")).status_code == 202


@pytest.mark.parametrize("letter_id", [ABSENT, "x", "%00", "dead_" + "z" * 500])
async def test_an_unknown_letter_is_not_found(door: Door, letter_id: str) -> None:
    expect_problem(await door.http.get(f"/v1/dead-letters/{letter_id}"), "dead_letter_not_found")
    expect_problem(await door.http.post(f"/v1/dead-letters/{letter_id}/requeue"), "dead_letter_not_found")


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b""),
        (JSON, b"\xff"),
        (JSON, DEEP),
        (JSON, b'"\\ud800"'),
        (JSON, b'{"image": {"sha256": "../../x", "data": 3}, "n": 1e999, "i": ' + b"9" * 400 + b"}"),
        (JSON, b'{"image": []}'),
        (MSGPACK, b"\xc1"),
        (MSGPACK, b"\x91" * 900 + b"\x01"),
        (MSGPACK, ormsgpack.packb({"image": {"data": b"x", "media_type": "text/html"}, "f": float("nan")})),
        (MSGPACK, ormsgpack.packb({"t": "x" * 100_000, "l": list(range(100_000))})),
        ("text/plain", b"hello"),
    ],
)
async def test_whatever_the_bytes_are_the_letter_can_be_looked_at(door: Door, content_type: str, body: bytes) -> None:
    letter = await keep(door, 1, content_type=content_type, body=body)
    response = await door.http.get(f"/v1/dead-letters/{letter.id}")
    assert response.status_code == 200
    assert len(response.content) < 20_000
    picture = read_contents(letter).picture
    image = await door.http.get(f"/v1/dead-letters/{letter.id}/image")
    if picture is None:
        expect_problem(image, "image_not_found")
    else:
        assert (image.content, image.headers["content-type"]) == (b"x", "application/octet-stream")
