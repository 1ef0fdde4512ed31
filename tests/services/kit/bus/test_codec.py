"""The codec: what comes back is what went in, and what cannot be read is said with a stable code."""

from dataclasses import replace
from datetime import UTC, datetime

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.examples import EXAMPLES
from contracts.topics import Exchange
from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.bus.codec import JSON, MAX_BODY_BYTES, MSGPACK, decode, encode, event_of
from services.kit.bus.port import UNVERIFIED, Message
from services.kit.errors import Undecodable, UnknownVersion

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
QUESTION = next(e for e in EXAMPLES if isinstance(e, ImageQuerySubmitted))


def question(**headers: str) -> Message:
    message = encode(event_of(QUESTION, source="test", tenant="acme", at=AT, subject=QUESTION.query_id, expires=AT))
    return replace(message, headers={**message.headers, **headers})


@pytest.mark.parametrize("payload", EXAMPLES, ids=lambda payload: type(payload).__name__)
def test_an_event_comes_back_as_it_was(payload: ImageQuerySubmitted) -> None:
    event = event_of(payload, source="test", tenant="acme", at=AT, lane="gpu", subject="s", expires=AT)
    message = encode(event)
    assert decode(message) == event
    assert message.routing_key == f"{event.type}.v1.gpu"
    assert message.headers["cloudEvents_specversion"] == "1.0"


def test_image_bytes_travel_as_bytes() -> None:
    data = bytes(range(256)) * 10
    image = QUESTION.image.model_copy(update={"data": data})
    message = encode(event_of(QUESTION.model_copy(update={"image": image}), source="test", tenant="acme", at=AT))
    assert message.content_type == MSGPACK
    assert data in message.body
    back = decode(message).payload
    assert isinstance(back, ImageQuerySubmitted)
    assert back.image.data == data


def test_a_device_may_send_a_reference_as_json() -> None:
    body = QUESTION.model_dump_json().encode()
    assert decode(replace(question(), content_type=JSON, body=body)).payload == QUESTION


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"body": b""}, "bad_payload"),
        ({"body": b"\xc1\xff\x00"}, "bad_payload"),
        ({"body": ormsgpack.packb([1, 2])}, "bad_payload"),
        ({"body": ormsgpack.packb(None)}, "bad_payload"),
        ({"body": ormsgpack.packb({"query_id": QUESTION.query_id})}, "bad_payload"),
        ({"body": b"{}", "content_type": JSON}, "bad_payload"),
        ({"body": b"[" * 100_000, "content_type": JSON}, "bad_payload"),
        ({"content_type": "text/plain"}, "bad_content_type"),
        ({"body": b"\0" * (MAX_BODY_BYTES + 1)}, "too_large"),
        ({"headers": {}}, "no_type"),
    ],
)
def test_what_cannot_be_read_has_a_code(change: dict[str, object], code: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(replace(question(), **change))  # type: ignore[arg-type]
    assert caught.value.code == code
    assert not isinstance(caught.value, UnknownVersion)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tenant", ""),
        ("tenant", "a/b"),
        ("tenant", "x" * 100),
        ("lane", "no lane"),
        ("time", "yesterday"),
        ("time", "2026-11-20T10:00:00"),
        ("expires", "soon"),
        ("id", ""),
        ("source", "s" * 300),
        ("specversion", "0.3"),
    ],
)
def test_a_bad_envelope_is_refused(name: str, value: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(question(**{f"cloudEvents_{name}": value}))
    assert caught.value.code == "bad_envelope"


@pytest.mark.parametrize(
    "schema",
    ["urn:sightline:contract:image_query.submitted:v9", "urn:sightline:contract:image_query.submitted:v999999"],
)
def test_a_version_that_nobody_knows_yet_is_its_own_error(schema: str) -> None:
    with pytest.raises(UnknownVersion):
        decode(question(cloudEvents_dataschema=schema))


@pytest.mark.parametrize(
    ("user", "exchange", "taken"),
    [
        ("", "in", True),
        ("sightline-submitter", "in", True),
        ("device.acme.gate-3", "in", True),
        ("device.acme", "in", True),
        ("device.other.gate-3", "in", False),
        ("device.acme-2.gate-3", "in", False),
        ("device.", "in", False),
        (UNVERIFIED, "in", False),
        (UNVERIFIED, "facts", True),
    ],
)
def test_a_device_speaks_for_its_own_tenant_alone(user: str, exchange: Exchange, taken: bool) -> None:  # noqa: FBT001
    message = replace(question(), user=user, exchange=exchange)
    if taken:
        assert decode(message).tenant == "acme"
        return
    with pytest.raises(Undecodable) as caught:
        decode(message)
    assert caught.value.code == "wrong_tenant"


def test_errors_do_not_echo_the_payload() -> None:
    body = ormsgpack.packb({"query_id": "a secret of the caller"})
    with pytest.raises(Undecodable) as caught:
        decode(replace(question(), body=body))
    assert "secret" not in str(caught.value)


@given(st.binary(max_size=200), st.sampled_from([JSON, MSGPACK]))
def test_random_bytes_never_crash(body: bytes, content_type: str) -> None:
    with pytest.raises(Undecodable):
        decode(replace(question(), body=body, content_type=content_type))
