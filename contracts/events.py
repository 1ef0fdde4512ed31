"""The envelope: CloudEvents 1.0 attributes in binary mode, as message headers.

Source: CloudEvents 1.0.2 and its AMQP protocol binding (header prefix `cloudEvents_`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from contracts.base import Payload

PayloadT_co = TypeVar("PayloadT_co", bound=Payload, covariant=True)

PREFIX = "cloudEvents_"
SPEC_VERSION = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[PayloadT_co]):
    """One message, decoded.

    `id` is the fact's identity: the same fact published again has the same id. `subject` is the query that it is
    about, None for a batch. `expires` sheds the fact itself: a consumer drops it when it was produced later.
    """

    id: str
    type: str
    version: int
    source: str
    time: datetime
    tenant: str
    payload: PayloadT_co
    lane: str = "default"
    subject: str | None = None
    expires: datetime | None = None
    traceparent: str | None = None


def schema_name(type_: str, version: int) -> str:
    """Return the `dataschema` attribute: a name that carries type and version and needs no server."""
    return f"urn:sightline:contract:{type_}:v{version}"


def to_headers(event: Event[Payload]) -> dict[str, str]:
    """Return the attributes of `event` as headers; absent ones are left out."""
    attributes = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time": event.time.isoformat(),
        "dataschema": schema_name(event.type, event.version),
        "tenant": event.tenant,
        "lane": event.lane,
        "subject": event.subject,
        "expires": event.expires.isoformat() if event.expires else None,
        "traceparent": event.traceparent,
    }
    return {PREFIX + name: value for name, value in attributes.items() if value is not None}


def type_and_version(headers: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the type and version that the headers name, or None when they name none."""
    type_ = headers.get(PREFIX + "type", "")
    head, _, number = headers.get(PREFIX + "dataschema", "").rpartition(":v")
    if not type_ or head != f"urn:sightline:contract:{type_}" or not number.isdecimal() or len(number) > 6:
        return None
    return type_, int(number)
