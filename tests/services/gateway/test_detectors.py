"""The detectors of the control plane."""

import asyncio
from typing import Any

import pytest

from contracts.topics import CHANGES
from contracts.v1.control import DetectorChanged
from services.kit.bus.codec import decode
from tests.support.buses import take
from tests.support.documents import make_model
from tests.support.gateways import TENANT, Door, expect_problem, ids_of


async def ready_model(door: Door, name: str = "door-v1", *, status: str = "ready") -> str:
    """Store a model as it is after its check; return its ID. Its labels are NO and YES."""
    record = make_model(name, tenant=TENANT).model_copy(update={"status": status})
    await door.platform.store.models.insert(record)
    return record.id


async def test_a_binary_detector_is_created_with_its_defaults(door: Door) -> None:
    response = await door.http.post("/v1/detectors", json={"name": "Front door", "query": "Is the door open?"})
    created = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/detectors/{created['id']}"
    assert (created["mode"], created["labels"], created["model"]) == ("binary", ["NO", "YES"], None)
    assert (created["confidence_threshold"], created["patience_s"], created["lane"]) == (0.9, 30.0, "default")
    assert created["revision"] == 1
    for reference in (created["id"], "Front door"):
        assert (await door.http.get(f"/v1/detectors/{reference}")).json() == created


async def test_every_field_is_kept(door: Door) -> None:
    fields: dict[str, Any] = {
        "name": "crates ü",
        "query": "What is in it?",
        "mode": "multiclass",
        "labels": ["pear", "apple", "nothing"],
        "confidence_threshold": 0.5,
        "patience_s": 5.5,
        "lane": "gpu",
        "metadata": {"$gt": 1, "a.b": [12345678901234567890123, None, "é"], "": {}},
    }
    created = await door.detector(**fields)
    assert {name: created[name] for name in fields} == fields


async def test_binary_labels_are_no_and_yes_in_whatever_order_they_are_given(door: Door) -> None:
    assert (await door.detector("a", labels=["yes", "NO"]))["labels"] == ["NO", "YES"]


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": ["NO", "MAYBE"]},
        {"labels": ["NO", "YES", "MAYBE"]},
        {"labels": ["NO"]},
        {"mode": "multiclass"},
        {"mode": "multiclass", "labels": ["one"]},
        {"mode": "multiclass", "labels": ["one", "ONE"]},
        {"mode": "multiclass", "labels": ["one", " "]},
        {"mode": "multiclass", "labels": ["one", "unclear"]},
        {"mode": "counting"},
        {"name": ""},
        {"name": "a/b"},
        {"name": "a&b"},
        {"name": "a\x00b"},
        {"name": "a\nb"},
        {"name": "x" * 201},
        {"name": ".."},
        {"name": " door"},
        {"name": "det_" + "0" * 27},
        {"name": None},
        {"query": ""},
        {"query": "x" * 2001},
        {"confidence_threshold": 7},
        {"confidence_threshold": -0.1},
        {"patience_s": -1},
        {"lane": "No Lane"},
        {"model": ""},
        {"colour": "red"},
    ],
)
async def test_a_detector_that_cannot_be_is_refused_and_nothing_is_stored(door: Door, fields: dict[str, Any]) -> None:
    body = {"name": "door", "query": "Is the door open?"} | fields
    expect_problem(await door.http.post("/v1/detectors", json=body), "invalid_parameter")
    assert ids_of(await door.http.get("/v1/detectors")) == []


