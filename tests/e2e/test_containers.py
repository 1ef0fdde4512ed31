"""The platform as its users run it: every service a container from our images, brought up by compose.yaml."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from docker.errors import ContainerError

from infra.compose.secret_files import SERVICES, make_secrets
from infra.drill import task as levels
from infra.local.errors import ServerFailedError
from tests.support import engine
from tests.support.composing import Stack, composed, left_of, states, version
from tests.support.promql import metric_names
from tests.support.server import ROOT, clean_environment
from tests.support.until import until

pytestmark = [pytest.mark.containers, pytest.mark.timeout(420)]

STOPPED = ("result_store", "inference", "search", "submitter", "gateway", "edge", "mongodb", "rabbitmq")
QUERIES_A_STEP = 15
MONITORED = ("prometheus",)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with composed(tmp_path_factory.mktemp("stack")) as running:
        _sightline(running, "models", "add", str(levels.MODEL), "--manifest", _manifest(running), "--name", "levels")
        _sightline(
            running,
            *("detectors", "create", "level", "How light?", "--mode", "multiclass"),
            *(part for label in levels.LABELS for part in ("--label", label)),
            *("--model", "levels"),
        )
        running.compose("exec", "-T", "gateway", "python", "-m", "examples.space.fill")
        yield running


def _manifest(stack: Stack) -> str:
    path = stack.secrets.parent / "levels.manifest.json"
    path.write_text(levels.manifest().model_dump_json())
    return str(path)


def _sightline(stack: Stack, *arguments: str) -> str:
    """Run the command against the stack, as a user does; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "sightline", *arguments],
        cwd=ROOT,
        env=clean_environment({"SIGHTLINE_URL": stack.url, "SIGHTLINE_TOKEN": stack.token}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _client(stack: Stack) -> httpx2.Client:
    headers = {"authorization": f"Bearer {stack.token}"}
    return httpx2.Client(base_url=stack.url, headers=headers, timeout=100, trust_env=False)


def test_a_first_submit_from_the_command_is_answered(stack: Stack, tmp_path: Path) -> None:
    image = tmp_path / "image.jpg"
    data, label = levels.image(1)
    image.write_bytes(data)
    query_id = _sightline(stack, "submit", str(image), "--detector", "level").split()[0]
    assert label in _sightline(stack, "wait", query_id)


def test_only_the_proxy_is_published_and_services_hold_nothing_they_need_not(stack: Stack) -> None:
    published = {service for service in STOPPED if stack.container(service)["HostConfig"]["PortBindings"]}
    assert published == {"edge"}
    for service in SERVICES:
        container = stack.container(service)
        assert container["Config"]["User"] == "10001:10001"
        assert container["HostConfig"]["ReadonlyRootfs"] is True
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        secrets = {mount["Destination"] for mount in container["Mounts"]}
        assert secrets == {f"/run/secrets/{service}-bus", f"/run/secrets/{service}-store", "/run/secrets/token-pepper"}
    packages = stack.compose(
        "exec",
        "-T",
        "gateway",
        "python",
        "-c",
        "import importlib.util as u; print([n for n in ('onnxruntime', 'cv2', 'pip') if u.find_spec(n)])",
    )
    assert packages.strip() == "[]"
    with pytest.raises(ServerFailedError, match="Read-only file system"):
        stack.compose("exec", "-T", "result_store", "touch", "/opt/sightline/written")


def test_the_proxy_holds_limits_and_lets_long_polls_pass(stack: Stack) -> None:
    with ThreadPoolExecutor() as pool:
        waits = [pool.submit(check, stack) for check in (_poll_for_long, _send_half_a_head, _send_half_a_body)]
        with _client(stack) as client:
            anonymous = httpx2.get(f"{stack.url}/v1/queries", trust_env=False)
            assert (anonymous.status_code, anonymous.json()["code"]) == (401, "not_authenticated")
            for path in ("/metrics", "/readyz", "/livez"):
                assert client.get(path).status_code == 404, path
            assert _answer_to(stack, b"GET /%6detrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 404")
            large = client.post("/v1/detectors", content=b" " * 70_000, headers={"content-type": "application/json"})
            assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
            large = client.post("/api/v1/data_sources", content=b" " * 300_000)
            assert (large.status_code, large.headers["content-type"]) == (400, "application/json")
            assert set(large.json()) == {"error_code", "error_message"}
            image = levels.image(3)[0]
            assert len(image) > 70_000
            assert _submit(client, 3).status_code == 202
        for wait in waits:
            wait.result()


def _poll_for_long(stack: Stack) -> None:
    """A request may wait for longer than the proxy lets anybody be silent."""
    with _client(stack) as client:
        assert client.post("/v1/detectors", json={"name": "by eye", "query": "?"}).status_code == 201
        waiting = _submit(client, 11, detector="by eye").json()["id"]
        began = time.monotonic()
        answer = client.get(f"/v1/queries/{waiting}", params={"wait": 40})
        assert (answer.status_code, answer.json()["label"]) == (200, "UNCLEAR")
        assert time.monotonic() - began > 39


def _send_half_a_head(stack: Stack) -> None:
    assert _answer_to(stack, b"GET /v1/queries HTTP/1.1\r\nHost: x\r\nX-Slow: ").startswith(b"HTTP/1.1 408")


def _send_half_a_body(stack: Stack) -> None:
    head = (
        f"POST /v1/detectors HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.token}\r\nContent-Length: 100\r\n\r\n"
    )
    assert _answer_to(stack, head.encode() + b"{").startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))


