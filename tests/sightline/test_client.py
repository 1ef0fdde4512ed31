"""The client against the platform."""

import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from contracts.http.detectors import Detector
from sightline import UNCLEAR, AsyncClient, Client, errors
from tests.sightline.conftest import DOOR
from tests.support.server import Server, serving


def test_what_was_asked_is_answered_under_its_id(client: Client, door: Detector, picture: Path) -> None:
    query = client.ask_async(door.name, picture, metadata={"camera": "gate", "n": [1, None, "ü"]})
    assert query.label == UNCLEAR
    answered = client.wait_for_result(query.id)
    assert answered.id == query.id
    assert answered.label in {"YES", "NO"}
    assert answered.answer is not None
    assert answered.answer.model is not None
    assert answered.answer.model.digest == client.get_model("door").digest
    assert answered.metadata == {"camera": "gate", "n": [1, None, "ü"]}
    assert answered.answered_in_ms is not None


def test_ask_waits_for_the_answer(client: Client, door: Detector, picture: Path) -> None:
    assert client.ask(door.id, picture.read_bytes(), wait_s=30).label in {"YES", "NO"}


def test_the_same_key_gives_the_same_query(client: Client, door: Detector, frames: list[Path]) -> None:
    key = uuid4().hex
    first = client.ask_async(door.name, frames[0], idempotency_key=key)
    assert client.ask_async(door.name, io.BytesIO(frames[0].read_bytes()), idempotency_key=key).id == first.id
    with pytest.raises(errors.Refused) as refused:
        client.ask_async(door.name, frames[1], idempotency_key=key)
    assert refused.value.code == "key_reused"


def test_a_wait_that_is_over_says_so_with_the_query(client: Client, people: Detector, picture: Path) -> None:
    with pytest.raises(errors.WaitTimeout) as over:
        client.ask(people.name, picture, wait_s=0.2)
    assert over.value.query.label == UNCLEAR
    with pytest.raises(errors.WaitTimeout):
        client.wait_for_confident_result(over.value.query, timeout_s=0.2)


def test_a_persons_label_ends_a_wait_for_a_confident_result(client: Client, people: Detector, picture: Path) -> None:
    query = client.ask_async(people.name, picture)
    labeller = threading.Timer(0.3, lambda: client.label(query, "YES", labelled_by="kim"))
    labeller.start()
    answered = client.wait_for_confident_result(query, timeout_s=30)
    labeller.join()
    assert (answered.label, answered.confident) == ("YES", True)
    assert answered.answer is not None
    assert (answered.answer.source, answered.answer.answered_by) == ("person", "kim")


def test_a_label_that_the_detector_does_not_have_is_refused(client: Client, people: Detector, picture: Path) -> None:
    query = client.ask_async(people.name, picture)
    with pytest.raises(errors.Refused) as refused:
        client.label(query, "MAYBE")
    assert refused.value.code == "label_invalid"


def test_a_cancelled_query_ends_waits_and_cannot_end_twice(
    client: Client, door: Detector, people: Detector, picture: Path
) -> None:
    query = client.ask_async(people.name, picture)
    client.cancel(query)
    with pytest.raises(errors.QueryEnded) as ended:
        client.wait_for_result(query)
    assert ended.value.query.state == "cancelled"
    answered = client.ask(door.name, picture)
    with pytest.raises(errors.Conflict) as conflict:
        client.cancel(answered)
    assert conflict.value.code == "query_ended"


def test_an_erased_query_is_gone_with_its_image(client: Client, people: Detector, picture: Path) -> None:
    query = client.ask_async(people.name, picture)
    assert client.image(query) == picture.read_bytes()
    client.erase(query)
    with pytest.raises(errors.NotFound) as gone:
        client.get_image_query(query)
    assert (gone.value.status, gone.value.code) == (410, "query_erased")


def test_a_list_goes_through_every_page(client: Client, people: Detector, frames: list[Path]) -> None:
    asked = [client.ask_async(people.name, frames[n % len(frames)]).id for n in range(7)]
    for query_id in asked:
        client.cancel(query_id)
    listed = [query.id for query in client.list_image_queries(detector=people.name)]
    assert sorted(listed) == sorted(asked)
    assert [query.id for query in client.list_image_queries(detector=people.name, limit=3)] == listed[:3]
    assert list(client.list_image_queries(detector=people.id, open=True)) == []
    assert len(list(client.list_image_queries(detector=people.name, state="cancelled"))) == 7
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert list(client.list_image_queries(detector=people.name, created_from=now + hour)) == []
    assert len(list(client.list_image_queries(detector=people.name, created_until=now + hour))) == 7


def test_what_is_not_there_is_not_found(client: Client, picture: Path) -> None:
    calls: dict[str, Callable[[], object]] = {
        "query_not_found": lambda: client.get_image_query("iq_" + "0" * 27),
        "detector_not_found": lambda: client.ask_async("no-such-detector", picture),
        "model_not_found": lambda: client.get_model("no-such-model"),
        "not_found": lambda: client.get_detector(".."),
    }
    for code, call in calls.items():
        with pytest.raises(errors.NotFound) as missing:
            call()
        assert missing.value.code == code