async def test_a_name_belongs_to_one_detector_at_a_time(door: Door) -> None:
    body = {"name": "door", "query": "Is the door open?"}
    responses = await asyncio.gather(*(door.http.post("/v1/detectors", json=body) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]
    expect_problem(await door.http.post("/v1/detectors", json=body), "name_taken")
    other = await door.detector("gate")
    expect_problem(await door.http.patch(f"/v1/detectors/{other['id']}", json={"name": "door"}), "name_taken")


async def test_a_deleted_detector_is_gone_by_id_and_its_name_is_free(door: Door) -> None:
    first = await door.detector("door")
    assert (await door.http.delete("/v1/detectors/door")).status_code == 204
    for method in ("GET", "DELETE"):
        expect_problem(await door.http.request(method, f"/v1/detectors/{first['id']}"), "detector_gone")
        expect_problem(await door.http.request(method, "/v1/detectors/door"), "detector_not_found")
    expect_problem(await door.http.patch(f"/v1/detectors/{first['id']}", json={}), "detector_gone")
    assert (await door.detector("door"))["id"] != first["id"]


@pytest.mark.parametrize("reference", ["nobody", "det_" + "0" * 27, "%00", "..%2fx", "a" * 10_000, "det_%0a"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_detector_is_not_found(door: Door, method: str, reference: str) -> None:
    response = await door.http.request(method, f"/v1/detectors/{reference}", json={} if method == "PATCH" else None)
    assert response.status_code == 404
    assert response.json()["code"] in {"detector_not_found", "not_found"}


async def test_a_change_touches_only_the_fields_that_are_sent(door: Door) -> None:
    created = await door.detector("door", patience_s=5, metadata={"a": 1})
    response = await door.http.patch("/v1/detectors/door", json={"query": "Is it shut?", "confidence_threshold": 0.5})
    changed = response.json()
    assert response.status_code == 200
    assert changed == created | {
        "query": "Is it shut?",
        "confidence_threshold": 0.5,
        "revision": 2,
        "updated_at": changed["updated_at"],
    }
    assert (await door.http.patch("/v1/detectors/door", json={})).json() == changed
    renamed = await door.http.patch("/v1/detectors/door", json={"name": "gate", "metadata": None})
    assert (renamed.json()["name"], renamed.json()["metadata"], renamed.json()["revision"]) == ("gate", None, 3)
    expect_problem(await door.http.get("/v1/detectors/door"), "detector_not_found")


@pytest.mark.parametrize(
    "body",
    [{"name": None}, {"query": None}, {"patience_s": None}, {"lane": None}, {"labels": ["a", "b"]}, {"name": "a/b"},
     {"name": ".."}, {"confidence_threshold": 2}],
)  # fmt: skip
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(door: Door, body: dict[str, Any]) -> None:
    created = await door.detector("door")
    expect_problem(await door.http.patch("/v1/detectors/door", json=body), "invalid_parameter")
    assert (await door.http.get("/v1/detectors/door")).json() == created


async def test_changes_at_once_to_different_fields_are_all_kept(door: Door) -> None:
    await door.detector("door")
    bodies: list[dict[str, Any]] = [
        {"query": "Is it shut?"},
        {"confidence_threshold": 0.25},
        {"patience_s": 7},
        {"lane": "gpu"},
        {"metadata": {"a": 1}},
        {"name": "gate"},
    ]
    detector_id = (await door.http.get("/v1/detectors/door")).json()["id"]
    responses = await asyncio.gather(*(door.http.patch(f"/v1/detectors/{detector_id}", json=body) for body in bodies))
    assert [response.status_code for response in responses] == [200] * len(bodies)
    final = (await door.http.get("/v1/detectors/gate")).json()
    for body in bodies:
        assert body.items() <= final.items()
    assert final["revision"] == 1 + len(bodies)


async def test_a_model_is_bound_by_name_or_id_and_unbound_by_null(door: Door) -> None:
    model_id = await ready_model(door, "door-v1")
    created = await door.detector("door", model="door-v1")
    assert (created["model"], created["model_id"]) == ("door-v1", model_id)
    unbound = await door.http.patch("/v1/detectors/door", json={"model": None})
    assert (unbound.json()["model"], unbound.json()["model_id"]) == (None, None)
    bound = await door.http.patch("/v1/detectors/door", json={"model": model_id})
    assert bound.json()["model"] == "door-v1"
    listed = (await door.http.get("/v1/detectors")).json()["items"]
    assert [item["model"] for item in listed] == ["door-v1"]


async def test_only_a_ready_model_with_the_same_labels_can_be_bound(door: Door) -> None:
    await ready_model(door, "checked")
    await ready_model(door, "unchecked", status="checking")
    await door.detector("door")
    await door.detector("crates", mode="multiclass", labels=["apple", "pear"])
    await door.detector("turned", mode="multiclass", labels=["YES", "NO"])
    for detector, model, code in [
        ("door", "nobody", "model_not_found"),
        ("door", "mdl_" + "0" * 27, "model_not_found"),
        ("door", "unchecked", "model_not_ready"),
        ("crates", "checked", "labels_mismatch"),
    ]:
        expect_problem(await door.http.patch(f"/v1/detectors/{detector}", json={"model": model}), code)
        body = {"name": "new", "query": "?", "mode": "multiclass", "labels": ["a", "b"], "model": model}
        refused = await door.http.post("/v1/detectors", json=body)
        assert refused.json()["code"] in {code, "labels_mismatch"}
    assert (await door.http.patch("/v1/detectors/turned", json={"model": "checked"})).status_code == 200
    assert len(ids_of(await door.http.get("/v1/detectors"))) == 3


async def test_detectors_are_listed_in_pages_newest_first(door: Door) -> None:
    created = [(await door.detector(f"door {number}"))["id"] for number in range(5)]
    first = await door.http.get("/v1/detectors?limit=3")
    second = await door.http.get("/v1/detectors", params={"limit": 3, "cursor": first.json()["next_cursor"]})
    assert [*ids_of(first), *ids_of(second)] == created[::-1]
    assert second.json()["next_cursor"] is None
    for bad in ("limit=0", "limit=201", "cursor=x", "sort=name"):
        expect_problem(await door.http.get(f"/v1/detectors?{bad}"), "invalid_parameter")


async def test_every_change_is_told_to_the_caches(door: Door) -> None:
    subscription = await door.platform.bus.subscribe(CHANGES)
    detector = await door.detector("door")
    await door.http.patch("/v1/detectors/door", json={"patience_s": 1})
    await door.http.delete("/v1/detectors/door")
    heard = [decode(delivery.message).payload for delivery in await take(subscription, 3)]
    await subscription.close()
    assert heard == [DetectorChanged(detector_id=detector["id"], revision=revision) for revision in (1, 2, 3)]
