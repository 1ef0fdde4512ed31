"""kill -9 at each step of a query's way: what was acknowledged is answered once, a repeat with its key is the same.

The rows are those of a query: at the write door, in the worker, in planner, part worker and assembler of a search, in
the result store, in a long poll. Each process dies at the named point while the others go on, and is started again
without the setting.
"""

import asyncio
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from contracts.topics import FACTS, IMAGE_QUERIES, SEARCH_ASSEMBLIES, SEARCH_PARTS, SEARCH_PLANS
from infra.drill import task as levels
from infra.local.rabbitmq import vhost_of
from services.kit.clock import SystemClock
from services.kit.crash import CrashPoint
from services.kit.runtime import open_store
from services.kit.settings import load
from tests.support import onnx_models
from tests.support.house import House, Process, house
from tests.support.inference import gray_jpeg
from tests.support.searching import conjunction_query, load_sources
from tests.support.server import serving
from tests.support.servers import AmqpServer, MongoServer
from tests.support.until import until

pytestmark = pytest.mark.timeout(120)

SERVICES = ("result_store", "inference", "search", "submitter", "gateway")
QUEUES = (IMAGE_QUERIES, FACTS, SEARCH_PLANS, SEARCH_PARTS, SEARCH_ASSEMBLIES)
SETTINGS = {"SIGHTLINE_SEARCH_PART_DAYS": "1"}
POISON_LEVEL = 200


@dataclass(frozen=True)
class Point:
    """Where a service dies.

    `claimed`: the claim was written by then. `published`: the question surely was. `again`: the work is begun again.
    """

    service: str
    name: CrashPoint
    claimed: bool = True
    published: bool = True
    again: bool = False

    def __str__(self) -> str:
        return f"{self.service} {self.name}"


AT_THE_DOOR = (
    Point("submitter", "submitter.before_claim", claimed=False, published=False),
    Point("submitter", "submitter.claimed", published=False),
    Point("submitter", "bus.written", published=False),
    Point("submitter", "bus.published"),
    Point("submitter", "submitter.confirmed"),
)
BEHIND_IT = (
    Point("inference", "inference.image_queries.delivered", again=True),
    Point("inference", "inference.decoding", again=True),
    Point("inference", "bus.written"),
    Point("inference", "bus.published"),
    Point("inference", "inference.image_queries.confirmed"),
    Point("result_store", "result_store.facts.delivered"),
    Point("result_store", "result_store.written"),
    Point("result_store", "bus.published"),
    Point("result_store", "result_store.facts.confirmed"),
)
IN_A_SEARCH = (
    Point("search", "bus.written"),
    Point("search", "search.plans.confirmed"),
    Point("search", "search.parts.working", again=True),
    Point("search", "search.parts.stored", again=True),
    Point("search", "search.parts.confirmed"),
    Point("search", "search.assemblies.stored", again=True),
    Point("search", "search.assemblies.confirmed"),
)
IN_A_LONG_POLL = (Point("gateway", "waiter.waiting"),)


@pytest.fixture(scope="module")
def store_url(mongodb: MongoServer) -> Iterator[str]:
    url = mongodb.database("crash")
    asyncio.run(fill(url))
    yield url
    mongodb.remove_database(url)


@pytest.fixture(scope="module")
def bus_url(amqp: AmqpServer) -> Iterator[str]:
    url = amqp.vhost("crash")
    yield url
    amqp.remove_vhost(url)


async def fill(store_url: str) -> None:
    async with open_store(load({}, store=store_url), SystemClock()) as store:
        await load_sources(store)


@pytest.fixture
def running(shared: House, amqp: AmqpServer, bus_url: str) -> Iterator[House]:
    """The house with everybody alive and nothing left of an earlier test, and alive again afterwards."""
    asyncio.run(nothing_left(amqp, bus_url))
    yield shared
    for process in shared.processes:
        if process.process.poll() is not None:
            shared.restart(process.name)


@pytest.fixture(scope="module")
def rows(shared: House) -> list[dict[str, Any]]:
    """What the search finds when nobody dies."""
    return find(shared.request, search(shared.request, "undisturbed"))


