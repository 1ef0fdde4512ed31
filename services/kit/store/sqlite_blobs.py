"""Blobs in SQLite.

What is known of a blob and its bytes are two rows: changing a row rewrites all of it, and only `expires_at` changes.
Bytes are written from and read into the one buffer of the caller, page by page; a bound parameter or a fetched
column would hold two more copies.
"""

import sqlite3
from datetime import datetime

from services.kit.database import Database
from services.kit.errors import Refused
from services.kit.store.micros import from_micros, to_micros
from services.kit.store.records import Blob

MAX_BLOB_BYTES = 999_000_000
"""SQLite takes rows up to 1,000,000,000 bytes unless it was compiled otherwise."""

_PURGE = 50
"""Blobs removed in one commit: others write between the commits."""

# max() of a NULL is NULL, and NULL (kept for ever) is the latest.
_KEEP = """
UPDATE blobs SET expires_at = max(expires_at, :expires_at)
WHERE collection = :collection AND tenant = :tenant AND sha256 = :sha256
"""
_INSERT = """
INSERT INTO blobs (collection, tenant, sha256, media_type, expires_at)
VALUES (:collection, :tenant, :sha256, :media_type, :expires_at)
"""


class SqliteBlobs:
    """The Blobs port for one collection on one SQLite file."""

    def __init__(self, database: Database, collection: str) -> None:
        self._database = database
        self._collection = collection

    async def put(self, blob: Blob) -> None:
        """See `port.Blobs.put`."""
        if len(blob.data) > MAX_BLOB_BYTES:
            raise Refused("body_too_large", f"the embedded store takes up to {MAX_BLOB_BYTES} bytes in one piece")
        row = {
            "collection": self._collection,
            "tenant": blob.tenant,
            "sha256": blob.sha256,
            "media_type": blob.media_type,
            "expires_at": to_micros(blob.expires_at),
        }

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(_KEEP, row).rowcount:
                return
            blob_id = connection.execute(_INSERT, row).lastrowid
            connection.execute("INSERT INTO blob_data VALUES (?, zeroblob(?))", (blob_id, len(blob.data)))
            if blob_id is not None and blob.data:
                with connection.blobopen("blob_data", "data", blob_id) as stored:
                    stored.write(blob.data)

        await self._database.write(work)

    async def get(self, tenant: str, sha256: str) -> Blob | None:
        """See `port.Blobs.get`."""
        statement = (
            "SELECT blob_id, media_type, expires_at FROM blobs WHERE collection = ? AND tenant = ? AND sha256 = ?"
        )

        def work(connection: sqlite3.Connection) -> Blob | None:
            connection.execute("BEGIN")  # both rows as of one moment
            try:
                row = connection.execute(statement, (self._collection, tenant, sha256)).fetchone()
                if row is None:
                    return None
                with connection.blobopen("blob_data", "data", row["blob_id"], readonly=True) as stored:
                    data = stored.read()
            finally:
                connection.execute("COMMIT")
            return Blob(
                tenant=tenant,
                sha256=sha256,
                media_type=row["media_type"],
                data=data,
                expires_at=from_micros(row["expires_at"]),
            )

        return await self._database.read(work)

    async def keep_until(self, tenant: str, sha256: str, expires_at: datetime | None) -> None:
        """See `port.Blobs.keep_until`."""
        row = {
            "collection": self._collection,
            "tenant": tenant,
            "sha256": sha256,
            "expires_at": to_micros(expires_at),
        }

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_KEEP, row)

        await self._database.write(work)

    async def delete(self, tenant: str, sha256: str, *, seen: Blob | None = None) -> None:
        """See `port.Blobs.delete`."""
        statement = "SELECT blob_id FROM blobs WHERE collection = ? AND tenant = ? AND sha256 = ?"
        if seen is None:
            await self._remove(statement, (self._collection, tenant, sha256))
        else:
            expires_at = to_micros(seen.expires_at)
            await self._remove(f"{statement} AND expires_at IS ?", (self._collection, tenant, sha256, expires_at))

    async def purge(self, now: datetime) -> int:
        """See `port.Blobs.purge`."""
        statement = "SELECT blob_id FROM blobs WHERE collection = ? AND expires_at <= ? LIMIT ?"
        parameters = (self._collection, to_micros(now), _PURGE)
        purged = count = await self._remove(statement, parameters)
        while count == _PURGE:
            count = await self._remove(statement, parameters)
            purged += count
        return purged

    async def _remove(self, statement: str, parameters: tuple[str | int | None, ...]) -> int:
        def work(connection: sqlite3.Connection) -> int:
            found = [(row["blob_id"],) for row in connection.execute(statement, parameters)]
            connection.executemany("DELETE FROM blob_data WHERE blob_id = ?", found)
            connection.executemany("DELETE FROM blobs WHERE blob_id = ?", found)
            return len(found)

        return await self._database.write(work)
