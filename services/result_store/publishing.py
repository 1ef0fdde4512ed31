"""What the result store says: wake-ups for those who wait, and questions once more."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from contracts.base import Payload
from contracts.events import Event
from contracts.v1.results import ResultsStored, StoredResult
from services.kit.bus.codec import encode, event_of
from services.kit.bus.port import Bus
from services.kit.store.documents import QueryDocument
from services.kit.waiter import is_over, summary_of

SOURCE = "result_store"
_MOST = 1000
_MOST_TOLD = 8
"""Documents that go along. Of many at once few are waited for, and their readers share one look."""
_LARGEST_TOLD = 8 * 1024
"""Characters of one. A model with a thousand labels makes 40,000, for readers who may not be."""


def wake_ups(documents: Iterable[QueryDocument], at: datetime) -> list[Event[Payload]]:
    """Return one `results.stored` per tenant for the documents that have a new revision."""
    by_tenant: dict[str, list[QueryDocument]] = {}
    for document in documents:
        by_tenant.setdefault(document.tenant, []).append(document)
    return [
        event_of(
            ResultsStored(results=_told(group[start : start + _MOST])),
            source=SOURCE,
            tenant=tenant,
            at=at,
        )
        for tenant, group in by_tenant.items()
        for start in range(0, len(group), _MOST)
    ]


def _told(documents: Sequence[QueryDocument]) -> tuple[StoredResult, ...]:
    if len(documents) > _MOST_TOLD:
        return tuple(map(summary_of, documents))
    return tuple(map(_told_whole, documents))


def _told_whole(document: QueryDocument) -> StoredResult:
    summary = summary_of(document)
    if not is_over(summary):
        return summary
    whole = document.model_dump_json()
    return summary.model_copy(update={"document": whole}) if len(whole) <= _LARGEST_TOLD else summary


async def publish_stored(bus: Bus, documents: Sequence[QueryDocument], at: datetime) -> None:
    """Wake those who wait for these documents."""
    await bus.publish([encode(event) for event in wake_ups(documents, at)])


async def publish_again(bus: Bus, documents: Iterable[QueryDocument], at: datetime) -> None:
    """Publish the questions of `documents` once more, their images by reference."""
    await bus.publish(
        [
            encode(
                event_of(
                    document.request,
                    source=SOURCE,
                    tenant=document.tenant,
                    at=at,
                    lane=document.lane,
                    subject=document.id,
                    event_id=f"{document.id}.submitted",
                    expires=document.request.expires_at,
                )
            )
            for document in documents
            if document.request is not None
        ]
    )
