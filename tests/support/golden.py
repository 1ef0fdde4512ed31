"""Golden messages: wire bytes of every version ever shipped.

`python -m tests.support.golden` writes those that are missing (a new topic or version). It never touches one that
exists: what was once in a queue must decode for ever.
"""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

from contracts.base import Payload
from contracts.examples import EXAMPLES
from contracts.topics import BY_MODEL
from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.bus.codec import encode, event_of
from services.kit.bus.port import Message

FOLDER = Path(__file__).parents[1] / "contracts" / "golden"
_AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def read(path: Path) -> Message:
    """Return the message that a golden file holds."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Message(
        exchange=stored["exchange"],
        routing_key=stored["routing_key"],
        headers=stored["headers"],
        content_type=stored["content_type"],
        body=base64.b64decode(stored["body_base64"]),
    )


def _write(name: str, payload: Payload) -> None:
    topic = BY_MODEL[type(payload)]
    path = FOLDER / f"v{topic.version}" / f"{name}.json"
    if path.exists():
        return
    message = encode(event_of(payload, source="golden", tenant="acme", at=_AT, event_id="golden-1", expires=_AT))
    stored = {
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "headers": dict(message.headers),
        "content_type": message.content_type,
        "body_base64": base64.b64encode(message.body).decode(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write the golden messages that are missing."""
    for payload in EXAMPLES:
        _write(BY_MODEL[type(payload)].type, payload)
        if isinstance(payload, ImageQuerySubmitted):
            image = payload.image.model_copy(update={"data": b"\xff\xd8\xff\xe0 not a real image \xff\xd9"})
            _write(f"{BY_MODEL[type(payload)].type}.inline", payload.model_copy(update={"image": image}))


if __name__ == "__main__":
    main()
