"""Questions in flight from programs of other versions: one made as the oldest, one as a newer minor, one unknown."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import ormsgpack

from contracts.events import PREFIX, schema_name
from contracts.ids import EVENT, new_id
from infra.drill import task
from services.kit.bus.port import Message
from tests.support import golden

TYPE = "image_query.submitted"


def oldest(query_id: str, detector_id: str, number: int, *, tenant: str) -> Message:
    """The question `number` with the fields and headers of the golden message of version 1, and no others."""
    message, body = _golden()
    data, _ = task.image(number)
    image = {**body["image"], "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data), "data": data}
    now = datetime.now(UTC)
    asked = {"query_id": query_id, "detector_id": detector_id, "image": image, "submitted_at": now}
    headers = {**message.headers, PREFIX + "id": new_id(EVENT, now), PREFIX + "time": now.isoformat()}
    headers |= {PREFIX + "tenant": tenant, PREFIX + "subject": query_id}
    headers.pop(PREFIX + "expires", None)  # it was one of 2026
    body.pop("expires_at", None)
    return _message(message, headers, {**body, **asked})


def newer(query_id: str, detector_id: str, number: int, *, tenant: str) -> Message:
    """The same from a later minor version, which may have added optional fields and attributes."""
    message = oldest(query_id, detector_id, number, tenant=tenant)
    body = ormsgpack.unpackb(message.body)
    body |= {"urgency": 3, "image": {**body["image"], "taken_by": {"camera": "gate-3"}}}
    return _message(message, {**message.headers, PREFIX + "urgency": "3"}, body)


def unknown(query_id: str, detector_id: str, number: int, *, tenant: str) -> Message:
    """The same in a version 2 that nobody here knows."""
    message = oldest(query_id, detector_id, number, tenant=tenant)
    headers = {**message.headers, PREFIX + "dataschema": schema_name(TYPE, 2)}
    return Message(
        exchange=message.exchange,
        routing_key=f"{TYPE}.v2.default",
        headers=headers,
        content_type=message.content_type,
        body=b"in a form of its own",
    )


def _golden() -> tuple[Message, dict[str, Any]]:
    message = golden.read(golden.FOLDER / "v1" / f"{TYPE}.inline.json")
    return message, ormsgpack.unpackb(message.body)


def _message(like: Message, headers: dict[str, str], body: dict[str, Any]) -> Message:
    return Message(
        exchange=like.exchange,
        routing_key=like.routing_key,
        headers=headers,
        content_type=like.content_type,
        body=ormsgpack.packb(body),
    )