def _answer_to(stack: Stack, said: bytes) -> bytes:
    address = httpx2.URL(stack.url)
    with socket.create_connection((address.host, address.port or 80), timeout=60) as connection:
        connection.sendall(said)
        return connection.recv(100)


def _submit(client: httpx2.Client, number: int, *, detector: str = "level") -> httpx2.Response:
    image, _ = levels.image(number)
    return client.post(
        "/v1/image-queries",
        params={"detector": detector},
        content=image,
        headers={"content-type": "image/jpeg", "idempotency-key": f"number-{number}"},
    )


class _Asking:
    """Asks one question after the other, each until it is accepted, from the beginning of a block to its end."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stop = threading.Event()
        self.accepted: list[tuple[str, str]] = []
        self._thread = threading.Thread(target=self._ask)

    def has(self, number: int) -> bool:
        """Whether so many were accepted."""
        return len(self.accepted) >= number

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        number = 1000
        with _client(self._stack) as client:
            while not self._stop.is_set():
                try:
                    answer = _submit(client, number)
                except httpx2.TransportError:  # not known: the same again, under the same key
                    self._stop.wait(0.2)
                    continue
                if answer.status_code == 202:
                    self.accepted.append((answer.json()["id"], levels.label_of(number)))
                    number += 1
                else:
                    assert answer.status_code in {500, 502, 503, 504}, answer.text
                    self._stop.wait(0.2)


async def test_every_answer_is_found_though_each_container_stopped_and_started_in_the_middle(stack: Stack) -> None:
    """The broker and the database too; a service that stops in good order ends with 0, so SIGTERM reaches it."""
    searches = []
    with _Asking(stack) as asking:
        for service in STOPPED:
            seen = len(asking.accepted)
            searches.append(_ask_search(stack))
            stack.compose("stop", service)
            if service in SERVICES:
                assert stack.container(service)["State"]["ExitCode"] == 0, service
            stack.compose("start", service)
            stack.up()
            await until(partial(asking.has, seen + QUERIES_A_STEP), timeout_s=60)
    assert len({query_id for query_id, _ in asking.accepted}) == len(asking.accepted)
    with _client(stack) as client:
        for query_id, label in asking.accepted:
            query = client.get(f"/v1/queries/{query_id}", params={"wait": 60}).json()
            assert (query["state"], query["label"]) == ("answered", label), query
    rows = [_sightline(stack, "search", "get", search, "--csv") for search in searches]
    assert len(set(rows)) == 1
    assert rows[0].count("\n") > 1
    assert set(states(stack).values()) == {"running", "exited"}
    assert states(stack)["prepare"] == "exited"


def _ask_search(stack: Stack) -> str:
    span = ("--start", "2020-01-01T00:00:00", "--end", "2020-01-01T23:59:00")
    return _sightline(stack, "search", "ephemeris", *span, "--source", "swarm", "--no-wait").split()[0]


async def test_changed_passwords_take_effect_where_compose_prepares_again(stack: Stack) -> None:
    (stack.secrets / "rabbitmq" / "gateway").unlink()
    (stack.secrets / "mongodb" / "gateway").unlink()
    (stack.secrets / "mongodb" / "administrator").unlink()
    before = (stack.secrets / "gateway-store").read_text()
    make_secrets(stack.secrets)
    assert (stack.secrets / "gateway-store").read_text() != before
    stack.compose(
        "exec", "-T", "rabbitmq", "rabbitmqctl", "import_definitions", "/run/secrets/rabbitmq-definitions.json"
    )
    stack.compose("up", "--detach", "prepare")
    stack.compose("restart", "gateway")
    stack.up()
    with _client(stack) as client:
        await until(lambda: _submit(client, 12).status_code == 202)
        assert client.get("/v1/queries").status_code == 200


async def test_every_metric_of_dashboard_and_alerts_is_there(stack: Stack) -> None:
    """Asked of a real Prometheus that scrapes the real parts."""
    stack.up(*MONITORED)

    def ask(path: str, **parameters: str) -> Any:
        code = (
            "import json, sys, urllib.parse, urllib.request\n"
            "path, parameters = json.loads(sys.argv[1])\n"
            "address = 'http://prometheus:9090/api/v1/' + path + '?' + urllib.parse.urlencode(parameters)\n"
            "print(urllib.request.urlopen(address).read().decode())"
        )
        answer = stack.compose("exec", "-T", "gateway", "python", "-c", code, json.dumps([path, parameters]))
        return json.loads(answer)["data"]

    def scraped() -> bool:
        jobs = {
            (each["metric"]["job"], each["metric"].get("service", ""))
            for each in ask("query", query="up == 1")["result"]
        }
        return jobs >= {("rabbitmq", ""), ("edge", ""), *(("sightline", service) for service in SERVICES)}

    await until(scraped, timeout_s=60)
    dashboard = json.loads((ROOT / "infra/compose/grafana/sightline.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 10
    names = set(ask("label/__name__/values"))
    for expression in [*shown, *(rule["query"] for rule in rules)]:
        ask("query", query=expression.replace("$__rate_interval", "1m"))
        for name in metric_names(expression):
            # A counter that has counted nothing has no row yet; its type is there from the start.
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in names or ask("metadata", metric=family), name
    assert all(rule["health"] != "err" for rule in rules)


async def test_one_image_is_the_whole_platform() -> None:
    with engine.client(timeout_s=60) as client:
        platform = client.containers.run(
            f"sightline/all:{version()}",
            detach=True,
            environment={"SIGHTLINE_ANONYMOUS_TENANT": "default"},
            labels={engine.OWNER_LABEL: engine.owner()},
            read_only=True,
            tmpfs={"/tmp": "size=256m"},
        )

        def is_healthy() -> bool:
            platform.reload()
            return bool(platform.health == "healthy")

        try:
            await until(is_healthy, timeout_s=60)
            made = platform.exec_run(["sightline", "detectors", "create", "gate", "Is it shut?"])
            assert made.exit_code == 0, made.output
            platform.stop(timeout=40)
            assert platform.wait()["StatusCode"] == 0
        finally:
            platform.remove(force=True, v=True)


def test_a_service_that_may_not_write_its_volume_says_so_and_ends() -> None:
    """Without addresses each would keep its bus and store in /data."""
    with engine.client(timeout_s=60) as client:
        for service in SERVICES:
            with pytest.raises(ContainerError) as refused:
                client.containers.run(
                    f"sightline/{service}:{version()}",
                    environment={"SIGHTLINE_TOKEN_PEPPER": "the same for all"},
                    labels={engine.OWNER_LABEL: engine.owner()},
                    read_only=True,
                    remove=True,
                )
            assert refused.value.exit_status == 1
            (line,) = refused.value.stderr.decode().splitlines()
            assert line.startswith("sightline: ")
            assert "/data" in line


def test_nothing_is_left_though_it_failed_or_its_run_was_killed(tmp_path: Path) -> None:
    killed = "sightline-test-4194305-1-abcdef"  # above the highest ID that a process can have
    with engine.client(timeout_s=60) as client:
        client.volumes.create(f"{killed}_mongodb", labels={"com.docker.compose.project": killed})

    def fail(running: Stack) -> None:
        raise ServerFailedError(running.name if left_of(running.name) else "")

    with pytest.raises(ServerFailedError, match="sightline-test") as raised, composed(tmp_path, "mongodb") as running:
        fail(running)
    assert left_of(str(raised.value)) == []
    assert left_of(killed) == []
