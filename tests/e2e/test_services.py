"""The platform in production: separate services over a real RabbitMQ, results in a real MongoDB."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from infra.drill import task as levels
from services.kit.store.mongo.roles import RoleName
from tests.support.house import SERVICES, House, house
from tests.support.oplog import times_ended
from tests.support.server import ROOT, clean_environment
from tests.support.servers import AmqpServer, MongoServer, amqp_server, mongodb_server
from tests.support.users import amqp_users, mongodb_users

CLIENTS = 8
QUERIES = 1000

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def amqp() -> AmqpServer:
    return amqp_server()


@pytest.fixture(scope="module")
def mongodb() -> MongoServer:
    return mongodb_server()


@pytest.fixture(scope="module")
def store_url(mongodb: MongoServer) -> str:
    return mongodb.database("e2e")


@pytest.fixture(scope="module")
def running(amqp: AmqpServer, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("services")
    with house(folder, bus=amqp.vhost("e2e"), store=store_url) as opened:
        with httpx2.Client(timeout=60) as client:
            _prepare(opened, client)
        yield opened


def _prepare(running: House, client: httpx2.Client) -> None:
    manifest = levels.manifest().model_dump_json()
    model = running.request(
        client,
        "POST",
        "/v1/models",
        files={"model": ("levels.onnx", levels.model()), "manifest": (None, manifest), "name": (None, "levels")},
    )
    assert model.status_code == 201, model.text
    body = {"name": "level", "query": "How light?", "mode": "multiclass", "labels": levels.LABELS, "model": "levels"}
    detector = running.request(client, "POST", "/v1/detectors", json=body)
    assert detector.status_code == 201, detector.text


def _submit(running: House, client: httpx2.Client, number: int, **parameters: str) -> httpx2.Response:
    return running.request(
        client,
        "POST",
        "/v1/image-queries",
        params={"detector": "level", **parameters},
        content=levels.image(number)[0],
        headers={"content-type": "image/jpeg"},
    )


def _wait(running: House, client: httpx2.Client, query_id: str) -> dict[str, Any]:
    answer = running.request(client, "GET", f"/v1/queries/{query_id}", params={"wait": "60"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_thousand_images_by_eight_clients_end_once_each_and_right(running: House, store_url: str) -> None:
    def work(first: int) -> list[tuple[str, str]]:
        asked = []
        with httpx2.Client(timeout=90) as client:
            for number in range(first, QUERIES, CLIENTS):
                accepted = _submit(running, client, number)
                assert accepted.status_code == 202, accepted.text
                query_id = accepted.json()["id"]
                asked.append((query_id, levels.image(number)[1]))
                looked_up = running.request(client, "GET", f"/v1/queries/{query_id}")
                assert looked_up.status_code == 200, looked_up.text
                if number % 10 == 0:
                    assert _wait(running, client, query_id)["label"] == asked[-1][1]
        return asked

    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pair for pairs in pool.map(work, range(CLIENTS)) for pair in pairs]
    assert len({query_id for query_id, _ in asked}) == QUERIES

    mongo: MongoClient[dict[str, Any]]
    with MongoClient(store_url) as mongo, httpx2.Client(timeout=90) as client:
        database: Database[dict[str, Any]] = mongo.get_default_database()
        ended = times_ended(mongo, database.name)
        for query_id, label in asked:
            query = _wait(running, client, query_id)
            assert (query["label"], query["state"]) == (label, "answered")
            stored = database["queries"].find_one({"_id": f"default/{query_id}"})
            assert stored is not None
            text = json.dumps(stored, default=str)
            assert query["answer"]["id"] in text
            assert f'"{label}"' in text
            assert ended[f"default/{query_id}"] == 1
        workers = {w.url for w in running.processes if w.name == "inference"}
        answered = [_metric(client, url, "sightline_answers_total") for url in workers]
        assert min(answered) > 0  # both took part
        assert sum(answered) >= QUERIES


def _metric(client: httpx2.Client, url: str, name: str) -> float:
    for line in client.get(f"{url}/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    return 0.0


def test_a_label_and_a_cancel_pass_through_every_service(running: House) -> None:
    with httpx2.Client(timeout=60) as client:
        body = {"name": "by eye", "query": "Does it look right?"}
        assert running.request(client, "POST", "/v1/detectors", json=body).status_code == 201
        first, second = (_submit(running, client, n, detector="by eye").json()["id"] for n in (5001, 5002))
        labelled = running.request(client, "POST", f"/v1/queries/{first}/labels", json={"label": "YES"})
        assert (labelled.status_code, labelled.json()["label"]) == (201, "YES")
        cancelled = running.request(client, "POST", f"/v1/queries/{second}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")


def test_a_blocked_broker_is_said_at_once_and_passes(running: House, amqp: AmqpServer) -> None:
    with httpx2.Client(timeout=30) as client:
        amqp.ctl("set_vm_memory_high_watermark", "0.0000001")
        try:
            deadline = time.monotonic() + 30
            while True:
                began = time.monotonic()
                answer = _submit(running, client, 6001)
                if answer.status_code == 503 or time.monotonic() > deadline:
                    break
            assert answer.status_code == 503, answer.text
            assert time.monotonic() - began < 4
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["code"] == "unavailable"
        finally:
            amqp.ctl("set_vm_memory_high_watermark", "0.4")
        deadline = time.monotonic() + 60
        while (answer := _submit(running, client, 6002)).status_code == 503 and time.monotonic() < deadline:
            continue
        assert answer.status_code == 202, answer.text
        assert _wait(running, client, answer.json()["id"])["label"] == levels.image(6002)[1]


def test_the_demo_on_real_servers_does_the_same(amqp: AmqpServer, mongodb: MongoServer, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sightline",
        "demo",
        "--bus",
        amqp.vhost("demo"),
        "--store",
        mongodb.database("demo"),
    ]
    done = subprocess.run(
        [*command, "--output", str(tmp_path)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy" in done.stdout


def test_services_stop_cleanly_and_go_on_where_they_were(
    amqp: AmqpServer, mongodb: MongoServer, tmp_path: Path
) -> None:
    bus, store = amqp.vhost("stopping"), mongodb.database("stopping")
    with house(tmp_path / "first", bus=bus, store=store) as first, httpx2.Client(timeout=60) as client:
        _prepare(first, client)
        for process in first.processes:
            if process.name == "inference":
                assert process.stop() == 0
        waiting = [_submit(first, client, number).json()["id"] for number in range(20)]
        for process in reversed(first.processes):
            if process.name != "inference":
                assert process.stop() == 0
    with house(tmp_path / "second", bus=bus, store=store) as second, httpx2.Client(timeout=90) as client:
        for number, query_id in enumerate(waiting):
            assert _wait(second, client, query_id)["label"] == levels.image(number)[1]


def test_services_with_users_of_their_own_serve_a_device_that_may_only_publish(
    amqp: AmqpServer, mongodb: MongoServer, tmp_path: Path
) -> None:
    """Topology and indexes are an administrator's; no service may declare anything durable."""
    users, store = amqp_users(amqp, devices=["default.gate-3", "other.gate-4"]), mongodb.database("roles")
    _sightline("topology", "declare", "--bus", users.users["topology"])
    with house(tmp_path / "install", bus=users.admin, store=store, services=["result_store"]):
        pass  # makes the indexes
    roles = mongodb_users(store)
    names = set(SERVICES)
    addresses = {name: roles[cast("RoleName", name)] for name in names}
    with (
        house(tmp_path / "house", bus={name: users.users[name] for name in names}, store=addresses) as running,
        httpx2.Client(timeout=60) as client,
    ):
        _prepare(running, client)
        detector = running.request(client, "GET", "/v1/detectors/level").json()
        folder = tmp_path / "frames"
        folder.mkdir()
        for number in range(3):
            (folder / f"{number}.jpg").write_bytes(levels.image(number)[0])
        sent = tmp_path / "ids.txt"
        options = ("--detector", detector["id"], "--interval-ms", "10", "--count", "3", "--save", str(sent))
        _sightline("capture", str(folder), "--bus", users.device("default.gate-3"), *options)
        ids = [line.split()[0] for line in sent.read_text().splitlines()]
        labels = sorted(_wait(running, client, query_id)["label"] for query_id in ids)
        assert labels == sorted(levels.image(number)[1] for number in range(3))
        refused = _sightline(
            "serve", "inference", "--bus", users.device("default.gate-3"), "--store", store, check=False
        )
        assert refused.returncode != 0
        assert len(refused.stderr.strip().splitlines()[-1]) > 10


def _sightline(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "sightline", *arguments],
        cwd=ROOT,
        env=clean_environment({"SIGHTLINE_TOKEN_PEPPER": "the same for all"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
