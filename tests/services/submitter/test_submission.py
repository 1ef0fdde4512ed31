"""A question at the write door: what is answered, what is published, what is kept."""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.http.queries import Query
from contracts.ids import is_id
from contracts.v1.control import DetectorChanged
from services.kit.auth import hash_secret, key_id_of, new_token, pepper_of
from services.kit.bus.codec import encode, event_of
from services.kit.store.records import TokenRecord
from tests.support.documents import make_detector
from tests.support.images import make_jpeg, make_png, make_webp
from tests.support.submitting import TENANT, Door, open_door
from tests.support.until import until

JPEG = make_jpeg()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path) as door:
        yield door


async def test_an_image_is_accepted_and_published_once_as_one_message(door: Door) -> None:
    response = await door.ask(JPEG)
    query = Query.model_validate_json(response.content)
    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/queries/{query.id}"
    assert is_id(query.id, "iq")
    assert (query.state, query.label, query.revision, query.history) == ("submitted", "UNCLEAR", 0, ())
    (event,) = await door.published()
    assert (event.source, event.subject, event.tenant, event.lane) == ("submitter", query.id, TENANT, "default")
    assert event.payload.query_id == query.id
    assert event.payload.image.data == JPEG
    assert event.payload.image.sha256 == hashlib.sha256(JPEG).hexdigest()
    assert event.payload.submitted_at == query.created_at
    assert await door.left_behind() == {"inference.image_queries": 1, "result_store.facts": 1, "claims": 1}


async def test_what_is_not_given_comes_from_the_detector(tmp_path: Path) -> None:
    detector = make_detector(tenant=TENANT).model_copy(
        update={"confidence_threshold": 0.75, "patience_s": 12.0, "lane": "gpu"}
    )
    async with open_door(tmp_path, detector=detector) as door:
        query = (await door.ask(JPEG)).json()
        (event,) = await door.published(lane="gpu")
        assert (query["confidence_threshold"], query["patience_s"], query["expires_at"]) == (0.75, 12.0, None)
        assert (event.payload.confidence_threshold, event.payload.patience_s) == (0.75, 12.0)
        assert event.lane == "gpu"


async def test_what_is_given_is_published_and_given_back(door: Door) -> None:
    metadata = '{"b": [1.0, 12345678901234567890123, -0.0, true, null], "a": "\\u0000 \\ud83d\\ude00"}'
    response = await door.ask(
        JPEG, confidence_threshold=0, patience_s=0, expires_in_s=0.5, metadata=metadata, detector=door.detector.name
    )
    query, request = Query.model_validate_json(response.content), await door.request()
    assert (request.confidence_threshold, request.patience_s, request.metadata_json) == (0.0, 0.0, metadata)
    assert request.expires_at == request.submitted_at + timedelta(seconds=0.5) == query.expires_at
    assert query.detector_id == door.detector.id
    assert query.image is not None
    assert query.image.url == f"/v1/queries/{query.id}/image"
    given_back = json.loads(response.content)["metadata"]
    assert json.dumps(given_back) == metadata


@pytest.mark.parametrize("threshold", [0, 1, 0.5])
async def test_every_threshold_from_0_to_1_is_taken(door: Door, threshold: float) -> None:
    assert (await door.ask(JPEG, confidence_threshold=threshold)).status_code == 202


@pytest.mark.parametrize(
    ("image", "declared", "media_type"),
    [
        (make_png(), "image/png", "image/png"),
        (make_webp(), "application/octet-stream", "image/webp"),
        (JPEG, "image/*", "image/jpeg"),
        (JPEG + b"PK\x03\x04 a ZIP archive", "image/jpg; q=0.9", "image/jpeg"),
    ],
)
async def test_the_bytes_decide_what_an_image_is(door: Door, image: bytes, declared: str, media_type: str) -> None:
    assert (await door.ask(image, headers={"Content-Type": declared})).status_code == 202
    request = await door.request()
    assert (request.image.media_type, request.image.data) == (media_type, image)


async def test_an_image_without_a_declared_type_is_taken(door: Door) -> None:
    response = await door.http.post("/v1/image-queries", params={"detector": door.detector.id}, content=JPEG)
    assert response.status_code == 202


@pytest.mark.parametrize("size_bytes", [0, 3 * 1024 * 1024])
async def test_a_form_with_one_file_is_the_same_as_the_raw_body(door: Door, size_bytes: int) -> None:
    image = make_jpeg(size_bytes=size_bytes)
    response = await door.http.post(
        "/v1/image-queries",
        params={"detector": door.detector.id},
        files={"image": ("../../x.jpg", image, "image/jpeg")},
    )
    assert response.status_code == 202
    assert (await door.request()).image.sha256 == hashlib.sha256(image).hexdigest()


