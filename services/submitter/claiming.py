"""Claiming an ID at a door: soon, or without the store."""

import structlog

from services.kit.crash import crash_at
from services.kit.errors import Unavailable
from services.kit.soon import soon
from services.kit.store.port import Store
from services.kit.store.records import Claim

log = structlog.get_logger(__name__)


async def make_claim(store: Store, ours: Claim) -> Claim:
    """Return the claim that counts; our own, unclaimed, where the store is away and there is no key.

    Raises:
        Unavailable: the store is away, and without its claim a repeat with this key could not be told from a new
            query. The claim may have been made.
    """
    crash_at("submitter.before_claim")
    try:
        claim = await soon(store.claims.make(ours))
    except Unavailable as error:
        if ours.key is not None:
            raise
        log.warning("submitter.unclaimed", query_id=ours.id, error=str(error))
        return ours
    crash_at("submitter.claimed")
    return claim
