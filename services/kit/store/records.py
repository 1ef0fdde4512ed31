"""Small records of the control plane, the claims of submissions, blobs, data products and dead letters."""

import json
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contracts.http.detectors import Mode
from contracts.http.models import Manifest
from contracts.http.sources import SourceType
from contracts.http.tokens import Scope
from services.kit.store.documents import Submitted


class Record(BaseModel):
    """Base of the control plane's records, keyed by (tenant, id).

    `revision` starts at 1 and grows by one with each replacement. `removed_at` hides it from lists; it stays so that
    a reader can say "gone".
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant: str
    id: str
    name: str
    revision: int = 1
    created_at: datetime
    updated_at: datetime
    removed_at: datetime | None = None

    @property
    def unique_name(self) -> str | None:
        """The name that no other record of the tenant may hold, or None when it holds none."""
        return self.name if self.removed_at is None else None


class DetectorRecord(Record):
    """A detector as stored."""

    query: str
    mode: Mode = "binary"
    labels: tuple[str, ...] = ("NO", "YES")
    class_name: str | None = None
    max_objects: int | None = None
    max_characters: int | None = None
    group: str = "default"
    enabled: bool = True
    human_labeling: bool = True
    """Stored and echoed for Groundlight's clients: whether people are meant to be asked."""
    confidence_threshold: float = 0.9
    patience_s: float = 30.0
    model_id: str | None = None
    constant: str | None = None
    """A pipeline that gives always the same answer, for tests of client programs; a bound model goes before it."""
    lane: str = "default"
    metadata_json: str | None = None
    made_with: str | None = None
    """The idempotency key of its creation, so that the same request again finds it."""


class ModelRecord(Record):
    """A model as stored; the file lies in `model_files` under (tenant, digest)."""

    digest: str
    size_bytes: int
    manifest: Manifest
    status: Literal["checking", "ready", "rejected"] = "checking"
    reason: str | None = None
    detail: str = ""
    description: str = ""

    @property
    def unique_name(self) -> str | None:
        """A rejected model holds no name, so that the mended file can have it."""
        return None if self.status == "rejected" else super().unique_name


class TokenRecord(Record):
    """A token as stored: `id` is the public key id, the secret only a keyed hash."""

    secret_hash: str
    scopes: tuple[Scope, ...]

    @property
    def unique_name(self) -> str | None:
        """Several tokens may share a name."""
        return None


class SourceRecord(Record):
    """A data source of searches as stored: `id` is its identifier in decimal, `name` what people are shown.

    A removed source's identifier and triple are free again: who adds one with the identifier of a removed one replaces
    that record with the next revision.
    """

    program: str
    platform: str
    instrument_type: str
    source_type: SourceType
    metadata_json: str = "{}"
    owner: str | None = None
    maintainers: tuple[str, ...] = ()
    ephemeris_metadata_schema_json: str = "[]"
    data_product_metadata_schema_json: str = "[]"

    @property
    def identifier(self) -> int:
        """The identifier as clients know it; a negative one is internal."""
        return int(self.id)

    @property
    def unique_name(self) -> str | None:
        """The triple that no other source of the tenant may have."""
        return None if self.removed_at else source_name(self.program, self.platform, self.instrument_type)


def source_name(program: str, platform: str, instrument_type: str) -> str:
    """Return the unique name of a source, unambiguous whatever its parts hold."""
    return json.dumps([program, platform, instrument_type])


class DataProduct(BaseModel):
    """A file that somebody made of a source's data, known by its address."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant: str
    source: int
    url: str
    data_product_type: str
    start: datetime
    end: datetime
    metadata_json: str = "{}"


class EntryRecord(Record):
    """A small thing that only a client surface knows; `content_json` is the surface's own."""

    kind: Literal["group", "note", "priming_group", "edge_config"]
    content_json: str = "{}"

    @property
    def unique_name(self) -> str | None:
        """Names are unique within a kind; notes have none."""
        held = super().unique_name
        return None if held is None or self.kind == "note" else f"{self.kind} {held}"


class Claim(BaseModel):
    """The memory of a submission from before its document exists.

    `request` is the question, its image by reference: a lookup can echo it at once, and a repeat publishes exactly
    it. `key` is the client's idempotency key, None when it sent none; `body_sha256` covers everything that the client
    asked for, so that the same key with another question is noticed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant: str
    id: str
    key: str | None = None
    body_sha256: str
    request: Submitted
    created_at: datetime
    expires_at: datetime


class Blob(BaseModel):
    """Bytes under (tenant, sha256). `expires_at` None keeps them."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    sha256: str
    media_type: str
    data: bytes
    expires_at: datetime | None = None


class LetterSummary(BaseModel):
    """What is known of a message that a queue gave up, without the message."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    tenant: str
    """ "" when the message named none, or one that its sender may not speak for."""
    query_id: str | None
    queue: str
    reason: str
    detail: str
    attempts: int
    requeues: int = 0
    """How often an operator had it published again before it died this time."""
    routing_key: str
    exchange: Literal["in", "facts"]
    content_type: str
    size_bytes: int
    died_at: datetime


class DeadLetter(LetterSummary):
    """A message that a queue gave up, kept whole for an operator."""

    headers: dict[str, str]
    body: bytes

    @property
    def summary(self) -> LetterSummary:
        """The letter without the message."""
        return LetterSummary.model_validate(dict(self))
