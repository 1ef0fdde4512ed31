"""Query documents in SQLite."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from pydantic_core import from_json

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.store.documents import OPEN_STATES, QueryDocument, QueryKey
from services.kit.store.layout import lift
from services.kit.store.micros import to_micros
from services.kit.store.paging import cut_page
from services.kit.store.port import PASSED_STATES, Cursor, Page, QueryFilter, Swap
from services.kit.store.sqlite_schema import before

_PURGE = 500
"""Documents removed in one commit: others write between the commits."""

Parameters = dict[str, str | int | None]

# One bound list instead of one variable per key: a statement has a limit of variables.
_LOAD = """
SELECT queries.document FROM json_each(:keys) AS wanted CROSS JOIN queries
ON queries.tenant = json_extract(wanted.value, '$[0]') AND queries.id = json_extract(wanted.value, '$[1]')
"""

_USES_IMAGE = """
SELECT 1 FROM queries
WHERE tenant = ? AND image_sha256 = ? AND erased = 0 AND id NOT IN (SELECT value FROM json_each(?)) LIMIT 1
"""

_INSERT = """
INSERT INTO queries (
  tenant, id, kind, lane, state, revision, detector_id, image_sha256, label, held, open, passed, answered, requested,
  erased, created_at, updated_at, expires_at, request_expires_at, document
) VALUES (
  :tenant, :id, :kind, :lane, :state, :revision, :detector_id, :image_sha256, :label, :held, :open, :passed, :answered,
  :requested, :erased, :created_at, :updated_at, :expires_at, :request_expires_at, :document
) ON CONFLICT (tenant, id) DO NOTHING
"""

_UPDATE = """
UPDATE queries SET
  kind = :kind, lane = :lane, state = :state, revision = :revision, detector_id = :detector_id,
  image_sha256 = :image_sha256, label = :label, held = :held, open = :open, passed = :passed, answered = :answered,
  requested = :requested, erased = :erased, created_at = :created_at, updated_at = :updated_at,
  expires_at = :expires_at, request_expires_at = :request_expires_at, document = :document
WHERE tenant = :tenant AND id = :id AND revision = :expected
"""

_PAGE = """
SELECT document FROM queries
WHERE tenant = :tenant AND erased = 0 AND (created_at, id) < (:before, :before_id)
  AND (expires_at IS NULL OR expires_at > :now)
"""

_COUNTED = """
SELECT 1 FROM queries WHERE tenant = :tenant AND erased = 0 AND (expires_at IS NULL OR expires_at > :now)
"""

_OVERTAKEN = """
SELECT document FROM queries AS early
WHERE open = 1 AND answered = 0 AND requested = 1 AND erased = 0 AND held IS NULL AND updated_at <= :older_than
  AND EXISTS (
    SELECT 1 FROM queries AS late
    WHERE late.tenant = early.tenant AND late.kind = early.kind AND late.lane = early.lane
      AND late.created_at > early.created_at AND late.passed = 1
  )
