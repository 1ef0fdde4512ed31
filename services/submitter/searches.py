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
from services.kit.errors import Refused, Unavailable
from services.kit.http import PlatformDep, Writer
from services.kit.platform import Platform
from services.kit.sources import read_sources, select
from services.kit.store.records import Claim, SourceRecord

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
    value = await read_json(request)
    query = read_query(search_type, value)
    try:
        check_sources(query, await read_sources(platform.store, tenant))
    except Unavailable as error:
        log.warning("submitter.search_unchecked", error=str(error))  # unknown names only find nothing
    query_id = await _submit(platform, tenant, search_type, value)
    # The client takes what lies behind the last slash for the ID, and opens the address as it is: it is absolute.
    origin = str(platform.settings.public_url or request.base_url).rstrip("/")
    location = f"{origin}{request_path(search_type, query_id)}"
    return Response(b"{}", 202, {"Location": location}, "application/json")


async def _submit(platform: Platform, tenant: str, search_type: SearchType, value: Any) -> str:
    """Claim an ID and publish the search; return the ID.

    Raises:
        Unavailable: it was not accepted; or, if Unknown, perhaps it was.
    """
    now = platform.clock.now()
    query_json = json.dumps(value, ensure_ascii=False)
    search = SearchSubmitted(
        query_id=new_id(SEARCH, now), search_type=search_type, query_json=query_json, submitted_at=now
    )
    claim = Claim(
        tenant=tenant,
        id=search.query_id,
        body_sha256=hashlib.sha256(f"search {search_type} {query_json}".encode()).hexdigest(),
        request=search,
        created_at=now,
        expires_at=now + timedelta(hours=platform.settings.claim_hours),
    )
    try:
        await platform.store.claims.make(claim)
    except Unavailable as error:
        log.warning("submitter.unclaimed", query_id=claim.id, error=str(error))
    event = event_of(
        search,
        source=_SOURCE,
        tenant=tenant,
        at=now,
        subject=search.query_id,
        event_id=f"{EVENT}_{search.query_id.removeprefix(f'{SEARCH}_')}",
    )
    await platform.bus.publish([encode(event)])
    platform.metrics.submitted.labels("accepted").inc()
    log.debug("submitter.accepted", query_id=search.query_id, tenant=tenant, type=search_type)
    return search.query_id


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
