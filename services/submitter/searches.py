"""The door for searches of the AuroraX client."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from contracts.http.aurorax import ConjunctionQuery, DataProductQuery, EphemerisQuery, Filters, SearchQuery
from contracts.ids import EVENT, SEARCH, new_id
from contracts.v1.search import SearchSubmitted, SearchType
from services.kit.aurorax import PATHS, PREFIX, read_json, read_query, request_path
from services.kit.bus.codec import encode, event_of
from services.kit.crash import crash_at
from services.kit.errors import Refused, Unavailable
from services.kit.http import PlatformDep, Writer
from services.kit.platform import Platform
from services.kit.soon import soon
from services.kit.sources import read_sources, select
from services.kit.store.documents import QueryKey
from services.kit.store.records import Claim, SourceRecord
from services.submitter.claiming import make_claim
from services.submitter.submission import check_key

log = structlog.get_logger(__name__)

ROUTER = APIRouter(prefix=PREFIX, include_in_schema=False)

_SOURCE = "submitter"


@ROUTER.post(f"/{PATHS['conjunction']}/search", status_code=202)
async def search_conjunctions(request: Request, caller: Writer, platform: PlatformDep) -> Response:
    """Accept a conjunction search; its status is at `Location`."""
    return await _accept(request, platform, caller.tenant, "conjunction")


@ROUTER.post(f"/{PATHS['ephemeris']}/search", status_code=202)
async def search_ephemeris(request: Request, caller: Writer, platform: PlatformDep) -> Response:
    """Accept an ephemeris search; its status is at `Location`."""
    return await _accept(request, platform, caller.tenant, "ephemeris")


@ROUTER.post(f"/{PATHS['data_product']}/search", status_code=202)
async def search_data_products(request: Request, caller: Writer, platform: PlatformDep) -> Response:
    """Accept a data products search; its status is at `Location`."""
    return await _accept(request, platform, caller.tenant, "data_product")


async def _accept(request: Request, platform: Platform, tenant: str, search_type: SearchType) -> Response:
    """Check everything that can be checked, then make the search durable. Nothing is stored of one that is refused."""
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        check_key(key)
    value = await read_json(request)
    query = read_query(search_type, value)
    try:
        check_sources(query, await soon(read_sources(platform.store, tenant)))
    except Unavailable as error:
        log.warning("submitter.search_unchecked", error=str(error))  # unknown names only find nothing
    except Refused:
        if not await _accepted_before(platform, tenant, search_type, value, key):
            raise
    query_id = await _submit(platform, tenant, search_type, value, key)
    # The client takes what lies behind the last slash for the ID, and opens the address as it is: it is absolute.
    origin = str(platform.settings.public_url or request.base_url).rstrip("/")
    location = f"{origin}{request_path(search_type, query_id)}"
    return Response(b"{}", 202, {"Location": location}, "application/json")


async def _submit(platform: Platform, tenant: str, search_type: SearchType, value: Any, key: str | None) -> str:
    """Claim an ID and publish the search; return the ID. The same search with the same key gets the same ID.

    Raises:
        Refused: key_reused; query_erased, the search of this key was deleted since.
        Unavailable: it was not accepted; or, if Unknown, perhaps it was. Repeat it with its key.
    """
    claim, repeated = await _claim(platform, tenant, search_type, value, key)
    if not (repeated and await _is_stored(platform, claim)):
        event = event_of(
            claim.request,
            source=_SOURCE,
            tenant=tenant,
            at=claim.created_at,
            subject=claim.id,
            event_id=f"{EVENT}_{claim.id.removeprefix(f'{SEARCH}_')}",
        )
        await platform.bus.publish([encode(event)])
    crash_at("submitter.confirmed")
    platform.metrics.submitted.labels("repeated" if repeated else "accepted").inc()
    log.debug("submitter.accepted", query_id=claim.id, tenant=tenant, type=search_type, repeated=repeated)
    return claim.id


async def _claim(
    platform: Platform, tenant: str, search_type: SearchType, value: Any, key: str | None
) -> tuple[Claim, bool]:
    """Return the claim that counts, and whether an earlier search with the same key made it."""
    now = platform.clock.now()
    search = SearchSubmitted(
        query_id=new_id(SEARCH, now),
        search_type=search_type,
        query_json=json.dumps(value, ensure_ascii=False),
        submitted_at=now,
    )
    ours = Claim(
        tenant=tenant,
        id=search.query_id,
        key=key,
        body_sha256=_body_sha256(search_type, value),
        request=search,
        created_at=now,
        expires_at=now + timedelta(hours=platform.settings.claim_hours),
    )
    claim = await make_claim(platform.store, ours)
    if claim.body_sha256 != ours.body_sha256:
        raise Refused("key_reused", "it came with another query before")
    return claim, claim.id != ours.id


def _body_sha256(search_type: SearchType, value: Any) -> str:
    return hashlib.sha256(f"search {search_type} {json.dumps(value, ensure_ascii=False)}".encode()).hexdigest()


async def _accepted_before(
    platform: Platform, tenant: str, search_type: SearchType, value: Any, key: str | None
) -> bool:
    """Say whether the search was accepted with its key while its sources were there: a repeat gets its ID."""
    claim = None if key is None else await platform.store.claims.by_key(tenant, key)
    return claim is not None and claim.body_sha256 == _body_sha256(search_type, value)


async def _is_stored(platform: Platform, claim: Claim) -> bool:
    key = QueryKey(claim.tenant, claim.id)
    document = (await platform.store.queries.load([key])).get(key)
    if document is not None and document.erased_at is not None:
        raise Refused("query_erased", f"{claim.id} was asked with this key and deleted since")
    # A document without its question is of facts that came before it; nobody else will publish it again.
    return document is not None and document.request is not None


def check_sources(query: SearchQuery, sources: Sequence[SourceRecord]) -> None:
    """Return if every block selects a source, and filters on keys that one of its sources has.

    Raises:
        Refused: invalid_parameter.
    """
    if isinstance(query, ConjunctionQuery):
        for name, block in query.source_blocks:
            _check(name, select(sources, block), block.ephemeris_metadata_filters, products=False)
    elif isinstance(query, EphemerisQuery):
        chosen = select(sources, query.data_sources)
        _check("data_sources", chosen, query.data_sources.ephemeris_metadata_filters, products=False)
    elif isinstance(query, DataProductQuery):
        chosen = select(sources, query.data_sources)
        _check("data_sources", chosen, query.data_sources.data_product_metadata_filters, products=True)


def _check(name: str, chosen: Sequence[SourceRecord], filters: Filters, *, products: bool) -> None:
    if not chosen:
        raise Refused("invalid_parameter", f"{name}: no data source has these programs, platforms, instrument types")
    texts = {
        each.data_product_metadata_schema_json if products else each.ephemeris_metadata_schema_json for each in chosen
    }
    known = {field.get("field_name") for text in texts for field in json.loads(text)}
    for expression in filters.expressions:
        if expression.key not in known:
            raise Refused(
                "invalid_parameter",
                f"{name}: no metadata of these data sources has the key {expression.key[:100]!r}",
            )