async def test_a_large_image_lies_in_the_store_before_it_is_published_by_reference(door: Door) -> None:
    limit = door.platform.settings.inline_image_bytes
    image = make_jpeg(size_bytes=limit + 1)
    assert (await door.ask(image)).status_code == 202
    request = await door.request()
    blob = await door.platform.store.images.get(TENANT, request.image.sha256)
    assert request.image.data is None
    assert request.image.size_bytes == limit + 1
    assert blob is not None
    assert (blob.data, blob.media_type) == (image, "image/jpeg")
    assert blob.expires_at is not None
    assert blob.expires_at - request.submitted_at >= timedelta(days=door.platform.settings.retention_days)


async def test_an_image_of_just_the_limit_travels_inside_the_message(door: Door) -> None:
    image = make_jpeg(size_bytes=door.platform.settings.inline_image_bytes)
    await door.ask(image)
    assert (await door.request()).image.data == image
    assert "blobs" not in await door.left_behind()


async def test_the_location_is_absolute_when_the_public_address_is_known(tmp_path: Path) -> None:
    async with open_door(tmp_path, public_url="https://sight.example/", anonymous_tenant=TENANT) as door:
        response = await door.ask(JPEG)
        assert response.headers["Location"] == f"https://sight.example/v1/queries/{response.json()['id']}"


async def test_a_name_that_moved_to_another_detector_leads_to_that_one(door: Door) -> None:
    first, now = door.detector, door.platform.clock.now()
    second = make_detector(first.name, tenant=TENANT, created_at=now)
    assert (await door.ask(JPEG, detector=first.name)).json()["detector_id"] == first.id
    renamed = first.model_copy(update={"revision": 2, "name": "old door", "updated_at": now})
    await door.platform.store.detectors.replace(renamed)
    await door.platform.store.detectors.insert(second)
    changed = event_of(DetectorChanged(detector_id=first.id, revision=2), source="gateway", tenant=TENANT, at=now)
    await door.platform.bus.publish([encode(changed)])

    async def moved() -> bool:
        return bool((await door.ask(JPEG, detector=first.name)).json()["detector_id"] == second.id)

    await until(moved, timeout_s=4)  # the cache by itself forgets after five seconds


async def test_only_a_token_that_may_write_is_let_in(tmp_path: Path) -> None:
    async with open_door(tmp_path, anonymous_tenant="") as door:
        settings, now = door.platform.settings, door.platform.clock.now()
        answers = {}
        for scope in ("queries:read", "queries:write"):
            token = new_token()
            record = TokenRecord(
                tenant=TENANT,
                id=key_id_of(token),
                name=scope,
                created_at=now,
                updated_at=now,
                secret_hash=hash_secret(token, pepper_of(settings)),
                scopes=(scope,),
            )
            await door.platform.store.tokens.insert(record)
            answers[scope] = await door.ask(JPEG, headers={"Authorization": f"Bearer {token}"})
        assert (await door.ask(JPEG)).status_code == 401
        assert answers["queries:read"].status_code == 403
        assert answers["queries:write"].status_code == 202
        assert len(await door.published()) == 1


async def test_a_detector_of_another_tenant_is_not_found(tmp_path: Path) -> None:
    async with open_door(tmp_path, detector=make_detector(tenant="others")) as door:
        assert (await door.ask(JPEG)).status_code == 404
        assert (await door.ask(JPEG, detector=door.detector.name)).status_code == 404


async def test_the_openapi_page_describes_the_route(door: Door) -> None:
    operation = (await door.http.get("/openapi.json")).json()["paths"]["/v1/image-queries"]["post"]
    assert {"image/jpeg", "multipart/form-data"} <= set(operation["requestBody"]["content"])
    assert {"200", "202", "404", "413", "415", "422", "503"} <= set(operation["responses"])
    assert {p["name"] for p in operation["parameters"]} == {
        "detector",
        "confidence_threshold",
        "patience_s",
        "expires_in_s",
        "metadata",
        "prefer",
        "wait",
        "wait_for",
        "Idempotency-Key",
    }
    assert all(p.get("description") for p in operation["parameters"])
    for status in ("200", "202"):
        examples = operation["responses"][status]["content"]["application/json"]["examples"]
        assert all(Query.model_validate(example["value"]) for example in examples.values())
