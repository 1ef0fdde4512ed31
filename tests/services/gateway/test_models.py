"""Models: upload up to the verdict of the check, which the test gives in place of the inference service."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from contracts.topics import CHANGES, MODEL_CHECKS
from contracts.v1.control import ModelChanged, ModelChecked, ModelSubmitted
from services.gateway.service import create as create_gateway
from services.kit.bus.codec import decode
from services.kit.bus.port import Subscription
from services.kit.runtime import running
from services.kit.settings import load
from services.result_store.service import create as create_result_store
from tests.support.buses import take
from tests.support.gateways import TENANT, Door, client_of, expect_problem, ids_of

FILE = b"\x08\x08 not an ONNX graph, but this door does not look inside " + bytes(range(256)) * 8192
DIGEST = hashlib.sha256(FILE).hexdigest()
MANIFEST: dict[str, Any] = {"input": {"width": 8, "height": 6}, "output": {"labels": ["NO", "YES"]}}


async def upload(door: Door, name: str = "door", file: bytes = FILE, **fields: Any) -> httpx2.Response:
    """Upload a model; `manifest` may be anything."""
    manifest = fields.pop("manifest", MANIFEST)
    text = manifest if isinstance(manifest, str | bytes) else json.dumps(manifest)
    return await door.http.post(
        "/v1/models",
        files={"model": ("../../etc/passwd", file, "application/octet-stream")},
        data={"name": name, "manifest": text, **fields},
    )


async def check(door: Door, subscription: Subscription, **verdict: Any) -> ModelSubmitted:
    """Take one model from the queue of checks and give the verdict on it."""
    (delivery,) = await take(subscription, 1)
    submitted = decode(delivery.message).payload
    assert isinstance(submitted, ModelSubmitted)
    fields: dict[str, Any] = {"accepted": True, "checked_at": door.platform.clock.now()} | verdict
    await door.publish(ModelChecked(model_id=submitted.model_id, digest=submitted.digest, **fields))
    await subscription.ack([delivery])
    return submitted


async def ready(door: Door, name: str = "door", file: bytes = FILE) -> dict[str, Any]:
    """Upload a model and accept it."""
    subscription = await door.platform.bus.subscribe(MODEL_CHECKS)
    response, _ = await asyncio.gather(upload(door, name, file), check(door, subscription))
    await subscription.close()
    assert response.status_code == 201, response.text
    model: dict[str, Any] = response.json()
    return model


async def test_an_accepted_model_is_created_and_its_file_stored_as_it_came(door: Door) -> None:
    subscription = await door.platform.bus.subscribe(MODEL_CHECKS)
    response, submitted = await asyncio.gather(upload(door, description="the door"), check(door, subscription))
    await subscription.close()
    model = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/models/{model['id']}"
    assert (model["name"], model["status"], model["description"]) == ("door", "ready", "the door")
    assert (model["digest"], model["size_bytes"]) == (DIGEST, len(FILE))
    output = model["manifest"]["output"]
    assert (output["name"], output["labels"], output["activation"]) == (None, ["NO", "YES"], "softmax")
    assert (submitted.model_id, submitted.digest) == (model["id"], DIGEST)
    blob = await door.platform.store.model_files.get(TENANT, DIGEST)
    assert blob is not None
    assert (blob.data, blob.expires_at) == (FILE, None)
    for reference in ("door", model["id"]):
        assert (await door.http.get(f"/v1/models/{reference}")).json() == model


async def test_a_rejected_model_says_why_and_keeps_no_name(door: Door) -> None:
    subscription = await door.platform.bus.subscribe(MODEL_CHECKS)
    verdict = {"accepted": False, "reason": "wrong_shape", "detail": "the output has 3 classes, the manifest 2"}
    response, submitted = await asyncio.gather(upload(door), check(door, subscription, **verdict))
    detail = expect_problem(response, "model_rejected")
    assert detail == "wrong_shape: the output has 3 classes, the manifest 2"
    kept = (await door.http.get(f"/v1/models/{submitted.model_id}")).json()
    assert (kept["status"], kept["reason"]) == ("rejected", "wrong_shape")
    again, resubmitted = await asyncio.gather(upload(door), check(door, subscription))
    await subscription.close()
    assert again.status_code == 201
    assert resubmitted.model_id != submitted.model_id


async def test_without_a_verdict_the_model_is_accepted_for_checking(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path, bus="memory://", model_check_s=0.1)
    async with running(settings, [create_gateway]) as app, client_of(app) as http:
        response = await upload(Door(app, http))
        assert (response.status_code, response.json()["status"]) == (202, "checking")
        assert response.headers["location"] == f"/v1/models/{response.json()['id']}"


async def test_the_same_upload_again_is_the_same_model(door: Door) -> None:
    model = await ready(door)
    again = await upload(door)
    assert (again.status_code, again.json()) == (200, model)
    assert ids_of(await door.http.get("/v1/models")) == [model["id"]]


async def test_an_upload_repeated_while_it_is_checked_waits_for_the_same_verdict(door: Door) -> None:
    subscription = await door.platform.bus.subscribe(MODEL_CHECKS)
    uploads = [asyncio.create_task(upload(door)) for _ in range(3)]
    deliveries = await take(subscription, 3)  # all three are past the name and wait
    events = [decode(delivery.message) for delivery in deliveries]
    assert len({event.id for event in events}) == 1
    submitted = events[0].payload
    assert isinstance(submitted, ModelSubmitted)
    checked_at = door.platform.clock.now()
    await door.publish(ModelChecked(model_id=submitted.model_id, digest=DIGEST, accepted=True, checked_at=checked_at))
    responses = await asyncio.gather(*uploads)
    await subscription.close()
    assert sorted(response.status_code for response in responses) == [200, 200, 201]
    assert {response.json()["id"] for response in responses} == {submitted.model_id}


async def test_a_name_belongs_to_one_file_and_manifest(door: Door) -> None:
    await ready(door)
    expect_problem(await upload(door, file=b"another"), "name_taken")
    other_manifest = MANIFEST | {"input": {"width": 9, "height": 6}}
    expect_problem(await upload(door, manifest=other_manifest), "name_taken")


@pytest.mark.parametrize(
    ("manifest", "where"),
    [
        ("", "EOF"),
        ("not json", "JSON"),
        ("[]", "object"),
        ("null", "object"),
        ('{"input": {"width": 8, "height": 6}}', "output"),
        (MANIFEST | {"input": {"width": 0, "height": 6}}, "input.width"),
        (MANIFEST | {"input": {"width": 8, "height": 6, "color": "cmyk"}}, "input.color"),
        (MANIFEST | {"input": {"width": 8, "height": 6, "mean": [0.5]}}, "mean needs 3 numbers"),
        (MANIFEST | {"input": {"width": 8, "height": 6, "std": [0, 1, 1]}}, "std must be above 0"),
        ('{"input": {"width": 8, "height": 6, "mean": [NaN, 0, 0]}, "output": {"labels": ["a", "b"]}}', "mean"),
        ('{"input": {"width": 8, "height": 6, "std": [1e999, 1, 1]}, "output": {"labels": ["a", "b"]}}', "std"),
        (MANIFEST | {"output": {"labels": ["NO"]}}, "output.labels"),
        (MANIFEST | {"output": {"labels": ["NO", "NO"]}}, "labels must differ"),
        (MANIFEST | {"task": "segmentation"}, "task"),
        (MANIFEST | {"task": "detection"}, "output.activation: detection takes none or sigmoid"),
        (MANIFEST | {"task": "text"}, "output: a text model has characters, and no labels"),
        (MANIFEST | {"output": MANIFEST["output"] | {"boxes": "centre"}}, "output.boxes: it has no effect"),
        (MANIFEST | {"inptu": {}}, "inptu"),
        ('{"output": {"labels": ["\\ud800", "b"]}}', "hex escape"),
        ('{"a":' * 100_000, "recursion"),
        (b"\xff\xfe{}", "JSON"),
    ],
)
async def test_a_manifest_that_cannot_be_is_refused_with_the_place(door: Door, manifest: Any, where: str) -> None:
    detail = expect_problem(await upload(door, manifest=manifest), "manifest_invalid")
    assert where in detail
    assert ids_of(await door.http.get("/v1/models")) == []


async def test_the_manifest_may_come_as_a_file(door: Door) -> None:
    subscription = await door.platform.bus.subscribe(MODEL_CHECKS)
    request = door.http.post(
        "/v1/models",
        files={"model": ("m", FILE), "manifest": ("m.json", json.dumps(MANIFEST), "application/json")},
        data={"name": "door"},
    )
    response, _ = await asyncio.gather(request, check(door, subscription))
    await subscription.close()
    assert response.status_code == 201
    broken = await door.http.post(
        "/v1/models", files={"model": ("m", FILE), "manifest": ("m", b"\xff\xff")}, data={"name": "other"}
    )
    expect_problem(broken, "manifest_invalid")


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "a/b", "x" * 101, "mdl_" + "0" * 27, "é"])
async def test_a_name_that_cannot_be_is_refused(door: Door, name: str) -> None:
    expect_problem(await upload(door, name=name), "invalid_parameter")


async def test_an_empty_file_is_rejected(door: Door) -> None:
    expect_problem(await upload(door, file=b""), "model_rejected")


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"model": ("m", b"x")},
        {"model": ("m", b"x"), "name": (None, "a")},
        {"model": (None, "x"), "name": (None, "a"), "manifest": (None, json.dumps(MANIFEST))},
        {"model": ("m", b"x"), "name": ("n", b"a"), "manifest": (None, json.dumps(MANIFEST))},
        {"model": ("m", b"x"), "name": (None, "a"), "manifest": (None, json.dumps(MANIFEST)), "lane": (None, "x")},
    ],
)
async def test_an_upload_with_the_wrong_parts_is_refused(door: Door, parts: dict[str, Any]) -> None:
    parts = parts or {"other": (None, "x")}
    expect_problem(await door.http.post("/v1/models", files=parts), "invalid_parameter")


async def test_many_parts_are_not_read(door: Door) -> None:
    files = [("model", ("m", b"x")) for _ in range(1001)]
    assert expect_problem(await door.http.post("/v1/models", files=files), "bad_request")


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b"{}", "media_type"),
        ("", b"x", "media_type"),
        ("application/x-www-form-urlencoded", b"name=a", "media_type"),
        ("multipart/form-data", b"x", "bad_request"),
        ("multipart/form-data; boundary=b", b"garbage", "bad_request"),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
            "bad_request",
        ),
        ("multipart/form-data; boundary=b", b"--b--\r\n", "invalid_parameter"),
    ],
)
async def test_a_body_that_is_no_upload_is_refused(door: Door, content_type: str, body: bytes, code: str) -> None:
    response = await door.http.post("/v1/models", content=body, headers={"Content-Type": content_type})
    expect_problem(response, code)


async def test_an_upload_that_ends_early_is_refused_and_nothing_is_stored(door: Door) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = await door.http.post("/v1/models", content=head + FILE, headers=headers)
    assert response.json()["code"] in {"invalid_parameter", "bad_request"}
    assert ids_of(await door.http.get("/v1/models")) == []


async def test_fields_in_a_strange_charset_are_refused(door: Door) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    body = part % (b"model", b'; filename="m"', b"x")
    for strange in (b"+2AA-", b"\xff\xfe"):
        fields = part % (b"name", b"", strange) + part % (b"manifest", b"", b'{"a": "' + strange + b'"}') + b"--b--\r\n"
        for charset in ("utf-7", "utf-16", "nonsense"):
            headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
            response = await door.http.post("/v1/models", content=body + fields, headers=headers)
            assert response.json()["code"] in {"invalid_parameter", "manifest_invalid", "bad_request"}
        fields = part % (b"name", b"", b"door") + part % (b"manifest", b"", b'{"a": "' + strange + b'"}') + b"--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b; charset=utf-7"}
        expect_problem(await door.http.post("/v1/models", content=body + fields, headers=headers), "manifest_invalid")


async def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path, bus="memory://", model_max_bytes=len(FILE) - 1)
    async with running(settings, [create_gateway]) as app, client_of(app) as http:
        door = Door(app, http)
        detail = expect_problem(await upload(door), "body_too_large")
        assert str(len(FILE) - 1) in detail
        expect_problem(await upload(door, file=FILE * 3), "body_too_large")
        assert ids_of(await http.get("/v1/models")) == []


async def test_a_model_is_renamed_and_described(door: Door) -> None:
    model = await ready(door)
    response = await door.http.patch("/v1/models/door", json={"name": "door-v2", "description": "sharper"})
    changed = response.json()
    assert (changed["name"], changed["description"], changed["revision"]) == ("door-v2", "sharper", 3)
    assert (changed["id"], changed["digest"]) == (model["id"], model["digest"])
    expect_problem(await door.http.get("/v1/models/door"), "model_not_found")
    await ready(door, "other", b"another")
    expect_problem(await door.http.patch("/v1/models/other", json={"name": "door-v2"}), "name_taken")
    for body in ({"name": None}, {"name": "a b"}, {"digest": "x"}, {"name": "mdl_" + "0" * 27}):
        expect_problem(await door.http.patch("/v1/models/other", json=body), "invalid_parameter")


async def test_a_model_in_use_is_not_deleted(door: Door) -> None:
    model = await ready(door)
    await door.detector("door", model="door")
    expect_problem(await door.http.delete("/v1/models/door"), "model_in_use")
    await door.http.patch("/v1/detectors/door", json={"model": None})
    assert (await door.http.delete("/v1/models/door")).status_code == 204
    for reference in ("door", model["id"]):
        for method in ("GET", "DELETE", "PATCH"):
            response = await door.http.request(method, f"/v1/models/{reference}", json={})
            expect_problem(response, "model_not_found")
    assert await door.platform.store.model_files.get(TENANT, DIGEST) is None


async def test_a_file_that_another_model_uses_survives_the_deletion(door: Door) -> None:
    await ready(door, "one")
    await ready(door, "two")
    await door.http.delete("/v1/models/one")
    assert await door.platform.store.model_files.get(TENANT, DIGEST) is not None
    await door.http.delete("/v1/models/two")
    assert await door.platform.store.model_files.get(TENANT, DIGEST) is None


async def test_a_model_deleted_while_it_is_checked_is_said_so(door: Door) -> None:
    subscription = await door.platform.bus.subscribe(MODEL_CHECKS)
    uploading = asyncio.create_task(upload(door))
    await take(subscription, 1)
    assert (await door.http.delete("/v1/models/door")).status_code == 204
    expect_problem(await uploading, "model_not_found")
    await subscription.close()


async def test_models_are_listed_in_pages_newest_first(door: Door) -> None:
    models = [await ready(door, f"model-{number}") for number in range(3)]
    first = await door.http.get("/v1/models?limit=2")
    second = await door.http.get("/v1/models", params={"cursor": first.json()["next_cursor"]})
    assert [*ids_of(first), *ids_of(second)] == [model["id"] for model in models[::-1]]
    expect_problem(await door.http.get("/v1/models?cursor=x"), "invalid_parameter")


async def test_every_change_of_a_model_is_told_to_the_caches(door: Door) -> None:
    model = await ready(door)
    subscription = await door.platform.bus.subscribe(CHANGES)
    await door.http.patch("/v1/models/door", json={"description": "sharper"})
    await door.http.delete("/v1/models/door")
    heard = [decode(delivery.message).payload for delivery in await take(subscription, 2)]
    await subscription.close()
    assert heard == [ModelChanged(model_id=model["id"], revision=revision) for revision in (3, 4)]


async def test_an_upload_cut_short_by_a_crash_is_finished_by_sending_it_again(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path, bus="memory://", model_check_s=0.1)
    async with running(settings, [create_gateway]) as app, client_of(app) as http:
        door = Door(app, http)
        accepted = await upload(door)
        assert accepted.status_code == 202
        await app.state.platform.store.model_files.delete(TENANT, DIGEST)
    # The bus was in memory: the request to check is lost as well.
    settings = load({}, data=tmp_path, bus="memory://")
    async with running(settings, [create_result_store, create_gateway]) as app, client_of(app) as http:
        door = Door(app, http)
        subscription = await app.state.platform.bus.subscribe(MODEL_CHECKS)
        response, _ = await asyncio.gather(upload(door), check(door, subscription))
        await subscription.close()
        assert (response.status_code, response.json()["id"]) == (200, accepted.json()["id"])
        assert await app.state.platform.store.model_files.get(TENANT, DIGEST) is not None
