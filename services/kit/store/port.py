"""The Store port: what every store promises. An adapter is done when it passes tests/services/kit/store.

A store is a handful of small collections. Every write that returned is durable (majority and journal, or fsync).
Every method raises `Unavailable` when the store is away and `Unknown` when no answer came in time; none hangs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from contracts.kinds import KindName
from contracts.v1.results import State
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.records import (
    Blob,
    Claim,
    DeadLetter,
    DetectorRecord,
    EntryRecord,
    LetterSummary,
    ModelRecord,
    Record,
    SourceRecord,
    TokenRecord,
)
from services.kit.store.source_port import DataProducts, Ephemeris

PASSED_STATES: frozenset[State] = frozenset({"answered", "failed"})
"""The ends that work gave: they show that a worker, or the last attempt of one, has come past."""

MAX_CHUNK_BYTES = 8 * 1024 * 1024
"""Largest chunk of a search's rows."""

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Cursor(NamedTuple):
    """Where a page ended; lists are sorted by (created_at, id), newest first."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items and where to go on, None on the last page."""

    items: Sequence[T]
    next: Cursor | None


class Swap(NamedTuple):
    """Write `document` if the stored revision is `expected`; 0 means that there must be none."""

    document: QueryDocument
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFilter:
    """Which queries to list; None admits all. Times are of creation: from inclusive, until exclusive."""

    kind: KindName | None = None
    detector_id: str | None = None
    state: State | None = None
    label: str | None = None
    """The label of the answer that counts."""
    open_only: bool = False
    """Only those without any answer whose work has not ended."""
    created_from: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which dead letters to list; None admits all."""

    queue: str | None = None
    reason: str | None = None
    query_id: str | None = None
    tenant: str | None = None
    """ "" admits those that speak for no tenant."""


class Queries(Protocol):
    """Query documents, keyed by (tenant, id). Erased ones are loaded like others, but never listed."""

    async def load(self, keys: Sequence[QueryKey]) -> dict[QueryKey, QueryDocument]:
        """Return those that exist, in one read. Sees every swap that returned before."""
        ...

    async def swap(self, swaps: Sequence[Swap]) -> frozenset[QueryKey]:
        """Write each document whose expected revision still holds; return the keys of those that did not.

        Each document is atomic by itself; the batch is not a transaction, and no key may come twice in it. A conflict
        only means that somebody was faster (or that the document is gone): load and fold again.
        """
        ...

    async def page(
        self, tenant: str, query_filter: QueryFilter, cursor: Cursor | None, limit: int
    ) -> Page[QueryDocument]:
        """List newest first, without those past their retention."""
        ...

    async def count(self, tenant: str, query_filter: QueryFilter, most: int) -> int:
        """Count what `page` would list in all, but stop at `most`."""
        ...

    async def overtaken(self, older_than: datetime, limit: int) -> Sequence[QueryDocument]:
        """Return open queries that later ones have overtaken, oldest first, every tenant.

        Overtaken: with a request, not held, without any answer, last updated at or before `older_than`, and a later
        one (by `created_at`) of the same tenant, kind and lane is in one of PASSED_STATES. One that was cancelled or
        expired says nothing: the workers may all be away.
        """
        ...

    async def past_expiry(self, now: datetime, limit: int) -> Sequence[QueryDocument]:
        """Return open queries whose `request.expires_at` is at or before `now`, oldest first, every tenant."""
        ...

    async def held(self, tenant: str, detector_id: str, limit: int) -> Sequence[QueryDocument]:
        """Return open queries of the detector that are held, oldest first."""
        ...

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        """Say whether a document that is not erased, other than of the queries `besides`, refers to the image."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove documents whose `expires_at` is at or before `now`; return how many."""
        ...


class Claims(Protocol):
    """Claims of submissions, keyed by (tenant, id); (tenant, key) is unique where the key is not None."""

    async def make(self, claim: Claim) -> Claim:
        """Store the claim, or return the one that already holds its id or its key (an expired one is replaced).

        Of any number of calls in parallel with one key, all return the same claim. A repeated call is harmless.
        """
        ...

    async def find(self, key: QueryKey) -> Claim | None:
        """Return the claim of a query ID; an expired one may still be there until it is purged."""
        ...

    async def by_key(self, tenant: str, key: str) -> Claim | None:
        """Return the claim that holds an idempotency key, without an expired one."""
        ...

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        """Say whether a claim, other than of the queries `besides`, refers to the image.

        Its question may still be under way, so that no document says it yet.
        """
        ...

    async def delete(self, key: QueryKey) -> None:
        """Remove the claim of a query ID; nothing happens when there is none."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove expired claims; return how many."""
        ...


class Blobs(Protocol):
    """Content-addressed bytes, keyed by (tenant, sha256), 0 bytes to at least 512 MiB each.

    Whether the bytes fit their sha256 is the caller's business. An expired blob may be there until it is purged.
    """

    async def put(self, blob: Blob) -> None:
        """Store; if it is there already only its `expires_at` moves, to the later one (None is the latest).

        Raises:
            Refused: `body_too_large`, above what this adapter can hold.
        """
        ...

    async def get(self, tenant: str, sha256: str) -> Blob | None:
        """Return the blob."""
        ...

    async def keep_until(self, tenant: str, sha256: str, expires_at: datetime | None) -> None:
        """Move `expires_at` to the later one; nothing happens when there is no such blob."""
        ...

    async def delete(self, tenant: str, sha256: str, *, seen: Blob | None = None) -> None:
        """Remove; nothing happens when there is no such blob.

        With `seen` only if its `expires_at` is still that: whoever puts or keeps it meanwhile moves it, unless it was
        kept for ever already.
        """
        ...

    async def purge(self, now: datetime) -> int:
        """Remove expired blobs; return how many."""
        ...


