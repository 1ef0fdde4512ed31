"""The contracts: table, schemas, examples, golden messages and the rules of change agree with each other."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts import generate
from contracts.compatibility import breaking_changes
from contracts.examples import EXAMPLES
from contracts.http.problems import PROBLEMS
from contracts.ids import id_time, is_id, new_id
from contracts.topics import BY_MODEL, QUEUES, TOPICS
from services.kit.bus.codec import decode
from tests.support import golden

GOLDEN = sorted(golden.FOLDER.glob("v*/*.json"))


def test_every_topic_has_an_example_that_meets_its_schema() -> None:
    schemas = generate.schemas()
    examples = generate.examples()
    assert examples.keys() == schemas.keys() == {topic.name for topic in TOPICS.values()}
    for name, example in examples.items():
        jsonschema.validate(example, schemas[name])


def test_examples_survive_a_round_trip() -> None:
    for example in EXAMPLES:
        assert type(example).model_validate_json(example.model_dump_json()) == example


def test_every_topic_has_a_golden_message() -> None:
    golden_types = {(path.parent.name, path.stem.removesuffix(".inline")) for path in GOLDEN}
    assert golden_types == {(f"v{topic.version}", topic.type) for topic in TOPICS.values()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_messages_decode(path: Path) -> None:
    event = decode(golden.read(path))
    assert event.type == path.stem.removesuffix(".inline")
    assert event.tenant == "acme"
    expected = next(e for e in EXAMPLES if BY_MODEL[type(e)].type == event.type)
    got = event.payload.model_dump(mode="json", exclude={"image": {"data"}})
    assert got == expected.model_dump(mode="json", exclude={"image": {"data"}})


def test_the_generated_files_are_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def _remove_field(schema: dict[str, Any]) -> None:
    del schema["properties"]["detail"]


def _require_field(schema: dict[str, Any]) -> None:
    schema["required"] = [*schema["required"], "detail"]


def _relax_field(schema: dict[str, Any]) -> None:
    schema["required"] = [name for name in schema["required"] if name != "reason"]


def _retype_field(schema: dict[str, Any]) -> None:
    schema["properties"]["attempts"]["type"] = "string"


def _tighten_pattern(schema: dict[str, Any]) -> None:
    schema["properties"]["reason"]["pattern"] = "^x$"


def _lower_maximum(schema: dict[str, Any]) -> None:
    schema["properties"]["detail"]["maxLength"] = 10


@pytest.mark.parametrize(
    "mutate", [_remove_field, _require_field, _relax_field, _retype_field, _tighten_pattern, _lower_maximum]
)
def test_a_breaking_change_fails_the_check(mutate: Callable[[dict[str, Any]], None]) -> None:
    contracts = generate.schemas()
    assert list(generate.broken(contracts)) == []
    mutate(contracts["query.failed.v1"])
    assert [line for line in generate.broken(contracts) if line.startswith("query.failed.v1")]


def test_a_removed_version_fails_the_check() -> None:
    contracts = generate.schemas()
    del contracts["label.added.v1"]
    assert list(generate.broken(contracts)) == ["label.added.v1: was removed; messages of it may still wait in a queue"]


def test_an_optional_addition_is_allowed() -> None:
    old = generate.schemas()["query.failed.v1"]
    new = copy.deepcopy(old)
    new["properties"]["colour"] = {"type": "string", "default": ""}
    assert breaking_changes(old, new) == []


def test_readers_ignore_fields_they_do_not_know() -> None:
    for example in EXAMPLES:
        data = json.loads(example.model_dump_json()) | {"added_later": 1}
        assert type(example).model_validate_json(json.dumps(data)) == example


def test_the_asyncapi_document_resolves_and_names_every_message() -> None:
    text = (generate.FOLDER / "asyncapi.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert document["asyncapi"].startswith("3.")
    assert document["components"]["messages"].keys() == {topic.name for topic in TOPICS.values()}

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return found + [ref for item in value.values() for ref in references(item)]
        return [ref for item in value for ref in references(item)] if isinstance(value, list) else []

    for reference in references(document):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert isinstance(target, dict)


def test_queues_belong_to_the_table() -> None:
    for topic in TOPICS.values():
        assert topic.exchange == ("in" if "device" in topic.producers else "facts")
        for queue in topic.queues:
            assert QUEUES[queue.name] is queue


def test_ids_sort_by_time_and_tell_it() -> None:
    start = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    times = [start + timedelta(milliseconds=step) for step in range(0, 100_000, 997)]
    ids = [new_id("iq", at) for at in times]
    assert ids == sorted(ids)
    assert [id_time(text) for text in ids] == times
    assert len(set(ids)) == len(ids)
    assert all(len(text) == 30 and is_id(text, "iq") and not is_id(text, "det") for text in ids)


@pytest.mark.parametrize(
    "text", ["", "iq_", "iq_" + "z" * 27, "iq_" + "0" * 26, "iq_" + "0" * 28, "iq_" + "é" * 27, "0" * 30]
)
def test_what_is_not_an_id_is_none(text: str) -> None:
    assert id_time(text) is None
    assert not is_id(text, "iq")


def test_problem_codes_are_client_or_availability_errors() -> None:
    assert all(400 <= kind.status < 600 and kind.title for kind in PROBLEMS.values())
