"""Records of the control plane as their readers see them."""

import json

from contracts.http.detectors import Detector
from contracts.http.models import Model
from contracts.http.tokens import Token
from services.kit.store.records import DetectorRecord, ModelRecord, TokenRecord


def to_detector(record: DetectorRecord, model: ModelRecord | None) -> Detector:
    """Return the resource of a detector; `model` is the one it binds, if that is known."""
    return Detector(
        id=record.id,
        name=record.name,
        query=record.query,
        mode=record.mode,
        labels=record.labels,
        class_name=record.class_name,
        max_objects=record.max_objects,
        max_characters=record.max_characters,
        group=record.group,
        enabled=record.enabled,
        confidence_threshold=record.confidence_threshold,
        patience_s=record.patience_s,
        model=model.name if model is not None else None,
        model_id=record.model_id,
        lane=record.lane,
        metadata=json.loads(record.metadata_json) if record.metadata_json is not None else None,
        revision=record.revision,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def to_model(record: ModelRecord) -> Model:
    """Return the resource of a model."""
    return Model(
        id=record.id,
        name=record.name,
        digest=record.digest,
        size_bytes=record.size_bytes,
        manifest=record.manifest,
        status=record.status,
        reason=record.reason,
        detail=record.detail,
        description=record.description,
        revision=record.revision,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def to_token(record: TokenRecord) -> Token:
    """Return the resource of a token, without anything secret."""
    return Token(
        key_id=record.id,
        name=record.name,
        scopes=record.scopes,
        created_at=record.created_at,
        revoked=record.removed_at is not None,
    )
