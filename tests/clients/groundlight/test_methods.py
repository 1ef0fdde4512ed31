"""Every served method of the real client; what it shows is asserted in the programs, where its user would look."""

import time
from pathlib import Path

import httpx2
import pytest

from examples.door.demo import FOLDER as DOOR
from tests.clients.groundlight.conftest import Platform, register
from tests.support import shaped_models
from tests.support.onnx_models import brightness_manifest, brightness_model

PREFIX = "/device-api/v1"
OPEN, CLOSED = DOOR / "open.jpg", DOOR / "closed.jpg"

pytestmark = pytest.mark.timeout(240)


def test_detectors_are_made_found_changed_listed_and_deleted(platform: Platform) -> None:
    platform.run("detectors.py")


def test_image_queries_come_back_as_they_were_asked_and_show_answers_at_once(platform: Platform) -> None:
    platform.run("queries.py", OPEN, CLOSED)


def test_images_are_taken_in_every_form_and_bad_ones_refused_in_the_words_that_programs_know(
    platform: Platform, tmp_path: Path
) -> None:
    platform.run("images.py", OPEN, tmp_path)


def test_five_modes_are_asked_and_answered(platform: Platform, tmp_path: Path) -> None:
    for name, model, manifest in (
        ("cells", shaped_models.detection_model(), shaped_models.detection_manifest()),
        ("plates", shaped_models.text_model(), shaped_models.text_manifest()),
        ("greys", brightness_model(), brightness_manifest()),
    ):
        register(platform, name, model, manifest.model_dump_json(exclude_unset=True))
    pictures = {
        "none.png": shaped_models.picture_of_objects(),
        "two.png": shaped_models.picture_of_objects((0, 0), (3, 2)),
        "four.png": shaped_models.picture_of_objects((0, 0), (0, 1), (1, 0), (3, 3)),
        "wide.png": shaped_models.picture_of_objects((2, 2), (3, 2), width=128),
        "text.png": shaped_models.picture_of_text("A B1  2"),
    }
    for name, picture in pictures.items():
        (tmp_path / name).write_bytes(picture)
    platform.run("modes.py", tmp_path)


def test_calls_that_the_client_repeats_by_itself_take_effect_once(platform: Platform) -> None:
    platform.edge.seen.clear()
    platform.edge.lose |= {f"{PREFIX}/detectors": 2, f"{PREFIX}/image-queries": 2, f"{PREFIX}/labels": 1}
    detector_id, query_id = platform.run("retries.py", OPEN).split()
    assert not any(platform.edge.lose.values())
    posts = [path for method, path in platform.edge.seen if method == "POST"]
    assert len(posts) == 3 + 5
    queries = platform.request("GET", f"/v1/queries?detector={detector_id}")["items"]
    assert [query["id"] for query in queries] == [query_id]
    assert [answer["source"] for answer in queries[0]["answers"]] == ["model", "person"]


def test_a_synchronous_ask_of_a_small_model_is_one_round_trip(platform: Platform) -> None:
    platform.edge.seen.clear()
    platform.run("one_ask.py", OPEN)
    about_queries = [(method, path) for method, path in platform.edge.seen if "image-queries" in path]
    assert about_queries == [("POST", "/device-api/v1/image-queries")]


def test_a_token_that_is_not_known_is_refused_with_what_to_do(platform: Platform) -> None:
    stranger = Platform(platform.edge, "api_" + "0" * 40, platform.home)
    process = stranger.start("one_ask.py", OPEN)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "ApiTokenError" in errors
    assert "sightline tokens create" in errors


def test_the_rest_is_served_or_says_that_it_is_not(platform: Platform) -> None:
    platform.run("experimental.py", OPEN)


def test_a_token_works_as_soon_as_it_is_made_and_ends_within_seconds_of_its_revocation(platform: Platform) -> None:
    made = platform.request("POST", "/v1/tokens", json={"name": "for a while"})
    address, headers = f"{platform.edge.url}{PREFIX}/me", {"x-api-token": made["token"]}
    assert httpx2.get(address, headers=headers, trust_env=False).json()["username"] == "for a while"
    platform.request("DELETE", f"/v1/tokens/{made['key_id']}")
    deadline = time.monotonic() + 20
    while (answer := httpx2.get(address, headers=headers, trust_env=False)).status_code == 200:
        assert time.monotonic() < deadline
    assert answer.status_code == 401