@pytest.fixture(scope="module")
def shared(bus_url: str, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(
        tmp_path_factory.mktemp("crash"), bus=bus_url, store=store_url, services=SERVICES, settings=SETTINGS
    ) as opened:
        prepare(opened.request)
        yield opened


def prepare(request: Any) -> None:
    """Register the models and the detectors: `level`, `by eye` without a model, and `poisoned`."""
    with httpx2.Client(timeout=60) as client:
        for name, data, manifest in (
            ("levels", levels.model(), levels.manifest()),
            ("poison", onnx_models.poison_model(), onnx_models.brightness_manifest()),
        ):
            files = {"model": (name, data), "manifest": (None, manifest.model_dump_json()), "name": (None, name)}
            made = request(client, "POST", "/v1/models", files=files)
            assert made.status_code == 201, made.text
        for detector in (
            {"name": "level", "query": "?", "mode": "multiclass", "labels": levels.LABELS, "model": "levels"},
            {"name": "poisoned", "query": "?", "labels": onnx_models.LABELS, "mode": "multiclass", "model": "poison"},
            {"name": "by eye", "query": "?"},
        ):
            made = request(client, "POST", "/v1/detectors", json=detector)
            assert made.status_code == 201, made.text


def submit(request: Any, key: str, image: bytes, detector: str = "level") -> str:
    """Submit an image and return the ID of its query."""
    with httpx2.Client(timeout=30) as client:
        answer = request(
            client,
            "POST",
            "/v1/image-queries",
            params={"detector": detector},
            content=image,
            headers={"content-type": "image/jpeg", "idempotency-key": key},
        )
    assert answer.status_code in {200, 202}, answer.text
    query_id: str = answer.json()["id"]
    return query_id


def wait(request: Any, query_id: str, wait_s: int = 30) -> dict[str, Any]:
    with httpx2.Client(timeout=60) as client:
        answer = request(client, "GET", f"/v1/queries/{query_id}", params={"wait": str(wait_s)})
    assert answer.status_code == 200, answer.text
    query: dict[str, Any] = answer.json()
    return query


def times_ended(query: dict[str, Any]) -> int:
    return sum(step["state"] in {"answered", "failed", "cancelled", "expired"} for step in query["history"])


def died(process: Any) -> None:
    """Wait until the process has died as kill -9 kills."""
    assert process.wait(30) == -signal.SIGKILL


def claims_by_key(store_url: str, key: str) -> list[str]:
    mongo: MongoClient[dict[str, Any]]
    with MongoClient(store_url) as mongo:
        database: Database[dict[str, Any]] = mongo.get_default_database()
        return [str(found["_id"]) for found in database["claims"].find({"key": key})]


def search(request: Any, key: str) -> str:
    """Ask for four days in four parts; return the path of the status."""
    headers = {"idempotency-key": key}
    with httpx2.Client(timeout=30) as client:
        answer = request(client, "POST", "/api/v1/conjunctions/search", json=conjunction_query(), headers=headers)
    assert answer.status_code == 202, answer.text
    return httpx2.URL(answer.headers["location"]).path


def find(request: Any, path: str) -> list[dict[str, Any]]:
    """Wait for the search and return its rows."""
    ended = wait(request, path.rpartition("/")[2])
    assert (ended["state"], times_ended(ended)) == ("answered", 1), ended
    with httpx2.Client(timeout=30) as client:
        answer = request(client, "GET", f"{path}/data")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["result"]
    assert len(found) == ended["search"]["rows"] > 0
    return found


async def nothing_left(amqp: AmqpServer, bus_url: str) -> None:
    """Wait until no earlier message is left, nor in anybody's hand: the next service would die of it."""
    names = {queue.queue_name() for queue in QUEUES}

    async def empty() -> bool:
        listed = await asyncio.to_thread(amqp.ctl, "list_queues", "--vhost", vhost_of(bus_url), "name", "messages")
        counts = dict(line.split("\t")[:2] for line in listed.splitlines() if "\t" in line)
        return all(counts[name] == "0" for name in names)

    await until(empty, timeout_s=40)


@pytest.mark.parametrize("point", [*AT_THE_DOOR, *BEHIND_IT, *IN_A_SEARCH, *IN_A_LONG_POLL], ids=str)
def test_a_service_that_dies_at_a_step_loses_nothing_and_doubles_nothing(
    running: House, rows: list[dict[str, Any]], store_url: str, point: Point
) -> None:
    armed = running.restart(point.service, {"SIGHTLINE_CRASH_AT": point.name})
    if point in AT_THE_DOOR:
        dies_at_the_door(running, armed, store_url, point)
    elif point in BEHIND_IT:
        dies_behind_the_door(running, armed, point)
    elif point in IN_A_SEARCH:
        dies_in_a_search(running, armed, rows, point)
    else:
        dies_in_a_long_poll(running, armed)


def dies_at_the_door(running: House, armed: Process, store_url: str, point: Point) -> None:
    """Nobody got an ID; the key repeats the question, whatever is left of it."""
    key, (image, label) = f"at-{point.name}", levels.image(100 + AT_THE_DOOR.index(point))
    with pytest.raises(httpx2.TransportError):
        submit(running.request, key, image)
    died(armed.process)
    running.restart("submitter")

    claims = claims_by_key(store_url, key)
    assert len(claims) == point.claimed
    if point.published:
        assert wait(running.request, claims[0].partition("/")[2])["label"] == label  # nobody has repeated it
    query_id = submit(running.request, key, image)
    assert submit(running.request, key, image) == query_id
    assert claims_by_key(store_url, key) == (claims or [f"default/{query_id}"])
    query = wait(running.request, query_id)
    assert (query["label"], query["state"], times_ended(query), len(query["answers"])) == (label, "answered", 1, 1)


def dies_behind_the_door(running: House, armed: Process, point: Point) -> None:
    """Whoever has the ID gets the answer, once."""
    key, (image, label) = str(point).replace(" ", "-"), levels.image(200 + BEHIND_IT.index(point))
    query_id = submit(running.request, key, image)
    died(armed.process)
    running.restart(point.service)

    query = wait(running.request, query_id)
    assert (query["label"], query["state"], times_ended(query), len(query["answers"])) == (label, "answered", 1, 1)
    if point.again:
        assert query["attempts"] == 2
    assert submit(running.request, key, image) == query_id


def dies_in_a_search(running: House, armed: Process, rows: list[dict[str, Any]], point: Point) -> None:
    """The search goes on where it was, and finds what it finds when nobody dies."""
    path = search(running.request, point.name)
    died(armed.process)
    running.restart("search")

    assert find(running.request, path) == rows
    assert search(running.request, point.name) == path
    if point.again:
        assert wait(running.request, path.rpartition("/")[2])["attempts"] == 2


def dies_in_a_long_poll(running: House, armed: Process) -> None:
    """The poll is cut; the next goes on."""
    by_eye = submit(running.request, "in-a-long-poll", levels.image(301)[0], "by eye")
    with pytest.raises(httpx2.TransportError):
        wait(running.request, by_eye)
    died(armed.process)
    running.restart("gateway")
    with httpx2.Client(timeout=30) as client:
        labelled = running.request(client, "POST", f"/v1/queries/{by_eye}/labels", json={"label": "YES"})
        assert labelled.status_code == 201, labelled.text
    assert wait(running.request, by_eye)["label"] == "YES"


def test_a_query_that_kills_its_worker_fails_after_two_deaths_and_its_neighbours_are_answered(running: House) -> None:
    for process in running.processes:
        if process.name == "inference":
            assert process.stop() == 0  # what is asked now lies together in the queue
    poison = submit(running.request, "poison", gray_jpeg(POISON_LEVEL), "poisoned")
    others = {submit(running.request, f"near-{n}", gray_jpeg(n), "poisoned"): n for n in (20, 250)}
    deaths = 0
    worker = running.restart("inference")
    deadline = time.monotonic() + 60
    while wait(running.request, poison, 1)["state"] == "submitted" and time.monotonic() < deadline:
        if worker.process.poll() is not None:
            assert worker.process.returncode == -signal.SIGFPE
            deaths += 1
            worker = running.restart("inference")

    query = wait(running.request, poison)
    assert (query["state"], query["error"]["reason"], times_ended(query)) == ("failed", "worker_crashed", 1)
    assert deaths == 2
    for query_id, level in others.items():
        query = wait(running.request, query_id)
        assert (query["label"], query["state"]) == ("bright" if level > 128 else "dark", "answered")
    assert worker.process.poll() is None


EMBEDDED: tuple[CrashPoint, ...] = (
    "inference.decoding",
    "result_store.written",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded") / "data"
    with serving(folder) as server:
        prepare(at(server.url))
    return folder


def at(url: str) -> Any:
    def request(client: httpx2.Client, method: str, path: str, **given: Any) -> httpx2.Response:
        return client.request(method, url + path, **given)

    return request


@pytest.mark.parametrize("point", EMBEDDED)
def test_the_platform_in_one_process_dies_and_goes_on(data: Path, point: CrashPoint) -> None:
    image, label = levels.image(400 + EMBEDDED.index(point))
    accepted = ""
    with serving(data, environment={"SIGHTLINE_CRASH_AT": point}) as armed:
        try:
            accepted = submit(at(armed.url), point, image)
        except httpx2.TransportError:
            accepted = ""  # unknown: nothing was promised
        died(armed.process)
    with serving(data) as server:
        query_id = submit(at(server.url), point, image)
        assert accepted in {"", query_id}
        query = wait(at(server.url), query_id)
    assert (query["label"], query["state"], times_ended(query), len(query["answers"])) == (label, "answered", 1, 1)
