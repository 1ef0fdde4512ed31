"""The door of the Groundlight client, without anybody behind it who answers."""

import base64
from pathlib import Path
from typing import Any

import httpx2
import pytest

from contracts.v1.query import QueryErased
from services.kit.bus.codec import encode, event_of
from services.kit.clock import SystemClock
from services.kit.groundlight import PREFIX
from services.kit.store.documents import QueryKey
from services.result_store.service import create as create_result_store
from tests.support.documents import make_detector
from tests.support.gateways import expect_problem
from tests.support.images import make_jpeg
from tests.support.submitting import TENANT, Door, open_door
from tests.support.until import until

OTHER_ID = "iq_2" + "x" * 26


async def post(door: Door, image: bytes, *, request_id: str | None = None, **parameters: Any) -> httpx2.Response:
    """Ask as the client does."""
    headers = {"Content-Type": "image/jpeg"} | ({"x-request-id": request_id} if request_id else {})
    params = {"detector_id": door.detector.id} | parameters
    return await door.http.post(f"{PREFIX}/image-queries", params=params, content=image, headers=headers)


async def test_an_asynchronous_ask_has_no_result_however_true_is_written(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        for true in ("True", "true", "TRUE"):
            answer = await post(door, make_jpeg(), want_async=true)
            assert (answer.status_code, answer.json()["result"]) == (201, None)


async def test_a_synchronous_ask_ends_with_a_placeholder_when_nobody_answers_in_time(tmp_path: Path) -> None:
    detector = make_detector(tenant=TENANT, created_at=SystemClock().now())
    bound = detector.model_copy(update={"model_id": "mdl_" + "0" * 27})
    async with open_door(tmp_path, detector=bound, ask_wait_s=0.05) as door:
        answer = await post(door, make_jpeg())
        assert answer.status_code == 201, answer.text
        result = answer.json()["result"]
        assert (result["label"], result["confidence"], result["source"]) == ("UNCLEAR", None, "STILL_PROCESSING")
        assert len(await door.published()) == 1


async def test_the_request_id_is_the_key(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        first = await post(door, make_jpeg(), request_id="req_1", want_async="True")
        again = await post(door, make_jpeg(), request_id="req_1", want_async="True")
        assert first.json()["id"] == again.json()["id"]
        other = await post(door, make_jpeg(), request_id="req_1", want_async="True", confidence_threshold=0.5)
        expect_problem(other, "key_reused")


async def test_an_id_of_the_clients_own_is_taken_once(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        first = await post(door, make_jpeg(), image_query_id=OTHER_ID, want_async="True")
        assert (first.json()["id"], first.json()["metadata"]) == (OTHER_ID, {"is_from_edge": True})
        other = await post(door, make_jpeg(), image_query_id=OTHER_ID, want_async="True", patience_time=1)
        expect_problem(other, "key_reused")
        for wrong in ("iq_short", "det_" + "0" * 27):
            expect_problem(await post(door, make_jpeg(), image_query_id=wrong), "invalid_parameter")


async def test_an_id_of_the_clients_own_is_asked_once_and_not_again_after_its_erasure(tmp_path: Path) -> None:
    async with open_door(tmp_path, besides=[create_result_store]) as door:
        key, queries = QueryKey(TENANT, OTHER_ID), door.platform.store.queries

        async def stored() -> bool:
            return bool(await queries.load([key]))

        async def erased() -> bool:
            return (await queries.load([key]))[key].erased_at is not None

        await post(door, make_jpeg(), image_query_id=OTHER_ID, want_async="True")
        await until(stored)
        again = await post(door, make_jpeg(), image_query_id=OTHER_ID, want_async="True")
        assert (again.json()["id"], (await door.left_behind())["inference.image_queries"]) == (OTHER_ID, 1)
        now = SystemClock().now()
        erasure = event_of(QueryErased(query_id=OTHER_ID, erased_at=now), source="gateway", tenant=TENANT, at=now)
        await door.platform.bus.publish([encode(erasure)])
        await until(erased)
        expect_problem(await post(door, make_jpeg(), image_query_id=OTHER_ID, want_async="True"), "query_erased")


@pytest.mark.parametrize("image", [b"", b"text", make_jpeg()[:200]], ids=["empty", "text", "half"])
async def test_bytes_that_are_no_image_are_refused_in_the_clients_words(tmp_path: Path, image: bytes) -> None:
    async with open_door(tmp_path) as door:
        refused = await post(door, image)
        assert "uploaded image is empty or corrupted" in expect_problem(refused, "upload_unusable")
        assert await door.left_behind() == {}


@pytest.mark.parametrize("metadata", ["!", "e30x", base64.urlsafe_b64encode(b"\xff").decode(), "bm90IGpzb24="])
async def test_metadata_that_is_not_base64_of_json_is_refused(tmp_path: Path, metadata: str) -> None:
    async with open_door(tmp_path) as door:
        expect_problem(await post(door, make_jpeg(), metadata=metadata), "metadata_invalid")


async def test_a_detector_that_is_off_takes_nothing_at_any_door(tmp_path: Path) -> None:
    off = make_detector(tenant=TENANT, created_at=SystemClock().now()).model_copy(update={"enabled": False})
    async with open_door(tmp_path, detector=off) as door:
        expect_problem(await post(door, make_jpeg()), "detector_off")
        expect_problem(await door.ask(make_jpeg()), "detector_off")
        assert await door.left_behind() == {}