ORDER BY created_at, id LIMIT :limit
"""

_PAST_EXPIRY = """
SELECT document FROM queries
WHERE open = 1 AND erased = 0 AND request_expires_at IS NOT NULL AND request_expires_at <= :now
ORDER BY created_at, id LIMIT :limit
"""

_HELD = """
SELECT document FROM queries
WHERE open = 1 AND erased = 0 AND held IS NOT NULL AND tenant = :tenant AND detector_id = :detector_id
ORDER BY created_at, id LIMIT :limit
"""


class SqliteQueries:
    """The Queries port on one SQLite file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def load(self, keys: Sequence[QueryKey]) -> dict[QueryKey, QueryDocument]:
        """See `port.Queries.load`."""
        if not keys:
            return {}
        documents = await self._select(_LOAD, {"keys": json.dumps(keys)})
        return {document.key: document for document in documents}

    async def swap(self, swaps: Sequence[Swap]) -> frozenset[QueryKey]:
        """See `port.Queries.swap`."""
        if not swaps:
            return frozenset()
        rows = [(swap.document.key, _row(swap)) for swap in swaps]

        def work(connection: sqlite3.Connection) -> frozenset[QueryKey]:
            conflicts = set()
            for key, row in rows:
                statement = _UPDATE if row["expected"] else _INSERT
                if connection.execute(statement, row).rowcount == 0:
                    conflicts.add(key)
            return frozenset(conflicts)

        return await self._database.write(work)

    async def page(
        self, tenant: str, query_filter: QueryFilter, cursor: Cursor | None, limit: int
    ) -> Page[QueryDocument]:
        """See `port.Queries.page`."""
        conditions, parameters = _conditions(query_filter)
        before_micros, before_id = before(cursor)
        parameters |= {
            "tenant": tenant,
            "before": before_micros,
            "before_id": before_id,
            "now": to_micros(self._clock.now()),
            "limit": limit + 1,
        }
        statement = " AND ".join((_PAGE, *conditions)) + " ORDER BY created_at DESC, id DESC LIMIT :limit"
        documents = await self._select(statement, parameters)
        return cut_page(documents, limit, lambda document: Cursor(document.created_at, document.id))

    async def count(self, tenant: str, query_filter: QueryFilter, most: int) -> int:
        """See `port.Queries.count`."""
        conditions, parameters = _conditions(query_filter)
        parameters |= {"tenant": tenant, "now": to_micros(self._clock.now()), "most": most}
        statement = f"SELECT count(*) FROM ({' AND '.join((_COUNTED, *conditions))} LIMIT :most)"  # noqa: S608 - ours

        def work(connection: sqlite3.Connection) -> int:
            return int(connection.execute(statement, parameters).fetchone()[0])

        return await self._database.read(work)

    async def overtaken(self, older_than: datetime, limit: int) -> Sequence[QueryDocument]:
        """See `port.Queries.overtaken`."""
        return await self._select(_OVERTAKEN, {"older_than": to_micros(older_than), "limit": limit})

    async def past_expiry(self, now: datetime, limit: int) -> Sequence[QueryDocument]:
        """See `port.Queries.past_expiry`."""
        return await self._select(_PAST_EXPIRY, {"now": to_micros(now), "limit": limit})

    async def held(self, tenant: str, detector_id: str, limit: int) -> Sequence[QueryDocument]:
        """See `port.Queries.held`."""
        return await self._select(_HELD, {"tenant": tenant, "detector_id": detector_id, "limit": limit})

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        """See `port.Queries.uses_image`."""
        parameters = (tenant, sha256, json.dumps(list(besides)))

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(_USES_IMAGE, parameters).fetchone() is not None

        return await self._database.read(work)

    async def purge(self, now: datetime) -> int:
        """See `port.Queries.purge`."""
        statement = "DELETE FROM queries WHERE rowid IN (SELECT rowid FROM queries WHERE expires_at <= ? LIMIT ?) "
        parameters = (to_micros(now), _PURGE)

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(statement, parameters).rowcount

        purged = count = await self._database.write(work)
        while count == _PURGE:
            count = await self._database.write(work)
            purged += count
        return purged

    async def _select(self, statement: str, parameters: Parameters) -> list[QueryDocument]:
        def work(connection: sqlite3.Connection) -> list[QueryDocument]:
            return [lift(from_json(row["document"])) for row in connection.execute(statement, parameters)]

        return await self._database.read(work)


def _row(swap: Swap) -> Parameters:
    document, request, image_request = swap.document, swap.document.request, swap.document.image_request
    return {
        "expected": swap.expected,
        "tenant": document.tenant,
        "id": document.id,
        "kind": document.kind,
        "lane": document.lane,
        "state": document.state,
        "revision": document.revision,
        "detector_id": image_request.detector_id if image_request else None,
        "image_sha256": image_request.image.sha256 if image_request else None,
        "label": document.answer.label if document.answer else None,
        "held": document.held,
        "open": document.state in OPEN_STATES,
        "passed": document.state in PASSED_STATES,
        "answered": bool(document.answers),
        "requested": request is not None,
        "erased": document.erased_at is not None,
        "created_at": to_micros(document.created_at),
        "updated_at": to_micros(document.updated_at),
        "expires_at": to_micros(document.expires_at),
        "request_expires_at": to_micros(request.expires_at) if request else None,
        "document": document.model_dump_json(),
    }


def _conditions(query_filter: QueryFilter) -> tuple[list[str], Parameters]:
    wanted: tuple[tuple[str, str, str | int | None], ...] = (
        ("kind = :kind", "kind", query_filter.kind),
        ("detector_id = :detector_id", "detector_id", query_filter.detector_id),
        ("state = :state", "state", query_filter.state),
        ("label = :label", "label", query_filter.label),
        ("created_at >= :created_from", "created_from", to_micros(query_filter.created_from)),
        ("created_at < :created_until", "created_until", to_micros(query_filter.created_until)),
    )
    conditions = [condition for condition, _, value in wanted if value is not None]
    if query_filter.open_only:
        conditions.append("open = 1 AND answered = 0")
    return conditions, {name: value for _, name, value in wanted if value is not None}