class Packed(NamedTuple):
    """Rows of a search in chunks of opaque bytes, and how much they are."""

    chunks: Sequence[bytes]
    rows: int
    size_bytes: int
    """As JSON."""


class RecordedPart(NamedTuple):
    """A part that is whole: how many chunks and rows it has, and how large they are as JSON."""

    chunks: int
    rows: int
    size_bytes: int


class SearchRows(Protocol):
    """Rows of searches in chunks of opaque bytes, keyed by (tenant, query ID, part, chunk number from 0).

    A part that is recorded is whole. Parts are numbered from 1; of a search whose parts must be joined, the rows that
    come out of it stand under the negative numbers of the parts. So do those of a search's only part, under -1: it is
    the result as it is.
    """

    async def put(self, key: QueryKey, part: int, packed: Packed, expires_at: datetime | None) -> None:
        """Store a part and record it, over what there was of it; repeated with the same rows it changes nothing.

        Each chunk has at most MAX_CHUNK_BYTES. A reader sees the part recorded only when all of it is there.
        """
        ...

    async def recorded(self, key: QueryKey, among: Sequence[int] | None = None) -> Mapping[int, RecordedPart]:
        """Return the parts that are whole, all or `among` some. Sees every `put` that returned before."""
        ...

    async def get(self, key: QueryKey, part: int, chunk: int) -> bytes | None:
        """Return one chunk."""
        ...

    async def delete(self, key: QueryKey) -> None:
        """Remove everything of a search; nothing happens when there is nothing."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove parts whose `expires_at` is at or before `now`; return how many."""
        ...


class Records(Protocol[R]):
    """Records of one type of the control plane."""

    async def insert(self, record: R) -> None:
        """Store a new record.

        Raises:
            Conflict: the id exists or another record of the tenant holds its unique name.
        """
        ...

    async def replace(self, record: R) -> None:
        """Store the next revision over the one before it.

        Raises:
            Conflict: the stored revision is not `record.revision - 1` (or nothing is stored), or the unique name is
                taken.
        """
        ...

    async def get(self, tenant: str, record_id: str) -> R | None:
        """Return the record, removed ones included."""
        ...

    async def by_name(self, tenant: str, name: str) -> R | None:
        """Return the record that holds the unique name."""
        ...

    async def find(self, record_id: str) -> R | None:
        """Return the record of any tenant, removed ones included.

        Only for authentication, where the tenant is what is asked for.
        """
        ...

    async def page(self, tenant: str, cursor: Cursor | None, limit: int) -> Page[R]:
        """List newest first, without removed ones."""
        ...


class DeadLetters(Protocol):
    """Messages that were given up, for an operator."""

    async def add(self, letter: DeadLetter) -> None:
        """Store; the same id again changes nothing."""
        ...

    async def get(self, letter_id: str) -> DeadLetter | None:
        """Return the letter."""
        ...

    async def summary(self, letter_id: str) -> LetterSummary | None:
        """Return what is known of the letter; its body is not read."""
        ...

    async def page(self, letter_filter: LetterFilter, cursor: Cursor | None, limit: int) -> Page[LetterSummary]:
        """List newest first by `died_at`; no body is read."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Return how many letters there are by reason, every tenant."""
        ...

    async def delete(self, letter_id: str) -> None:
        """Remove; nothing happens when there is no such letter."""
        ...

    async def purge(self, until: datetime) -> int:
        """Remove letters that died at or before `until`; return how many."""
        ...


class Store(Protocol):
    """Everything durable but messages. Enter it to connect; leave it to close."""

    @property
    def queries(self) -> Queries: ...
    @property
    def claims(self) -> Claims: ...
    @property
    def images(self) -> Blobs: ...
    @property
    def model_files(self) -> Blobs: ...
    @property
    def search_rows(self) -> SearchRows: ...
    @property
    def detectors(self) -> Records[DetectorRecord]: ...
    @property
    def models(self) -> Records[ModelRecord]: ...
    @property
    def tokens(self) -> Records[TokenRecord]: ...
    @property
    def entries(self) -> Records[EntryRecord]: ...
    @property
    def sources(self) -> Records[SourceRecord]: ...
    @property
    def ephemeris(self) -> Ephemeris: ...
    @property
    def data_products(self) -> DataProducts: ...
    @property
    def dead_letters(self) -> DeadLetters: ...

    async def __aenter__(self) -> Self:
        """Connect, verify durability, make sure that indexes exist.

        Raises:
            ConfigError: the address is wrong, or the server cannot keep the promises.
            Unavailable: it cannot be reached.
        """
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; writes that returned are kept."""
        ...

    async def check(self) -> None:
        """Return if the store works now; raise Unavailable saying what does not."""
        ...
