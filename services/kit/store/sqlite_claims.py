"""Claims in SQLite."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.store.documents import QueryKey
from services.kit.store.micros import to_micros
from services.kit.store.records import Claim

_HOLDER = """
SELECT claim FROM claims WHERE tenant = :tenant AND id = :id
UNION ALL
SELECT claim FROM claims WHERE tenant = :tenant AND key = :key
LIMIT 1
"""
_DROP_EXPIRED = "DELETE FROM claims WHERE tenant = :tenant AND (id = :id OR key = :key) AND expires_at <= :now"
_INSERT = "INSERT INTO claims (tenant, id, key, expires_at, claim) VALUES (:tenant, :id, :key, :expires_at, :claim)"
# Written as its index has it.
_USES_IMAGE = """
SELECT 1 FROM claims
WHERE tenant = ? AND json_extract(claim, '$.request.image.sha256') = ? AND id NOT IN (SELECT value FROM json_each(?))
LIMIT 1
"""


class SqliteClaims:
    """The Claims port on one SQLite file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def make(self, claim: Claim) -> Claim:
        """See `port.Claims.make`."""
        row = {
            "tenant": claim.tenant,
            "id": claim.id,
            "key": claim.key,
            "expires_at": to_micros(claim.expires_at),
            "now": to_micros(self._clock.now()),
            "claim": claim.model_dump_json(),
        }

        # Writes run one after the other, so that nobody comes between the look and the insert.
        def work(connection: sqlite3.Connection) -> Claim:
            connection.execute(_DROP_EXPIRED, row)
            holder = connection.execute(_HOLDER, row).fetchone()
            if holder is not None:
                return Claim.model_validate_json(holder["claim"])
            connection.execute(_INSERT, row)
            return claim

        return await self._database.write(work)

    async def find(self, key: QueryKey) -> Claim | None:
        """See `port.Claims.find`."""

        def work(connection: sqlite3.Connection) -> Claim | None:
            row = connection.execute("SELECT claim FROM claims WHERE tenant = ? AND id = ?", key).fetchone()
            return None if row is None else Claim.model_validate_json(row["claim"])

        return await self._database.read(work)

    async def by_key(self, tenant: str, key: str) -> Claim | None:
        """See `port.Claims.by_key`."""
        statement = "SELECT claim FROM claims WHERE tenant = ? AND key = ? AND expires_at > ?"
        parameters = (tenant, key, to_micros(self._clock.now()))

        def work(connection: sqlite3.Connection) -> Claim | None:
            row = connection.execute(statement, parameters).fetchone()
            return None if row is None else Claim.model_validate_json(row["claim"])

        return await self._database.read(work)

    async def uses_image(self, tenant: str, sha256: str, *, besides: Sequence[str] = ()) -> bool:
        """See `port.Claims.uses_image`."""
        parameters = (tenant, sha256, json.dumps(list(besides)))

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(_USES_IMAGE, parameters).fetchone() is not None

        return await self._database.read(work)

    async def delete(self, key: QueryKey) -> None:
        """See `port.Claims.delete`."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM claims WHERE tenant = ? AND id = ?", key)

        await self._database.write(work)

    async def purge(self, now: datetime) -> int:
        """See `port.Claims.purge`."""

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM claims WHERE expires_at <= ?", (to_micros(now),)).rowcount

        return await self._database.write(work)
