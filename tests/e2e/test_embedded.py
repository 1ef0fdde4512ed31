"""The whole house on the embedded adapters, as its users meet it: over HTTP, from other processes and threads."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from contracts.http.queries import Query
from infra.drill import task as levels
from sightline import AsyncClient, Client
from sightline.errors import QueryEnded
from tests.support.images import damaged_jpeg, make_jpeg, png_claiming, truncated
from tests.support.server import Server, serving
from tests.support.until import until

CLIENTS = 8
QUERIES = 500


def prepare(client: Client, folder: Path) -> None:
    """Register the model and the detector `level`."""
    file = folder / "levels.onnx"
    file.write_bytes(levels.model())
    model = client.upload_model(file, manifest=levels.manifest(), name="levels")
    assert model.status == "ready"
    client.create_detector("level", "How light is it?", mode="multiclass", labels=levels.LABELS, model="levels")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("house")
    with serving(folder / "data") as running:
        with Client(running.url) as client:
            prepare(client, folder)
        yield running


def times_ended(query: Query) -> int:
    """Count the ends in the stored history."""
    return sum(step.state in {"answered", "failed", "cancelled", "expired"} for step in query.history)


@pytest.mark.timeout(180)
def test_five_hundred_images_by_eight_clients_are_all_right(server: Server) -> None:
    def work(first: int) -> list[tuple[str, str]]:
        asked = []
        with Client(server.url) as client:
            for number in range(first, QUERIES, CLIENTS):
                data, label = levels.image(number)
                query = client.ask_async("level", data)
                asked.append((query.id, label))
                assert client.get_image_query(query.id).id == query.id  # never 404 right after the submit
        return asked

    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pair for pairs in pool.map(work, range(CLIENTS)) for pair in pairs]
    assert len({query_id for query_id, _ in asked}) == QUERIES

    with Client(server.url) as client:
        for query_id, label in asked:
            query = client.wait_for_result(query_id, timeout_s=60)
            assert (query.id, query.label, query.state) == (query_id, label, "answered")
            assert query.confident
            assert times_ended(query) == 1
            assert query.answer is not None
            assert query.answer.model is not None
            assert len(query.answer.model.digest) == 64


async def test_two_hundred_wait_at_once_and_a_label_ends_a_wait(server: Server) -> None:
    async with AsyncClient(server.url) as client:
        detector = await client.create_detector("by eye", "Does it look right?")
        query = await client.ask_async(detector.id, make_jpeg(1))
        waits = [asyncio.create_task(client.wait_for_confident_result(query.id, timeout_s=45)) for _ in range(200)]
        await until(lambda: _waiting(server, 200), timeout_s=45)
        async with asyncio.timeout(45):
            held = await client.get_image_query(query.id)
            assert (held.state, held.held, held.label) == ("submitted", "no_model", "UNCLEAR")
            await client.label(query.id, "YES", labelled_by="line 4")
            done = await asyncio.gather(*waits)
        assert {(q.label, q.confident, q.state) for q in done} == {("YES", True, "submitted")}
        assert (await client.get_image_query(query.id)).label == "YES"


async def _waiting(server: Server, count: int) -> bool:
    return f"sightline_waiters {count:.1f}" in (await _get(server, "/metrics")).text


async def _get(server: Server, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as raw:
        return await raw.get(server.url + path)


async def test_binding_a_model_answers_what_waited_for_it(server: Server) -> None:
    async with AsyncClient(server.url) as client:
        await client.create_detector("later", "How light?", mode="multiclass", labels=levels.LABELS)
        data, label = levels.image(1007)
        query = await client.ask_async("later", data)
        await until(lambda: _held(client, query.id))
        await client.bind_model("later", "levels")
        done = await client.wait_for_result(query.id, timeout_s=20)
        assert (done.label, done.held) == (label, None)


async def _held(client: AsyncClient, query_id: str) -> bool:
    return (await client.get_image_query(query_id)).held is not None


async def test_several_detectors_share_one_process_and_one_image(server: Server) -> None:
    async with AsyncClient(server.url) as client:
        for name in ("twin a", "twin b"):
            await client.create_detector(name, "How light?", mode="multiclass", labels=levels.LABELS, model="levels")
        data, label = levels.image(2003)
        first, second = await asyncio.gather(client.ask_async("twin a", data), client.ask_async("twin b", data))
        for query in (first, second):
            assert (await client.wait_for_result(query.id, timeout_s=20)).label == label
        await client.erase(first.id)
        gone = await _get(server, f"/v1/queries/{first.id}")
        assert (gone.status_code, gone.json()["code"]) == (410, "query_erased")
        assert await client.image(second.id) == data


async def test_metadata_comes_back_as_it_was(server: Server) -> None:
    text = '{"big": 123456789012345678901234567890, "one": 1.0, "$gt": {"a.b": [null, ""]}, "ключ": "\\u00e9"}'
    async with httpx2.AsyncClient(base_url=server.url) as raw:
        sent = await raw.post(
            "/v1/image-queries",
            params={"detector": "level", "metadata": text},
            content=levels.image(3001)[0],
            headers={"content-type": "image/jpeg"},
        )
        assert sent.status_code == 202
        got = await raw.get(sent.headers["location"])
    assert got.json()["metadata"] == json.loads(text)
    assert '"one":1.0' in got.text
    assert "123456789012345678901234567890" in got.text


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"", "image/jpeg", 422, "image_empty"),
        (b"just some text, no image at all", "image/jpeg", 415, "image_format"),
        (truncated(make_jpeg(5)), "image/jpeg", 422, "image_truncated"),
        (png_claiming(0, 0), "image/png", 422, "image_corrupt"),
        (png_claiming(30_000, 30_000), "image/png", 422, "image_too_large"),
    ],
)
async def test_a_bad_image_is_refused_in_words(
    server: Server, body: bytes, media_type: str, status: int, code: str
) -> None:
    async with httpx2.AsyncClient(base_url=server.url) as raw:
        answer = await raw.post(
            "/v1/image-queries", params={"detector": "level"}, content=body, headers={"content-type": media_type}
        )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_image_that_only_the_decoder_can_judge_fails_with_a_reason(server: Server) -> None:
    async with AsyncClient(server.url) as client:
        good, label = levels.image(4004)
        bad = await client.ask_async("level", damaged_jpeg(7))
        neighbour = await client.ask_async("level", good)
        with pytest.raises(QueryEnded, match="image_corrupt"):
            await client.wait_for_result(bad.id, timeout_s=20)
        failed = await client.get_image_query(bad.id)
        assert (failed.state, failed.label) == ("failed", "UNCLEAR")
        assert failed.error is not None
        assert failed.error.reason == "image_corrupt"
        assert (await client.wait_for_result(neighbour.id, timeout_s=20)).label == label


@pytest.mark.timeout(120)
def test_kill_nine_in_the_middle_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    with serving(tmp_path / "data") as first, Client(first.url) as client:
        prepare(client, tmp_path)

        def submit(number: int) -> None:
            data, label = levels.image(number)
            answer = httpx2.post(
                f"{first.url}/v1/image-queries",
                params={"detector": "level"},
                content=data,
                headers={"content-type": "image/jpeg", "idempotency-key": f"frame-{number}"},
            )
            if answer.status_code in {200, 202}:
                acknowledged[answer.json()["id"]] = label
            if len(acknowledged) == 100:
                first.kill()

        def attempt(number: int) -> None:
            try:
                submit(number)
            except httpx2.TransportError:
                return  # unknown: the client was not told, so nothing is promised

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(attempt, range(200)))
    assert 100 <= len(acknowledged) < 200

    with serving(tmp_path / "data") as second, Client(second.url) as client:
        for query_id, label in acknowledged.items():
            query = client.wait_for_result(query_id, timeout_s=60)
            assert (query.label, query.state, times_ended(query)) == (label, "answered", 1)
        data, label = levels.image(0)
        again = httpx2.post(
            f"{second.url}/v1/image-queries",
            params={"detector": "level"},
            content=data,
            headers={"content-type": "image/jpeg", "idempotency-key": "frame-0"},
        )
        assert again.json()["id"] in acknowledged  # the key outlives the process
        assert second.stop() == 0
