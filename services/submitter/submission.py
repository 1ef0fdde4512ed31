"""Taking a question: everything that the doors share between reading a request and answering it."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from contracts.ids import EVENT, IMAGE_QUERY, is_id, new_id
from contracts.v1.image_query import MAX_IMAGE_BYTES, Image, ImageQuerySubmitted
from services.kit.bus.codec import encode, event_of
from services.kit.crash import crash_at
from services.kit.errors import Refused, Unavailable
from services.kit.images import ImageFacts, check_declared, inspect
from services.kit.platform import Platform
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.records import Blob, Claim, DetectorRecord
from services.submitter.claiming import make_claim
from services.submitter.detectors import Detectors
from services.submitter.metadata import check_metadata

log = structlog.get_logger(__name__)

_SOURCE = "submitter"
_LONGEST_KEY = 255
_IN_THREAD_BYTES = 256 * 1024
"""Images from this size on are hashed and checked in a thread: it takes milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a client asks. `detector` is an ID or a name, `key` the client's idempotency key.

    `declared_type` is compared with the bytes; None says nothing, for a door whose clients declare JPEG whatever
    they send.
    """

    tenant: str
    detector: str
    image: bytes
    declared_type: str | None = None
    confidence_threshold: float | None = None
    patience_s: float | None = None
    expires_in_s: float | None = None
    metadata_json: str | None = None
    key: str | None = None
    query_id: str | None = None
    """An ID that the client has minted; the same for another question is refused like a key that is used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A question that is durable.

    `document` is the record that a repeat found, None if there is none.
    """

    claim: Claim
    document: QueryDocument | None = None

    @property
    def request(self) -> ImageQuerySubmitted:
        """The question.

        Raises:
            Refused: key_reused, the key stands for a query of another kind.
        """
        if not isinstance(self.claim.request, ImageQuerySubmitted):
            raise Refused("key_reused", "it came with a query of another kind before")
        return self.claim.request

    @property
    def key(self) -> QueryKey:
        """Where to look the query up."""
        return QueryKey(self.claim.tenant, self.claim.id)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question whose parts were checked and found."""

    question: Question
    facts: ImageFacts
    image_sha256: str
    detector: DetectorRecord

    @property
    def body_sha256(self) -> str:
        """A hash of everything that the client asked for."""
        question = self.question
        parts = (
            "image_query",
            self.detector.id,
            self.image_sha256,
            question.confidence_threshold,
            question.patience_s,
            question.expires_in_s,
            question.metadata_json,
            *((question.query_id,) if question.query_id is not None else ()),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Submissions:
    """Accepts questions: claims an ID, then publishes one confirmed message."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._detectors = Detectors(platform.catalog)

    async def submit(self, question: Question) -> Accepted:
        """Accept `question`; once this returned it survives the death of any process.

        The same question with the same key gets the same ID, from calls in parallel too, and is published again
        unless its record is there, with the question. Nothing is stored of a question that is refused.

        Raises:
            Refused: the question is wrong: key_invalid, key_reused, metadata_invalid, detector_not_found,
                detector_gone, detector_off, image_*, query_erased.
            Unavailable: it was not accepted; or, if Unknown, perhaps it was. Repeat it with its key.
        """
        with self._counting_refusals():
            asked = await self._check(question)
            if self._is_alone(question):
                claim, repeated, document = await self._accept_alone(asked), False, None
            else:
                claim, repeated = await self._claim(asked)
                # An ID that the client has minted says nothing of whether it is new.
                known = repeated or question.query_id is not None
                document = await self._record_of(claim) if known else None
                if document is None or document.request is None:
                    # Without its question if only the workers' queue took it before, and the other one was full.
                    await self._publish(asked, Accepted(claim=claim))
            crash_at("submitter.confirmed")
        self._platform.metrics.submitted.labels("repeated" if repeated else "accepted").inc()
        log.debug("submitter.accepted", query_id=claim.id, tenant=claim.tenant, repeated=repeated)
        return Accepted(claim=claim, document=document)

    async def _check(self, question: Question) -> _Asked:
        if question.key is not None:
            check_key(question.key)
        if question.query_id is not None and not is_id(question.query_id, IMAGE_QUERY):
            raise Refused("invalid_parameter", "the ID of an image query is iq_ and 27 letters and digits")
        if question.metadata_json is not None:
            check_metadata(question.metadata_json)
        if len(question.image) < _IN_THREAD_BYTES:
            facts, sha256 = self._look_at(question)
        else:
            facts, sha256 = await asyncio.to_thread(self._look_at, question)
        try:
            detector = await self._detectors.find(question.tenant, question.detector)
        except Refused:
            earlier = await self._accepted_before(question, facts, sha256)
            if earlier is None:
                raise
            return earlier
        return _Asked(question, facts, sha256, detector)

    async def _accepted_before(self, question: Question, facts: ImageFacts, sha256: str) -> _Asked | None:
        """Return the question if it was accepted with its key while its detector still took questions.

        Its sender may not know that yet: a repeat must give the same ID.
        """
        store = self._platform.store
        claim = None if question.key is None else await store.claims.by_key(question.tenant, question.key)
        if claim is None or not isinstance(claim.request, ImageQuerySubmitted):
            return None
        detector = await self._platform.catalog.detector(question.tenant, claim.request.detector_id)
        asked = None if detector is None else _Asked(question, facts, sha256, detector)
        return asked if asked is not None and asked.body_sha256 == claim.body_sha256 else None

    def _look_at(self, question: Question) -> tuple[ImageFacts, str]:
        facts = inspect(question.image, max_pixels=self._platform.settings.image_max_pixels)
        check_declared(question.declared_type, facts)
        return facts, hashlib.sha256(question.image).hexdigest()

    def _is_alone(self, question: Question) -> bool:
        """Say whether nobody can know of this question before it is accepted, and its image travels in the message."""
        inline = len(question.image) <= self._platform.settings.inline_image_bytes
        return question.key is None and question.query_id is None and inline

    async def _accept_alone(self, asked: _Asked) -> Claim:
        """Claim and publish at once: that its ID is found matters when it is returned, and both are done by then."""
        ours = self._ours(asked)
        await asyncio.gather(self._publish(asked, Accepted(claim=ours)), make_claim(self._platform.store, ours))
        return ours

    async def _claim(self, asked: _Asked) -> tuple[Claim, bool]:
        """Return the claim that counts, and whether an earlier submission with the same key made it."""
        ours = self._ours(asked)
        claim = await make_claim(self._platform.store, ours)
        if claim.body_sha256 != ours.body_sha256:
            raise Refused("key_reused", "it came with another image or other parameters before")
        return claim, claim.id != ours.id

    def _ours(self, asked: _Asked) -> Claim:
        """Return the claim that a new question makes."""
        question, now = asked.question, self._platform.clock.now()
        request = _request(asked, question.query_id or new_id(IMAGE_QUERY, now), now)
        return Claim(
            tenant=question.tenant,
            id=request.query_id,
            key=question.key,
            body_sha256=asked.body_sha256,
            request=request,
            created_at=now,
            expires_at=now + timedelta(hours=self._platform.settings.claim_hours),
        )

    async def _record_of(self, claim: Claim) -> QueryDocument | None:
        key = QueryKey(claim.tenant, claim.id)
        document = (await self._platform.store.queries.load([key])).get(key)
        if document is not None and document.erased_at is not None:
            raise Refused("query_erased", f"{claim.id} was asked with this key and erased since")
        return document

    async def _publish(self, asked: _Asked, accepted: Accepted) -> None:
        """Publish the question as the same fact however often: its time and ID follow from the claim."""
        claim, request = accepted.claim, accepted.request
        if await self._must_be_inline(asked):
            image = request.image.model_copy(update={"data": asked.question.image})
            request = request.model_copy(update={"image": image})
        event = event_of(
            request,
            source=_SOURCE,
            tenant=claim.tenant,
            at=claim.created_at,
            lane=asked.detector.lane,
            subject=claim.id,
            event_id=f"{EVENT}_{claim.id.removeprefix(f'{IMAGE_QUERY}_')}",
        )
        await self._platform.bus.publish([encode(event)])

    async def _must_be_inline(self, asked: _Asked) -> bool:
        """Return whether the image travels in the message; a large one is put into the store first, and does not."""
        question, settings = asked.question, self._platform.settings
        if len(question.image) <= settings.inline_image_bytes:
            return True
        blob = Blob(
            tenant=question.tenant,
            sha256=asked.image_sha256,
            media_type=asked.facts.media_type,
            data=question.image,
            expires_at=self._platform.clock.now() + timedelta(days=settings.retention_days),
        )
        try:
            await self._platform.store.images.put(blob)
        except Unavailable as error:
            if question.key is not None or len(question.image) > MAX_IMAGE_BYTES:
                raise
            log.warning("submitter.inlined", size_bytes=len(question.image), error=str(error))
            return True
        return False

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            self._platform.metrics.submitted.labels(error.code).inc()
            raise
        except Unavailable:
            self._platform.metrics.submitted.labels("unavailable").inc()
            raise


def check_key(key: str) -> None:
    """Refuse an idempotency key that is not 1 to 255 visible ASCII characters.

    Raises:
        Refused: key_invalid.
    """
    if not 0 < len(key) <= _LONGEST_KEY or not all("!" <= letter <= "~" for letter in key):
        raise Refused("key_invalid", f"Idempotency-Key: 1 to {_LONGEST_KEY} visible ASCII characters, no spaces")


def _request(asked: _Asked, query_id: str, submitted_at: datetime) -> ImageQuerySubmitted:
    """Return the question with its image by reference."""
    question, detector = asked.question, asked.detector
    threshold, patience_s = question.confidence_threshold, question.patience_s
    expires_in_s = question.expires_in_s
    return ImageQuerySubmitted(
        query_id=query_id,
        detector_id=detector.id,
        image=Image(sha256=asked.image_sha256, size_bytes=len(question.image), media_type=asked.facts.media_type),
        submitted_at=submitted_at,
        confidence_threshold=detector.confidence_threshold if threshold is None else threshold,
        patience_s=detector.patience_s if patience_s is None else patience_s,
        metadata_json=question.metadata_json,
        expires_at=None if expires_in_s is None else submitted_at + timedelta(seconds=expires_in_s),
    )
