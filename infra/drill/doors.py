"""The platform's HTTP doors, as a client of the drill uses them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from contracts.http.dead_letters import DeadLetter, DeadLetterPage
from contracts.http.detectors import Detector
from contracts.http.models import Model
from contracts.http.queries import Query, QueryPage
from infra.drill import task
from infra.drill.installation import Installation
from infra.drill.services import DrillError
from infra.drill.verdict import NUMBER

DETECTOR = "drill"
_TIMEOUT_S = 6.0
_MOST = 100
_PREPARE_S = 90.0
_READ_S = 120.0
_PAUSE_S = 0.5
_SAID = 500
_Page = TypeVar("_Page", QueryPage, DeadLetterPage)
_ACCEPTED = frozenset({httpx2.codes.OK, httpx2.codes.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door said: a query, or only a status. 0 stands for no answer at all: the effect is unknown."""

    status: int
    query: Query | None = None
    after_s: float = 0.0
    said: str = ""
    accepted_id: str = ""
    """The ID that a submission was given."""

    @property
    def unknown(self) -> bool:
        """Whether the same request must be repeated to know."""
        return self.status == 0 or self.status >= httpx2.codes.INTERNAL_SERVER_ERROR


class Doors:
    """Asks questions and looks answers up; nothing here raises because a part is away."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_S, limits=limits, trust_env=False)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, tb)

    async def prepare(self) -> tuple[Model, Detector]:
        """Register the model and a detector that it answers.

        Raises:
            DrillError: the platform refuses one of them.
        """
        parts = {
            "model": ("levels.onnx", task.model()),
            "manifest": (None, task.manifest().model_dump_json()),
            "name": (None, DETECTOR),
        }
        model = Model.model_validate_json(await self._made("/v1/models", files=parts, timeout=_PREPARE_S))
        body = {"name": DETECTOR, "query": "How light?", "mode": "multiclass", "labels": task.LABELS, "model": model.id}
        return model, Detector.model_validate_json(await self._made("/v1/detectors", json=body))

    async def ask(self, number: int, image: bytes, *, timeout_s: float = _TIMEOUT_S) -> Answer:
        """Send the question `number` with its own idempotency key."""
        metadata = json.dumps({NUMBER: number})
        answer = await self._call(
            "POST",
            "/v1/image-queries",
            params={"detector": DETECTOR, "metadata": metadata},
            headers={"Idempotency-Key": f"drill-{number}", "Content-Type": "application/octet-stream"},
            content=image,
            timeout=timeout_s,
        )
        return replace(answer, accepted_id=answer.query.id) if answer.query is not None else answer

    async def search(self, number: int, kind: str, query: Mapping[str, Any]) -> Answer:
        """Ask for a search as the question `number`; `kind` is the surface's word for it, as `conjunctions`."""
        headers = {"Idempotency-Key": f"drill-{number}"}
        sent = await self._send("POST", f"/api/v1/{kind}/search", json=query, headers=headers)
        if isinstance(sent, Answer):
            return sent
        accepted = sent.status_code == httpx2.codes.ACCEPTED
        accepted_id = sent.headers.get("location", "").rpartition("/")[2] if accepted else ""
        return Answer(
            sent.status_code,
            after_s=_after_s(sent),
            said="" if accepted_id else sent.text[:_SAID],
            accepted_id=accepted_id,
        )

    async def rows(self, kind: str, query_id: str) -> Sequence[Any] | Answer:
        """Return the rows of a search that has ended, or what was answered instead."""
        sent = await self._send("GET", f"/api/v1/{kind}/requests/{query_id}/data", timeout=_READ_S)
        if isinstance(sent, Answer):
            return sent
        if sent.status_code != httpx2.codes.OK:
            return Answer(sent.status_code, after_s=_after_s(sent), said=sent.text[:_SAID])
        try:
            found: Sequence[Any] = sent.json()["result"]
        except ValueError:
            return Answer(httpx2.codes.INTERNAL_SERVER_ERROR, said=f"the rows of {query_id} are cut without a word")
        return found

    async def look_up(self, query_id: str, *, wait_s: float = 0.0) -> Answer:
        """Look a query up, or wait for its answer."""
        params = {"wait": f"{wait_s:g}"} if wait_s else {}
        return await self._call("GET", f"/v1/queries/{query_id}", params=params, timeout=_TIMEOUT_S + wait_s)

    async def all_queries(self) -> Sequence[Query]:
        """Return every stored query of the tenant.

        Raises:
            DrillError: the lists cannot be read.
        """
        return [query async for page in self._pages("/v1/queries", QueryPage) for query in page.items]

    async def dead_letters(self) -> Sequence[DeadLetter]:
        """Return every message of the tenant that was given up. Raises as `all_queries`."""
        return [letter async for page in self._pages("/v1/dead-letters", DeadLetterPage) for letter in page.items]

    async def _pages(self, path: str, kind: type[_Page]) -> AsyncIterator[_Page]:
        cursor: dict[str, str] = {}
        deadline = time.monotonic() + _READ_S
        while True:
            page = await self._page(path, kind, cursor)
            if isinstance(page, str):
                if time.monotonic() > deadline:
                    raise DrillError(f"GET {path} cannot be read: {page}")
                await asyncio.sleep(_PAUSE_S)
                continue
            yield page
            if page.next_cursor is None:
                return
            cursor = {"cursor": page.next_cursor}

    async def _page(self, path: str, kind: type[_Page], cursor: Mapping[str, str]) -> _Page | str:
        """Return one page, or why there is none."""
        door = self._installation.door("GET", path)
        try:
            answer = await self._client.get(door, params={"limit": str(_MOST), **cursor}, timeout=_READ_S)
        except httpx2.RequestError as error:
            return repr(error)
        if answer.status_code != httpx2.codes.OK:
            return f"status {answer.status_code}: {answer.text[:_SAID]}"
        return kind.model_validate_json(answer.content)

    async def _made(self, path: str, **given: Any) -> bytes:
        answer = await self._client.post(self._installation.door("POST", path), **given)
        if answer.status_code != httpx2.codes.CREATED:
            raise DrillError(f"POST {path} was answered {answer.status_code}: {answer.text}")
        return answer.content

    async def _call(self, method: str, path: str, **given: Any) -> Answer:
        sent = await self._send(method, path, **given)
        if isinstance(sent, Answer):
            return sent
        query = Query.model_validate_json(sent.content) if sent.status_code in _ACCEPTED else None
        return Answer(sent.status_code, query, after_s=_after_s(sent), said="" if query else sent.text[:_SAID])

    async def _send(self, method: str, path: str, **given: Any) -> httpx2.Response | Answer:
        """Return what a door answered, or that it did not."""
        try:
            return await self._client.request(method, self._installation.door(method, path), **given)
        except httpx2.RequestError as error:
            return Answer(0, said=type(error).__name__)


def _after_s(sent: httpx2.Response) -> float:
    after = sent.headers.get("retry-after", "")
    return float(after) if after.isdigit() else 0.0
