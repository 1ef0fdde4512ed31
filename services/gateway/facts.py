"""Publishing a fact about a query and waiting for what the fold makes of it: the gateway writes no documents."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from contracts.base import Payload
from contracts.v1.results import StoredResult
from services.gateway.lookup import Found
from services.kit.bus.codec import encode, event_of
from services.kit.errors import Unavailable
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument

log = structlog.get_logger(__name__)

SOURCE = "gateway"
FOLD_S = 5.0
"""How long the fold of a fact is waited for; it takes milliseconds unless a part is away."""

Folded = Callable[[QueryDocument], bool]


async def publish(platform: Platform, tenant: str, payload: Payload, *, event_id: str | None = None) -> None:
    """Publish a fact of the control plane; returns once it is durable.

    Raises:
        Unavailable: the bus is away.
    """
    event = event_of(payload, source=SOURCE, tenant=tenant, at=platform.clock.now(), event_id=event_id)
    await platform.bus.publish([encode(event)])


async def publish_change(platform: Platform, tenant: str, payload: Payload) -> None:
    """Tell caches what changed. The change is stored already and caches read again by themselves: it may be lost."""
    try:
        await publish(platform, tenant, payload)
    except Unavailable as error:
        log.warning("gateway.change_not_told", error=str(error))


async def add_fact(platform: Platform, found: Found, payload: Payload, folded: Folded) -> Found:
    """Publish a fact about a query and wait until it is `folded`; return what is known after FOLD_S at most.

    Raises:
        Unavailable: the bus is away, nothing happened; or Unknown. Nothing is raised once the fact is published.
    """
    event = event_of(
        payload,
        source=SOURCE,
        tenant=found.key.tenant,
        at=platform.clock.now(),
        lane=found.document.lane if found.document is not None else "default",
        subject=found.key.id,
    )
    await platform.bus.publish([encode(event)])
    try:
        return await _follow(platform, found, folded)
    except Unavailable as error:
        log.warning("gateway.fold_not_seen", error=str(error))
        return found


async def _follow(platform: Platform, found: Found, folded: Folded) -> Found:
    """Wait for the next revision, and the next, until one holds the fact."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + FOLD_S
    while True:
        seen = found.document.revision if found.document is not None else 0

        def is_newer(result: StoredResult, seen: int = seen) -> bool:
            return result.revision > seen

        remaining_s = deadline - loop.time()
        found = replace(found, document=await platform.waiter.wait(found.key, is_newer, max(remaining_s, 0.0)))
        document = found.document
        if document is not None and (folded(document) or document.erased_at is not None):
            return found
        if remaining_s <= 0:
            return found
