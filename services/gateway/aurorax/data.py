"""The rows of a search, streamed from the store: nothing holds them all."""

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from services.gateway.aurorax.finding import Search, check_complete, find_search
from services.kit.aurorax import PREFIX, read_json
from services.kit.errors import Refused
from services.kit.http import PlatformDep, Reader
from services.kit.search_rows import read_result
from services.kit.store.port import SearchRows

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_PLACES = ("location_geo", "location_gsm", "nbtrace", "sbtrace")


@router.get("/{kind}/requests/{request_id}/data")
async def get_data(kind: str, request_id: str, caller: Reader, platform: PlatformDep) -> StreamingResponse:
    """Answer with every row."""
    search = await find_search(platform, caller.tenant, request_id, kind)
    check_complete(search)
    return _streamed(read_result(platform.store.search_rows, search.document.key))


@router.post("/{kind}/requests/{request_id}/data")
async def get_chosen_data(
    kind: str, request_id: str, request: Request, caller: Reader, platform: PlatformDep
) -> StreamingResponse:
    """Answer with the chosen keys of every row: true keeps one, false or absent drops it."""
    chosen = await read_json(request)
    if not isinstance(chosen, dict):
        raise Refused("invalid_parameter", "response_format must be a JSON object")
    search = await find_search(platform, caller.tenant, request_id, kind)
    check_complete(search)
    return _streamed(_chosen(platform.store.search_rows, search, chosen))


def choose(value: Any, chosen: Any) -> Any:
    """Return the chosen part of a row; of a list, that of each item."""
    if isinstance(chosen, list):
        chosen = chosen[0] if chosen else {}
    if isinstance(value, list):
        return [choose(item, chosen) for item in value]
    if not isinstance(chosen, dict) or not isinstance(value, dict):
        return value
    kept = {}
    for key, choice in chosen.items():
        if key not in value or choice is False or choice is None:
            continue
        # The client builds a position from both numbers: of one that is kept neither is dropped.
        kept[key] = value[key] if choice is True or key in _PLACES else choose(value[key], choice)
    return kept


async def _chosen(store: SearchRows, search: Search, chosen: Any) -> AsyncIterator[bytes]:
    async for rows in read_result(store, search.document.key):
        parsed = json.loads(b"[" + rows + b"]")
        text = json.dumps([choose(row, chosen) for row in parsed], ensure_ascii=False, separators=(",", ":"))
        yield text[1:-1].encode()


def _streamed(chunks: AsyncIterator[bytes]) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"result":['
        first = True
        async for chunk in chunks:
            yield chunk if first else b"," + chunk
            first = False
        yield b"]}"

    return StreamingResponse(body(), media_type="application/json")
