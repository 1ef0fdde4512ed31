"""Facts that nobody should rely on coming once, in order, in time, or in agreement: published past the services."""

import asyncio
import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contracts.base import Payload
from contracts.events import Event
from contracts.http.detectors import Detector
from contracts.http.models import Model
from contracts.http.queries import Query
from contracts.ids import IMAGE_QUERY, new_id
from contracts.v1.image_query import Image, ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted
from contracts.v1.query import QueryExpired, QueryFailed
from contracts.v1.search import SearchCompleted
from infra.drill import task
from infra.drill.doors import Doors
from infra.drill.journal import Intent
from infra.drill.load import Load
from infra.drill.services import DrillError
from infra.drill.verdict import NUMBER
from services.kit.bus.codec import encode, event_of
from services.kit.bus.port import Bus
from services.kit.errors import Unavailable
from services.kit.runtime import open_bus
from services.kit.settings import load as load_settings

_SOURCE = "drill"
_PUBLISH_S = 60.0
_ENDED_QUERIES = 12
_EARLY_ANSWERS = 4


@dataclass(frozen=True, slots=True)
class Forger:
    """Publishes facts about queries of the drill as if the services had."""

    bus: str
    tenant: str
    model: Model
    detector: Detector

    async def publish(self, load: Load, doors: Doors, chance: random.Random) -> int:
        """Repeat, contradict and outrun facts, each of which must change nothing; return how many were published.

        Raises:
            DrillError: the broker took none of them for a minute.
        """
        record = load.journal.record
        answered = [query_id for query_id, state in record.seen.items() if state == "answered"]
        events: list[Event[Payload]] = []
        for query_id in chance.sample(answered, min(_ENDED_QUERIES, len(answered))):
            found = (await doors.look_up(query_id)).query
            if found is not None and found.search is not None:
                events += self._about_ended_search(found)
            elif found is not None and found.answer is not None and found.answer.model is not None:
                events += self._about_ended(found)
        chance.shuffle(events)
        early = [self._ahead_of_its_question(load) for _ in range(_EARLY_ANSWERS)]
        for _, story in early:
            events += story
        await self._send(events)
        for intent, _ in early:
            assert intent.query_id is not None  # noqa: S101 - minted here
            load.accepted(intent.number, intent.query_id)
        return len(events)

    def _about_ended(self, query: Query) -> Sequence[Event[Payload]]:
        """The same answer again, other answers, other ends, and the question once more."""
        now = datetime.now(UTC)
        same = self._answer(query.id, query.label, query.created_at, now)
        if query.answer is not None:
            same = same.model_copy(update={"answer_id": query.answer.id, "answered_at": query.answer.answered_at})
        other = next(label for label in task.LABELS if label != query.label)
        contrary = self._answer(query.id, other, query.created_at, now, confidence=1.0)
        backdated = contrary.model_copy(
            update={"answer_id": _answer_id(query.id, "backdated"), "answered_at": query.created_at}
        )
        payloads: list[Payload] = [ImageQueryAnswered(answers=(each,)) for each in (same, same, contrary, backdated)]
        payloads.append(QueryFailed(query_id=query.id, reason="drill_late", failed_at=now))
        payloads.append(QueryExpired(query_id=query.id, expired_at=now))
        if isinstance(query.metadata, dict) and isinstance(number := query.metadata.get(NUMBER), int):
            payloads.append(self._question(query.id, number, query.created_at))
        return [self._event(payload, query.id, now) for payload in payloads]

    def _about_ended_search(self, query: Query) -> Sequence[Event[Payload]]:
        """Another whole with fewer rows, and other ends."""
        now = datetime.now(UTC)
        contrary = SearchCompleted(query_id=query.id, parts=1, rows=0, size_bytes=0, completed_at=query.created_at)
        failed = QueryFailed(query_id=query.id, reason="drill_late", failed_at=now)
        payloads = (contrary, failed, QueryExpired(query_id=query.id, expired_at=now))
        return [self._event(payload, query.id, now) for payload in payloads]

    def _ahead_of_its_question(self, load: Load) -> tuple[Intent, Sequence[Event[Payload]]]:
        """An answer, then its question, which a worker will answer once more.

        No other end comes with them: which of two ends is folded first is not promised.
        """
        now = datetime.now(UTC)
        number = load.next_number()
        intent = Intent(number=number, query_id=new_id(IMAGE_QUERY, now))
        load.journal.intend(intent)
        assert intent.query_id is not None  # noqa: S101 - minted here
        answer = self._answer(intent.query_id, task.label_of(number), now - timedelta(seconds=1), now)
        question = self._question(intent.query_id, number, now)
        story = (ImageQueryAnswered(answers=(answer,)), question)
        return intent, [self._event(payload, intent.query_id, now) for payload in story]

    def _answer(
        self, query_id: str, label: str, submitted_at: datetime, now: datetime, *, confidence: float = 0.99
    ) -> ImageAnswer:
        return ImageAnswer(
            query_id=query_id,
            answer_id=_answer_id(query_id, label),
            label=label,
            confidence=confidence,
            model_name=self.model.name,
            model_digest=self.model.digest,
            answered_at=now,
            submitted_at=submitted_at,
        )

    def _question(self, query_id: str, number: int, submitted_at: datetime) -> ImageQuerySubmitted:
        data, _ = task.image(number)
        sha256 = hashlib.sha256(data).hexdigest()
        return ImageQuerySubmitted(
            query_id=query_id,
            detector_id=self.detector.id,
            image=Image(sha256=sha256, size_bytes=len(data), media_type="image/jpeg", data=data),
            submitted_at=submitted_at,
            metadata_json=f'{{"{NUMBER}": {number}}}',
        )

    def _event(self, payload: Payload, query_id: str, at: datetime) -> Event[Payload]:
        return event_of(payload, source=_SOURCE, tenant=self.tenant, at=at, subject=query_id)

    async def _send(self, events: Sequence[Event[Payload]]) -> None:
        """Publish in this order, until all is confirmed."""
        deadline = time.monotonic() + _PUBLISH_S
        while True:
            try:
                async with open_bus(load_settings({}, bus=self.bus)) as bus:
                    await self._publish(bus, events)
            except Unavailable as error:
                if time.monotonic() > deadline:
                    raise DrillError(f"the broker takes no facts: {error}") from error
                await asyncio.sleep(1.0)
            else:
                return

    async def _publish(self, bus: Bus, events: Sequence[Event[Payload]]) -> None:
        for event in events:
            await bus.publish([encode(event)])


def _answer_id(query_id: str, salt: str) -> str:
    return f"ans_{hashlib.sha256(f'drill|{query_id}|{salt}'.encode()).hexdigest()[:27]}"
