"""Events to messages and back: JSON, or MessagePack where image bytes travel inside. Never pickle, never base64."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import ormsgpack
from pydantic import ValidationError

from contracts.base import NAME_PATTERN, Payload
from contracts.events import PREFIX, SPEC_VERSION, Event, to_headers, type_and_version
from contracts.ids import EVENT, new_id
from contracts.topics import BY_MODEL, TOPICS
from services.kit.bus.port import DEVICE_USER, UNVERIFIED, Message
from services.kit.errors import Undecodable, UnknownVersion

JSON = "application/json"
MSGPACK = "application/msgpack"
MAX_BODY_BYTES = 9 * 1024 * 1024
"""An 8 MiB image and its surroundings; anything larger is not one of ours."""

PayloadT = TypeVar("PayloadT", bound=Payload)
Headers = Mapping[str, str]
_NAME = re.compile(NAME_PATTERN)


def event_of(
    payload: PayloadT,
    *,
    source: str,
    tenant: str,
    at: datetime,
    lane: str = "default",
    subject: str | None = None,
    event_id: str | None = None,
    expires: datetime | None = None,
) -> Event[PayloadT]:
    """Wrap a payload in its envelope. Give `event_id` when the same fact may be published again."""
    topic = BY_MODEL[type(payload)]
    return Event(
        id=event_id or new_id(EVENT, at),
        type=topic.type,
        version=topic.version,
        source=source,
        time=at,
        tenant=tenant,
        lane=lane,
        subject=subject,
        expires=expires,
        payload=payload,
    )


def encode(event: Event[Payload]) -> Message:
    """Return `event` as a message for the bus.

    Raises:
        Undecodable: it is larger than any reader takes.
    """
    topic = TOPICS[event.type, event.version]
    if topic.inline_bytes:
        content_type, body = MSGPACK, ormsgpack.packb(event.payload.model_dump(exclude_none=True))
    else:
        content_type, body = JSON, event.payload.model_dump_json(exclude_none=True).encode()
    if len(body) > MAX_BODY_BYTES:
        raise Undecodable("too_large", f"{topic.name} of {len(body)} bytes, at most {MAX_BODY_BYTES}")
    return Message(
        exchange=topic.exchange,
        routing_key=topic.routing_key(event.lane),
        headers=to_headers(event),
        content_type=content_type,
        body=body,
    )


def decode(message: Message) -> Event[Payload]:
    """Return the event that `message` carries.

    Raises:
        UnknownVersion: a newer version of this service may know it.
        Undecodable: nobody will ever; the code says why.
    """
    headers = message.headers
    named = type_and_version(headers)
    if named is None:
        raise Undecodable("no_type", "the headers name no message type and version")
    topic = TOPICS.get(named)
    if topic is None:
        raise UnknownVersion("unknown_version", f"{named[0]} version {named[1]} is not known here")
    if len(message.body) > MAX_BODY_BYTES:
        raise Undecodable("too_large", f"{len(message.body)} bytes, at most {MAX_BODY_BYTES}")
    if headers.get(PREFIX + "specversion") != SPEC_VERSION:
        raise Undecodable("bad_envelope", f"specversion is not {SPEC_VERSION}")
    tenant = _name(headers, "tenant")
    if not may_speak_for(message, tenant):
        raise Undecodable("wrong_tenant", f"the broker's user {message.user!r} may not send for tenant {tenant!r}")
    try:
        return Event(
            id=_text(headers, "id"),
            type=topic.type,
            version=topic.version,
            source=_text(headers, "source"),
            time=_time(headers, "time"),
            tenant=tenant,
            lane=_name(headers, "lane", "default"),
            subject=headers.get(PREFIX + "subject"),
            expires=_time(headers, "expires") if PREFIX + "expires" in headers else None,
            traceparent=headers.get(PREFIX + "traceparent"),
            payload=_payload(topic.model, message),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Undecodable("bad_payload", f"{where}: {first['msg']}") from None


def may_speak_for(message: Message, tenant: str) -> bool:
    """Say whether the sender of `message` may send for `tenant`.

    A device may for the tenant in its user name alone. Submissions that nobody vouches for are nobody's: a device
    could leave its name out. Whoever else the broker lets publish is one of our services.
    """
    if message.user.startswith(DEVICE_USER):
        return message.user.removeprefix(DEVICE_USER).partition(".")[0] == tenant
    return not (message.exchange == "in" and message.user == UNVERIFIED)


def _payload(model: type[Payload], message: Message) -> Payload:
    if message.content_type == JSON:
        return model.model_validate_json(message.body)
    if message.content_type != MSGPACK:
        raise Undecodable("bad_content_type", f"content type must be {JSON} or {MSGPACK}")
    try:
        body = ormsgpack.unpackb(message.body)
    except ormsgpack.MsgpackDecodeError as error:
        raise Undecodable("bad_payload", f"not MessagePack: {error}") from None
    return model.model_validate(body)


def _text(headers: Headers, name: str) -> str:
    value = headers.get(PREFIX + name, "")
    if not 0 < len(value) <= 256:
        raise Undecodable("bad_envelope", f"{name} is missing or too long")
    return value


def _name(headers: Headers, name: str, default: str = "") -> str:
    value = headers.get(PREFIX + name, default)
    if not _NAME.match(value):
        raise Undecodable("bad_envelope", f"{name} is missing or not a name")
    return value


def _time(headers: Headers, name: str) -> datetime:
    try:
        value = datetime.fromisoformat(_text(headers, name))
    except ValueError:
        raise Undecodable("bad_envelope", f"{name} is not a time") from None
    if value.tzinfo is None:
        raise Undecodable("bad_envelope", f"{name} has no zone")
    return value
