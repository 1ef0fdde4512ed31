"""The seed's program, by the real client in three versions, as two processes that share only the IDs."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from examples.door.demo import FOLDER as DOOR
from infra.drill.proxy import proxying
from tests.clients.groundlight.conftest import LATEST, VERSIONS, Platform
from tests.support.certificates import Authority

EXAMPLES = DOOR.parent / "groundlight"
OPEN, CLOSED = DOOR / "open.jpg", DOOR / "closed.jpg"

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_seeds_program_runs_unchanged(platform: Platform, version: str) -> None:
    ids = platform.run("seed_submit.py", OPEN, CLOSED, version=version)
    assert platform.run("seed_retrieve.py", stdin=ids, version=version).split() == ["YES", "NO"]


async def test_over_tls_the_program_needs_a_private_authority_in_two_variables(
    platform: Platform, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with proxying(platform.edge.url, tls=authority.serving()) as proxy:
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(authority.ca_file))
        address = {"GROUNDLIGHT_ENDPOINT": f"https://127.0.0.1:{proxy.port}"}
        secure = replace(platform, variables={**address, **trust})
        ids = await asyncio.to_thread(secure.run, "seed_submit.py", OPEN, CLOSED)
        answers = await asyncio.to_thread(secure.run, "seed_retrieve.py", stdin=ids)
        assert answers.split() == ["YES", "NO"]
        for known in trust.items():
            half = replace(platform, variables={**address, **dict([known])})
            with pytest.raises(AssertionError, match=r"CERTIFICATE_VERIFY_FAILED|ApiTokenError"):
                await asyncio.to_thread(half.run, "seed_submit.py", OPEN, CLOSED)


def test_a_label_given_while_the_seeds_wait_polls_ends_it(platform: Platform) -> None:
    waiting = platform.start("pending.py", OPEN)
    assert waiting.stdout is not None
    query_id = waiting.stdout.readline().strip()
    platform.request("POST", f"/v1/queries/{query_id}/labels", json={"label": "YES", "labelled_by": "kim"})
    out, errors = waiting.communicate(timeout=40)
    assert out.split() == ["YES", "1.0", "USER"], errors


def test_a_new_detectors_model_is_named_or_the_default_or_nobody(platform: Platform) -> None:
    platform.run("pipelines.py", OPEN)


def test_binding_a_model_answers_what_waited_for_one(platform: Platform) -> None:
    detector = platform.request("POST", "/v1/detectors", json={"name": "bound later", "query": "Is the door open?"})
    asked = platform.request(
        "POST",
        "/v1/image-queries?detector=bound later",
        content=OPEN.read_bytes(),
        headers={"content-type": "image/jpeg"},
    )
    platform.request("PATCH", f"/v1/detectors/{detector['id']}", json={"model": "door"})
    assert platform.run("seed_retrieve.py", stdin=asked["id"], version=LATEST).split() == ["YES"]


def test_fifty_robots_ask_while_fifty_retrievers_wait(platform: Platform) -> None:
    robots, retrievers = platform.start("robots.py", OPEN, CLOSED), platform.start("retrievers.py")
    assert robots.stdout is not None
    assert retrievers.stdin is not None
    for line in robots.stdout:
        retrievers.stdin.write(line)
        retrievers.stdin.flush()
    assert robots.wait(60) == 0, robots.communicate()[1]
    _, errors = retrievers.communicate(timeout=60)
    assert retrievers.returncode == 0, errors
    robots.communicate()


def test_the_camera_loop_of_the_examples_saves_ids_that_another_machine_looks_up(
    platform: Platform, tmp_path: Path
) -> None:
    options = ("--save", tmp_path / "ids.txt", "--interval", "0.1", "--count", "8", "--detector", "door of the camera")
    platform.run(EXAMPLES / "camera_loop.py", DOOR / "door.mp4", *options)
    saved = (tmp_path / "ids.txt").read_text()
    answers = [line.split() for line in platform.run(EXAMPLES / "retrieve.py", stdin=saved).splitlines()]
    assert [query_id for query_id, _, _ in answers] == saved.split()
    assert len({query_id for query_id, _, _ in answers}) == 8
    assert {label for _, label, _ in answers} <= {"YES", "NO"}
