"""Finding a query by its ID: the document, else the claim, else a moment's patience, else there is none.

Who waits for a query of just now waits for its document a moment before the claim is asked for.
"""

from dataclasses import dataclass
from datetime import timedelta

from contracts.http.queries import Query
from contracts.ids import id_time
from contracts.v1.image_query import ImageQuerySubmitted
from contracts.v1.results import StoredResult
from services.kit.errors import Refused
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument, QueryKey, Submitted
from services.kit.store.records import Claim
from services.kit.view import pending_query, to_query
from services.kit.waiter import Wanted

APPEAR_S = 2.0
"""How long an ID that was minted just now is waited for: a device may have submitted it past the claims."""
_RECENT = timedelta(seconds=10)
_FIRST_S = 0.25
"""Nearly everything that was submitted just now is stored within this, and nobody needs its claim."""


@dataclass(frozen=True, slots=True)
class Found:
    """A query as far as it is known: its document, or only its claim."""

    key: QueryKey
    document: QueryDocument | None
    claim: Claim | None = None

    @property
    def query(self) -> Query:
        """The resource that readers see."""
        if self.document is not None:
            return to_query(self.document)
        if self.claim is not None:
            return pending_query(self.claim)
        raise Refused("query_not_found")

    @property
    def detector_id(self) -> str | None:
        """The detector that was asked, None while a fact has overtaken the question."""
        request = self.request
        return request.detector_id if isinstance(request, ImageQuerySubmitted) else None

    @property
    def request(self) -> Submitted | None:
        """The question, None while a fact has overtaken it."""
        if self.document is not None and self.document.request is not None:
            return self.document.request
        return self.claim.request if self.claim is not None else None


def stored(_result: StoredResult) -> bool:
    """Want nothing but that the query is stored."""
    return True


async def look_up(
    platform: Platform, tenant: str, query_id: str, wait_s: float = 0.0, wanted: Wanted = stored
) -> Found:
    """Return the query as soon as it is `wanted`, else as it is after `wait_s`.

    Reads documents at most twice. A query of another tenant, an unknown and a malformed ID look alike.

    Raises:
        Refused: query_not_found, query_erased.
        Unavailable: the store is away, or too many wait.
    """
    minted_at = id_time(query_id)
    if minted_at is None:
        raise Refused("query_not_found")
    key = QueryKey(tenant, query_id)
    recent = abs(platform.clock.now() - minted_at) <= _RECENT
    claim: Claim | None = None
    asked = False

    async def absent() -> float:
        nonlocal claim, asked
        claim, asked = await platform.store.claims.find(key), True
        if claim is not None:
            return wait_s
        return APPEAR_S if recent else 0.0

    document = await platform.waiter.wait(key, wanted, wait_s, absent=absent, asked_after_s=_FIRST_S if recent else 0.0)
    if document is None and not asked:
        claim = await platform.store.claims.find(key)  # we stop, before it was time to ask
    elif document is not None and document.request is None and document.erased_at is None:
        claim = await platform.store.claims.find(key)  # its question is still under way
    if document is None and claim is None:
        raise Refused("query_not_found")
    if document is not None and document.erased_at is not None:
        raise Refused("query_erased")
    return Found(key, document, claim)
