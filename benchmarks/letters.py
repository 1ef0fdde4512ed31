"""What the publisher sends: a question about an image as a message of the platform's, or of the peer's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import ormsgpack

from contracts.ids import IMAGE_QUERY, new_id
from contracts.v1.image_query import Image, ImageQuerySubmitted
from services.kit.bus.codec import encode, event_of
from services.kit.bus.rabbit.topology import EXCHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message and where it goes."""

    exchange: str
    routing_key: str
    headers: Mapping[str, str]
    content_type: str
    body: bytes


def for_detector(detector_id: str, image: bytes) -> Letter:
    """Ask one of the platform's detectors."""
    now = datetime.now(UTC)
    query_id = new_id(IMAGE_QUERY, now)
    question = ImageQuerySubmitted(
        query_id=query_id,
        detector_id=detector_id,
        image=Image(sha256=sha256(image).hexdigest(), size_bytes=len(image), media_type="image/jpeg", data=image),
        submitted_at=now,
    )
    event_id = f"{query_id}.submitted"
    event = event_of(question, source="benchmark", tenant="default", at=now, subject=query_id, event_id=event_id)
    message = encode(event)
    return Letter(
        exchange=EXCHANGES[message.exchange],
        routing_key=message.routing_key,
        headers=message.headers,
        content_type=message.content_type,
        body=message.body,
    )


def for_peer(queue: str, image: bytes) -> Letter:
    """Ask the peer's task, in version 2 of Celery's message protocol."""
    task_id = new_id(IMAGE_QUERY, datetime.now(UTC))
    embedded = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return Letter(
        exchange="",
        routing_key=queue,
        headers={"lang": "py", "task": "answer", "id": task_id, "root_id": task_id, "origin": "benchmark"},
        content_type="application/x-msgpack",
        body=ormsgpack.packb(((image,), {}, embedded)),
    )


MAKERS: Mapping[str, Callable[[str, bytes], Letter]] = {"platform": for_detector, "peer": for_peer}
"""By whom is asked; each takes a detector's ID or a queue, and the image."""