def test_a_bad_image_is_refused(client: Client, door: Detector) -> None:
    with pytest.raises(errors.Refused) as refused:
        client.ask_async(door.name, b"this is not an image")
    assert refused.value.code == "image_format"


def test_a_detector_is_made_once(client: Client) -> None:
    name = f"Größe & Farbe {uuid4().hex}"
    with pytest.raises(errors.Refused):
        client.create_detector(name, "What?")  # & never works in a name
    name = f"Größe? {uuid4().hex}"
    first = client.get_or_create_detector(name, "What?", labels=["RED", "BLUE"], mode="multiclass")
    assert client.get_or_create_detector(name, "What?").id == first.id
    with pytest.raises(errors.Conflict):
        client.get_or_create_detector(name, "Something else?")
    assert client.get_detector(name).labels == ("RED", "BLUE")
    assert first.id in {detector.id for detector in client.detectors()}


def test_a_detector_is_changed_bound_and_deleted(client: Client, people: Detector) -> None:
    assert client.update_detector(people.name, confidence_threshold=0.5).confidence_threshold == 0.5
    assert client.bind_model(people.name, "door").model == "door"
    assert client.bind_model(people.name, None).model is None
    client.delete_detector(people.name)
    with pytest.raises(errors.NotFound):
        client.get_detector(people.name)


def test_an_invalid_change_is_refused_before_it_is_sent(client: Client, people: Detector) -> None:
    with pytest.raises(errors.Refused) as refused:
        client.update_detector(people.name, confidence_threshold=7)
    assert refused.value.code == "invalid_parameter"


def test_a_model_is_uploaded_with_progress_and_deleted(client: Client) -> None:
    name, told = f"door-{uuid4().hex}", list[tuple[int, int]]()
    model = client.upload_model(
        DOOR / "door.onnx",
        manifest=DOOR / "door.manifest.json",
        name=name,
        description="again",
        progress=lambda done, total: told.append((done, total)),
    )
    size = (DOOR / "door.onnx").stat().st_size
    assert (model.status, model.size_bytes, model.description) == ("ready", size, "again")
    assert told[-1] == (size, size)
    assert client.update_model(name, description="changed").description == "changed"
    assert name in {one.name for one in client.models()}
    client.delete_model(name)
    assert name not in {one.name for one in client.models()}


def test_a_model_that_is_none_is_refused(client: Client) -> None:
    with pytest.raises(errors.Refused) as refused:
        client.upload_model(b"garbage", manifest=DOOR / "door.manifest.json", name=f"bad-{uuid4().hex}")
    assert refused.value.code == "model_rejected"
    with pytest.raises(errors.Refused) as refused:
        client.upload_model(b"garbage", manifest={"input": {}}, name="bad")
    assert refused.value.code == "manifest_invalid"


def test_tokens_admit_and_are_refused_after_their_end(tmp_path: Path, client: Client) -> None:
    token = client.create_token("robot", ["queries:read"])
    assert token.token not in repr([one.model_dump() for one in client.tokens()])
    with Client(client.url, token.token) as robot:
        assert list(robot.list_image_queries(limit=1)) is not None
        with pytest.raises(errors.NotAllowed):
            robot.create_detector("x", "y")
    client.revoke_token(token.key_id)
    with Client(client.url, "api_" + "x" * 40) as stranger, pytest.raises(errors.NotAuthenticated):
        stranger.get_detector("door")


async def test_the_async_client_does_the_same(server: Server, door: Detector, frames: list[Path]) -> None:
    async with AsyncClient(server.url) as client:
        query = await client.ask_async(door.name, frames[0])
        assert (await client.wait_for_result(query)).label in {"YES", "NO"}
        assert (await client.ask(door.name, frames[1])).id != query.id
        assert len([one async for one in client.list_image_queries(detector=door.name)]) == 2
        assert len([one async for one in client.list_image_queries(detector=door.name, limit=1)]) == 1
        assert await client.image(query) == frames[0].read_bytes()
        name = f"door-{uuid4().hex}"
        model = await client.upload_model(DOOR / "door.onnx", manifest=DOOR / "door.manifest.json", name=name)
        assert model.status == "ready"
        assert door.id in {one.id async for one in client.detectors()}
        with pytest.raises(errors.NotFound):
            await client.get_image_query("iq_" + "0" * 27)


def test_a_wait_survives_a_restart(tmp_path: Path, picture: Path) -> None:
    """The query outlives kill -9 of the platform, and so does the wait of a client that has only the address."""
    with serving(tmp_path) as first, Client(first.url) as client:
        client.create_detector("people", "Is anybody there?")
        query = client.ask_async("people", picture)
        port = first.url.rsplit(":", 1)[1]
        answers = list[str]()
        waiter = threading.Thread(
            target=lambda: answers.append(client.wait_for_confident_result(query, timeout_s=50).label)
        )
        waiter.start()
        with httpx2.Client(trust_env=False) as http:
            while "sightline_waiters 1.0" not in http.get(f"{first.url}/metrics").text:
                assert waiter.is_alive()
        first.kill()
        with serving(tmp_path, arguments=["--port", port]):
            client.label(query, "YES")
            waiter.join()
    assert answers == ["YES"]
