"""A running gateway, and the facts that the other services would publish to it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
from fastapi import FastAPI

from contracts.base import Payload
from contracts.http.tokens import SCOPES, Scope
from contracts.ids import IMAGE_QUERY, new_id
from contracts.v1.image_query import Image, ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from services.gateway.service import create as create_gateway
from services.kit.auth import Authenticator, hash_secret, key_id_of, new_token, pepper_of
from services.kit.bus.codec import encode, event_of
from services.kit.bus.memory import MemoryBus
from services.kit.catalog import Catalog
from services.kit.clock import SystemClock
from services.kit.health import Health
from services.kit.http import create_app
from services.kit.metrics import Metrics
from services.kit.platform import Platform
from services.kit.settings import Settings
from services.kit.store.port import Store
from services.kit.store.records import Claim, TokenRecord
from services.kit.waiter import Waiter
from tests.support.documents import make_request

TENANT = "default"
IMAGE = b"\xff\xd8\xff an image as far as this door cares \xff\xd9"


@dataclass(frozen=True, slots=True)
class Door:
    """A gateway as a client and as its neighbours on bus and store see it."""

    app: FastAPI
    http: httpx2.AsyncClient

    @property
    def platform(self) -> Platform:
        """The ports behind the app."""
        platform: Platform = self.app.state.platform
        return platform

    async def publish(self, *payloads: Payload, tenant: str = TENANT) -> None:
        """Publish facts as another service would."""
        at = self.platform.clock.now()
        events = [event_of(payload, source="test", tenant=tenant, at=at) for payload in payloads]
        await self.platform.bus.publish([encode(event) for event in events])

    async def token(self, *scopes: Scope, tenant: str = TENANT) -> dict[str, str]:
        """Store a token with these scopes (all when none is named); return the header that carries it."""
        token, now = new_token(), self.platform.clock.now()
        record = TokenRecord(
            tenant=tenant,
            id=key_id_of(token),
            name="test",
            secret_hash=hash_secret(token, pepper_of(self.platform.settings)),
            scopes=scopes or SCOPES,
            created_at=now,
            updated_at=now,
        )
        await self.platform.store.tokens.insert(record)
        return {"Authorization": f"Bearer {token}"}

    async def detector(self, name: str = "door", **fields: Any) -> dict[str, Any]:
        """Create a detector over HTTP."""
        response = await self.http.post("/v1/detectors", json={"name": name, "query": "Is the door open?"} | fields)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    async def ask(self, detector_id: str, **fields: Any) -> str:
        """Publish a question with its image, and wait until it is stored; return its ID."""
        question = make_question(detector_id, at=self.platform.clock.now(), **fields)
        await self.publish(question)
        response = await self.http.get(f"/v1/queries/{question.query_id}")
        assert response.status_code == 200, response.text
        return question.query_id

    async def answer(self, query_id: str, label: str = "YES", confidence: float = 0.95) -> None:
        """Publish a model's answer."""
        await self.publish(make_answers(query_id, label, confidence, at=self.platform.clock.now()))

    async def waiters(self, count: int) -> None:
        """Return once that many requests wait for a query."""
        registry = self.platform.metrics.registry
        async with asyncio.timeout(20):
            while registry.get_sample_value("sightline_waiters") != count:  # noqa: ASYNC110 - a metric has no event
                await asyncio.sleep(0.005)

    async def claim(self, detector_id: str, *, minted_at: datetime | None = None) -> Claim:
        """Claim a query as the submitter does before it publishes."""
        now = self.platform.clock.now()
        query_id = new_id(IMAGE_QUERY, minted_at or now)
        claim = Claim(
            tenant=TENANT,
            id=query_id,
            body_sha256="0" * 64,
            request=make_request(query_id, detector_id=detector_id, submitted_at=minted_at or now),
            created_at=minted_at or now,
            expires_at=now + timedelta(hours=1),
        )
        return await self.platform.store.claims.make(claim)


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    """Return a client that calls the app without a socket."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test", timeout=50)


@asynccontextmanager
async def gateway_on(store: Store, settings: Settings) -> AsyncIterator[Door]:
    """Run a gateway alone, on a memory bus and a store of the test's own."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(MemoryBus())
        metrics, clock = Metrics(), SystemClock()
        waiter = Waiter(bus, store, metrics, max_waiters=settings.max_waiters)
        catalog = Catalog(bus, store, metrics)
        await waiter.start(stack)
        await catalog.start(stack)
        platform = Platform(
            settings=settings,
            bus=bus,
            store=store,
            clock=clock,
            metrics=metrics,
            health=Health(),
            waiter=waiter,
            catalog=catalog,
        )
        gateway = create_gateway(platform)
        await gateway.start(stack)
        authenticator = Authenticator(store, pepper_of(settings), settings.admitted_tenant)
        app = create_app(platform, [gateway], authenticator, version="0")
        http = await stack.enter_async_context(client_of(app))
        yield Door(app, http)


def make_question(
    detector_id: str,
    *,
    at: datetime,
    query_id: str | None = None,
    image: bytes = IMAGE,
    media_type: str = "image/jpeg",
    confidence_threshold: float = 0.9,
    metadata_json: str | None = None,
) -> ImageQuerySubmitted:
    """A question with its image inside."""
    return ImageQuerySubmitted(
        query_id=query_id or new_id(IMAGE_QUERY, at),
        detector_id=detector_id,
        image=Image(sha256=hashlib.sha256(image).hexdigest(), size_bytes=len(image), media_type=media_type, data=image),
        submitted_at=at,
        confidence_threshold=confidence_threshold,
        metadata_json=metadata_json,
    )


def make_answers(query_id: str, label: str, confidence: float, *, at: datetime) -> ImageQueryAnswered:
    """A model's answer to one question."""
    answer = ImageAnswer(
        query_id=query_id,
        answer_id=new_id("ans", at),
        label=label,
        confidence=confidence,
        model_name="door",
        model_digest="d" * 64,
        answered_at=at,
        submitted_at=at,
    )
    return ImageQueryAnswered(answers=(answer,))


def expect_problem(response: httpx2.Response, code: str) -> str:
    """Assert that the response is the problem `code`, in its full form; return its detail."""
    body = response.json()
    assert body["code"] == code, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == body["status"]
    assert body["type"] == f"urn:sightline:problem:{code}"
    detail: str = body["detail"]
    return detail


def ids_of(response: httpx2.Response) -> Sequence[str]:
    """Return the IDs of a page, in its order."""
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]
