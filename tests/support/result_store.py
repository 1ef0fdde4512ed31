"""The result store service on embedded adapters, and what its tests ask of it."""

import hashlib
from datetime import UTC, datetime, timedelta

from contracts.base import Payload
from contracts.ids import new_id
from contracts.v1.image_query import Image, ImageAnswer, ImageQuerySubmitted
from services.kit.bus.codec import encode, event_of
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.records import Blob
from services.result_store.service import ResultStore
from tests.support.until import until

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
TENANT = "acme"
DIGEST = "d" * 64


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


class House:
    """The result store on embedded adapters, and what a test asks of it."""

    def __init__(self, platform: Platform, service: ResultStore, clock: SetClock) -> None:
        self.platform = platform
        self.service = service
        self.clock = clock
        self.detector_id = new_id("det", START)

    def question(self, data: bytes | None = b"image", *, seconds: float = 0, **given: object) -> ImageQuerySubmitted:
        at = START + timedelta(seconds=seconds)
        image = Image(
            sha256=hashlib.sha256(data or b"image").hexdigest(),
            size_bytes=len(data or b"image"),
            media_type="image/jpeg",
            data=data,
        )
        return ImageQuerySubmitted.model_validate(
            {
                "query_id": new_id("iq", at),
                "detector_id": self.detector_id,
                "image": image.model_dump(),
                "submitted_at": at,
                **given,
            }
        )

    async def publish(self, *payloads: Payload, event_id: str | None = None) -> None:
        for payload in payloads:
            subject = getattr(payload, "query_id", None)
            event = event_of(
                payload, source="test", tenant=TENANT, at=self.clock.now(), subject=subject, event_id=event_id
            )
            await self.platform.bus.publish([encode(event)])

    async def load(self, query_id: str) -> QueryDocument | None:
        return (await self.platform.store.queries.load([QueryKey(TENANT, query_id)])).get(QueryKey(TENANT, query_id))

    async def known(self, query_id: str, *, revision: int = 1) -> QueryDocument:
        """Return the document once it has at least this revision."""

        async def there() -> bool:
            document = await self.load(query_id)
            return document is not None and document.revision >= revision

        await until(there)
        document = await self.load(query_id)
        assert document is not None
        return document

    def answer(self, question: ImageQuerySubmitted, label: str = "YES") -> ImageAnswer:
        return ImageAnswer(
            query_id=question.query_id,
            answer_id="ans_" + question.query_id[-27:],
            label=label,
            confidence=0.95,
            model_name="door",
            model_digest=DIGEST,
            answered_at=self.clock.now(),
            submitted_at=question.submitted_at,
        )

    async def image(self, question: ImageQuerySubmitted) -> Blob | None:
        return await self.platform.store.images.get(TENANT, question.image.sha256)
