"""Builders of what a store keeps. Every builder gives something valid; name only what the test is about."""

import hashlib
from datetime import UTC, datetime, timedelta

from contracts.http.models import Manifest, ManifestInput, ManifestOutput
from contracts.ids import DETECTOR, IMAGE_QUERY, MODEL, new_id
from contracts.v1.image_query import Image, ImageQuerySubmitted, Score, Timings
from contracts.v1.results import State
from services.kit.store.documents import AnswerRecord, QueryDocument, Transition
from services.kit.store.records import Blob, Claim, DeadLetter, DetectorRecord, EntryRecord, ModelRecord, TokenRecord

# Far ahead of every machine's clock, so that no server removes by its own time what a test calls fresh.
NOW = datetime(2051, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)
TENANT = "acme"
DETECTOR_ID = "det_" + "d" * 27
SHA256 = hashlib.sha256(b"image").hexdigest()


def later(seconds: float) -> datetime:
    """The moment `seconds` after NOW, or before it when negative."""
    return NOW + timedelta(seconds=seconds)


def make_request(
    query_id: str,
    *,
    detector_id: str = DETECTOR_ID,
    sha256: str = SHA256,
    submitted_at: datetime = NOW,
    expires_at: datetime | None = None,
    metadata_json: str | None = None,
) -> ImageQuerySubmitted:
    """A question as it lies in a document: its image by reference."""
    return ImageQuerySubmitted(
        query_id=query_id,
        detector_id=detector_id,
        image=Image(sha256=sha256, size_bytes=5, media_type="image/jpeg"),
        submitted_at=submitted_at,
        expires_at=expires_at,
        metadata_json=metadata_json,
        patience_s=30.0,
    )


def make_answer(label: str = "YES", *, confidence: float = 0.75, at: datetime = NOW) -> AnswerRecord:
    """A model's answer with everything that an answer can have."""
    return AnswerRecord(
        id="ans_" + "a" * 27,
        source="model",
        label=label,
        confidence=confidence,
        scores=(Score(label=label, score=confidence), Score(label="other", score=0.1 + 0.2)),
        model_name="door",
        model_digest="d" * 64,
        at=at,
        timings=Timings(queue_s=0.1, decode_s=1e-9, inference_s=1 / 3, batch_size=8),
        image_width=640,
        image_height=480,
    )


def make_document(
    query_id: str | None = None,
    *,
    tenant: str = TENANT,
    revision: int = 1,
    state: State = "submitted",
    lane: str = "default",
    detector_id: str = DETECTOR_ID,
    sha256: str = SHA256,
    requested: bool = True,
    answer: AnswerRecord | None = None,
    held: str | None = None,
    metadata_json: str | None = None,
    request_expires_at: datetime | None = None,
    created_at: datetime = NOW,
    updated_at: datetime | None = None,
    expires_at: datetime | None = None,
    erased_at: datetime | None = None,
) -> QueryDocument:
    """A query; `requested` False leaves it without its request, as when a fact overtook the submission."""
    query_id = query_id or new_id(IMAGE_QUERY, created_at)
    request = make_request(
        query_id,
        detector_id=detector_id,
        sha256=sha256,
        submitted_at=created_at,
        expires_at=request_expires_at,
        metadata_json=metadata_json,
    )
    return QueryDocument(
        id=query_id,
        tenant=tenant,
        lane=lane,
        state=state,
        revision=revision,
        request=request if requested else None,
        answers=(answer,) if answer else (),
        answer=answer,
        held=held,
        attempts=1,
        lineage=("image_query.submitted.v1",),
        history=(Transition(state=state, at=created_at, fact_id="evt_1", revision=1),),
        created_at=created_at,
        updated_at=updated_at or created_at,
        expires_at=expires_at,
        erased_at=erased_at,
    )


def make_claim(
    query_id: str | None = None,
    *,
    tenant: str = TENANT,
    key: str | None = None,
    body: bytes = b"body",
    expires_at: datetime | None = None,
    sha256: str = SHA256,
) -> Claim:
    """A claim that holds for a day unless it says when it expires."""
    claimed_id = query_id or new_id(IMAGE_QUERY, NOW)
    return Claim(
        tenant=tenant,
        id=claimed_id,
        key=key,
        body_sha256=hashlib.sha256(body).hexdigest(),
        request=make_request(claimed_id, sha256=sha256),
        created_at=NOW,
        expires_at=expires_at or later(86400),
    )


def make_blob(data: bytes = b"image", *, tenant: str = TENANT, expires_at: datetime | None = None) -> Blob:
    """Bytes under their own hash, kept for ever unless it says when they expire."""
    return Blob(
        tenant=tenant,
        sha256=hashlib.sha256(data).hexdigest(),
        media_type="image/png",
        data=data,
        expires_at=expires_at,
    )


def make_detector(name: str = "door", *, tenant: str = TENANT, created_at: datetime = NOW) -> DetectorRecord:
    """A detector with an ID of its own."""
    return DetectorRecord(
        tenant=tenant,
        id=new_id(DETECTOR, created_at),
        name=name,
        query="Is the door open?",
        metadata_json='{"$gt": 1, "a.b": 12345678901234567890123}',
        created_at=created_at,
        updated_at=created_at,
    )


def make_model(name: str = "door", *, tenant: str = TENANT, created_at: datetime = NOW) -> ModelRecord:
    """A model that is being checked."""
    return ModelRecord(
        tenant=tenant,
        id=new_id(MODEL, created_at),
        name=name,
        digest="e" * 64,
        size_bytes=300_000,
        manifest=Manifest(
            input=ManifestInput(width=64, height=48, mean=(0.1, 0.2, 0.3), std=(1.0, 0.5, 1 / 3)),
            output=ManifestOutput(labels=("NO", "YES")),
        ),
        created_at=created_at,
        updated_at=created_at,
    )


def make_token(name: str = "camera", *, tenant: str = TENANT, created_at: datetime = NOW) -> TokenRecord:
    """A token with a public key id of its own."""
    return TokenRecord(
        tenant=tenant,
        id="api_" + new_id("key", created_at)[-16:],
        name=name,
        secret_hash="f" * 64,
        scopes=("queries:write", "queries:read"),
        created_at=created_at,
        updated_at=created_at,
    )


def make_entry(name: str = "yard", *, tenant: str = TENANT, created_at: datetime = NOW) -> EntryRecord:
    """A group of detectors, as a client surface keeps it."""
    return EntryRecord(
        tenant=tenant,
        id=new_id("grp", created_at),
        name=name,
        kind="group",
        created_at=created_at,
        updated_at=created_at,
    )


def make_dead_letter(letter_id: str = "evt_1", *, body: bytes = b"\x00\xff\x80", died_at: datetime = NOW) -> DeadLetter:
    """A message that nobody could read."""
    return DeadLetter(
        id=letter_id,
        tenant=TENANT,
        query_id=None,
        queue="result_store.facts",
        reason="bad_payload",
        detail="not JSON – \N{PILE OF POO}",
        attempts=3,
        routing_key="label.added.v1.default",
        exchange="facts",
        headers={"cloudEvents_type": "label.added", "$gt": "dotted.value", "a.b": ""},
        content_type="application/json",
        body=body,
        size_bytes=len(body),
        died_at=died_at,
    )
