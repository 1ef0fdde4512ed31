"""Which model a new detector gets by itself, and which it may be given."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.http.models import Manifest
from services.gateway.service import create as create_gateway
from services.kit.runtime import running
from services.kit.settings import load
from tests.support.documents import make_model
from tests.support.gateways import TENANT, Door, client_of, expect_problem

RULES = "binary:gate*=missing,binary:gate*=fruit,binary:gate*=door,*:gate of fruit=fruit,count:*=cars,text:*=plates"
INPUT = {"width": 8, "height": 8}
MANIFESTS: dict[str, Any] = {
    "door": {"input": INPUT, "output": {"labels": ["NO", "YES"]}},
    "fruit": {"input": INPUT, "output": {"labels": ["apple", "pear"]}},
    "cars": {"task": "detection", "input": INPUT, "output": {"labels": ["car", "bus"], "activation": "none"}},
    "plates": {"task": "text", "input": INPUT, "output": {"characters": "AB12"}},
}


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    settings = load({}, data=tmp_path, bus="memory://", default_models=RULES)
    async with running(settings, [create_gateway]) as app, client_of(app) as http:
        door = Door(app, http)
        for name, manifest in MANIFESTS.items():
            ready = {"status": "ready", "manifest": Manifest.model_validate(manifest)}
            await door.platform.store.models.insert(make_model(name, tenant=TENANT).model_copy(update=ready))
        yield door


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"name": "gate 1"}, "door"),  # the rules before it name a model that is not there and one that does not fit
        ({"name": "Gate 1"}, None),
        ({"name": "gate 1", "model": None}, None),
        ({"name": "gate 1", "model": "door"}, "door"),
        ({"name": "gate of fruit", "mode": "multiclass", "labels": ["pear", "apple"]}, "fruit"),
        ({"name": "gate of wood", "mode": "multiclass", "labels": ["pear", "apple"]}, None),
        ({"name": "yard", "mode": "count", "class_name": "Bus"}, "cars"),
        ({"name": "yard", "mode": "count", "class_name": "dog"}, None),
        ({"name": "yard", "mode": "bounding_box", "class_name": "car"}, None),
        ({"name": "yard", "mode": "text"}, "plates"),
    ],
)
async def test_the_first_default_that_matches_and_fits_is_bound(
    door: Door, fields: dict[str, Any], model: str | None
) -> None:
    assert (await door.detector(**fields))["model"] == model


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({}, "cars"),
        ({}, "plates"),
        ({"mode": "count", "class_name": "dog"}, "cars"),
        ({"mode": "count", "class_name": "car"}, "door"),
        ({"mode": "text"}, "door"),
        ({"mode": "multiclass", "labels": ["apple", "plum"]}, "fruit"),
    ],
)
async def test_a_model_with_other_answers_is_refused(door: Door, fields: dict[str, Any], model: str) -> None:
    body = {"name": "one", "query": "?", "model": model} | fields
    expect_problem(await door.http.post("/v1/detectors", json=body), "labels_mismatch")


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "count"},
        {"mode": "binary", "class_name": "car"},
        {"mode": "text", "labels": ["a", "b"]},
        {"mode": "text", "max_objects": 3},
        {"mode": "count", "class_name": "car", "max_characters": 3},
    ],
)
async def test_fields_that_have_no_meaning_in_a_mode_are_refused(door: Door, fields: dict[str, Any]) -> None:
    expect_problem(
        await door.http.post("/v1/detectors", json={"name": "one", "query": "?"} | fields), "invalid_parameter"
    )
