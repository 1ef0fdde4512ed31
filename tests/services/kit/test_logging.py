"""What a log line holds, and what it never holds."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.kit.logging import configure, redact

TOKEN = "api_" + "a" * 16 + "b" * 24


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    logging.getLogger("uvicorn.access").disabled = False


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_json_object_with_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")
    structlog.get_logger("services.x").info("thing.happened", count=3, text="zwei\nZeilen")
    (line,) = _lines(capsys)
    assert {key: line[key] for key in ("event", "level", "logger", "count", "text")} == {
        "event": "thing.happened",
        "level": "info",
        "logger": "services.x",
        "count": 3,
        "text": "zwei\nZeilen",
    }


def test_a_level_below_the_chosen_one_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")
    structlog.get_logger("services.x").debug("thing.seen", of=1)
    assert _lines(capsys) == []
    configure("DEBUG", "json")
    structlog.get_logger("services.x").debug("thing.seen", of=1)
    assert [line["event"] for line in _lines(capsys)] == ["thing.seen"]


@pytest.mark.parametrize("name", ["services.x", "some.library"])
def test_no_line_holds_a_password_or_a_token(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")
    address = "amqp://sightline:geheim@broker:5672/"
    if name == "services.x":
        structlog.get_logger(name).warning("bus.lost", parts={"bus": [address]}, token=TOKEN)
    else:
        logging.getLogger(name).warning("cannot reach %s with %s", address, TOKEN)
    logging.getLogger(name).error("it failed", exc_info=ValueError(address))
    said = capsys.readouterr().err
    assert said.count("broker:5672") == 2
    assert "geheim" not in said
    assert "b" * 24 not in said


def test_a_librarys_own_fields_are_kept_and_uvicorns_coloured_copy_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")
    logging.getLogger("uvicorn.error").info("Started %d", 7, extra={"color_message": "\x1b[36mStarted\x1b[0m", "n": 7})
    (line,) = _lines(capsys)
    assert (line["event"], line["n"]) == ("Started 7", 7)
    assert "color_message" not in line


def test_lines_for_people_have_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "console")
    structlog.get_logger("services.x").info("thing.happened", count=3)
    said = capsys.readouterr().err
    assert "thing.happened" in said
    assert "count=3" in said
    assert "{" not in said


def test_redaction_leaves_what_tells_tokens_and_places_apart() -> None:
    assert redact(f"{TOKEN} at mongodb://a:b@h/x?y=1") == f"api_{'a' * 16}... at mongodb://...@h/x?y=1"


def test_a_password_with_an_at_sign_is_left_out_whole() -> None:
    assert redact('{"bus": "amqp://a:p@ss@h/v", "by": "b@c"}') == '{"bus": "amqp://...@h/v", "by": "b@c"}'
    assert redact('{"bus":"amqp://h:5672","by":"b@c"}') == '{"bus":"amqp://h:5672","by":"b@c"}'
