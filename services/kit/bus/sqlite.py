"""A durable bus in one SQLite file, for one process.

A publish is committed rows, an ack is a delete, and an attempt is on disk before the message is handed out: a message
that kills its consumer is seen to grow old. Publishers that call at the same time share a commit.

Time: within a process a delayed retry runs on the monotonic clock, so that setting the wall clock changes nothing.
Across a restart it is compared by wall clock, and at most the delay that was asked for is waited again: a clock that
was set back holds nothing up, one that was set forward makes a retry come early.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.kit.bus.embedded import EmbeddedBus
from services.kit.bus.port import Depth, Message
from services.kit.bus.rows import Back, Held, Post, State, Tag, Taken
from services.kit.clock import Clock, SystemClock
from services.kit.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    headers TEXT NOT NULL, -- JSON object
    content_type TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries ( -- one message in one queue
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: an old tag can never fit a new row
    message_id INTEGER NOT NULL REFERENCES messages (id),
    queue TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'ready', -- ready, delayed, held, parked
    attempts INTEGER NOT NULL DEFAULT 0,
    returned INTEGER NOT NULL DEFAULT 0, -- how often whoever held it was gone, since it was last settled
    added_headers TEXT NOT NULL DEFAULT '{}', -- JSON object: why it is a dead letter
    due REAL, -- delayed: Unix time in seconds
    delay_s REAL, -- delayed: what was asked for
    reason TEXT -- parked: why, for people
);
CREATE INDEX IF NOT EXISTS deliveries_by_queue ON deliveries (queue, state, id);
CREATE INDEX IF NOT EXISTS deliveries_by_due ON deliveries (queue, due) WHERE state = 'delayed';
CREATE INDEX IF NOT EXISTS deliveries_by_message ON deliveries (message_id);
CREATE TRIGGER IF NOT EXISTS last_delivery AFTER DELETE ON deliveries
WHEN NOT EXISTS (SELECT 1 FROM deliveries WHERE message_id = OLD.message_id)
BEGIN
    DELETE FROM messages WHERE id = OLD.message_id;
END;
CREATE TABLE IF NOT EXISTS checks (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL);
"""

_MESSAGE = """
SELECT deliveries.id, attempts, returned, added_headers, exchange, routing_key, headers, content_type, body
FROM deliveries JOIN messages ON messages.id = message_id
"""
_HELD = "WHERE id = :id AND attempts = :attempt AND state = 'held'"
_PAGE = 64
"""Parked messages looked at in one read: bounds the memory that their bodies take."""


class SqliteBus(EmbeddedBus):
    """The bus of `sqlite:///`: one file, owned by one process."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        super().__init__(SqliteRows(path, clock=clock or SystemClock()))


class SqliteRows:
    """Rows in a SQLite file; the body of a message is stored once for all its queues."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._database = Database(path, _SCHEMA)
        self._clock = clock
        self._epoch_s = 0.0

    async def open(self) -> None:
        self._database.open()
        self._epoch_s = self._clock.now().timestamp() - time.monotonic()
        try:
            await self._database.write(self._take_over)
        except BaseException:
            self._database.close()
            raise

    async def close(self) -> None:
        self._database.close()

    async def put(self, posts: Sequence[Post]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for message, queues in posts:
                cursor = connection.execute(
                    "INSERT INTO messages (exchange, routing_key, headers, content_type, body) VALUES (?, ?, ?, ?, ?)",
                    (
                        message.exchange,
                        message.routing_key,
                        json.dumps(dict(message.headers)),
                        message.content_type,
                        message.body,
                    ),
                )
                connection.executemany(
                    "INSERT INTO deliveries (message_id, queue) VALUES (?, ?)",
                    [(cursor.lastrowid, queue) for queue in queues],
                )

        await self._database.write(work)

    async def take(self, queue: str, limit: int) -> Taken:
        return await self._database.write(lambda connection: self._take(connection, queue, limit))

    async def delete(self, tags: Collection[Tag]) -> None:
        await self._change("DELETE FROM deliveries", [_parameters(tag) for tag in tags])

    async def release(self, tags: Mapping[Tag, Back]) -> None:
        await self._change(
            "UPDATE deliveries SET state = 'ready', attempts = attempts - :unseen, returned = returned + :left",
            [{**_parameters(tag), "unseen": why == Back.UNSEEN, "left": why == Back.LEFT} for tag, why in tags.items()],
        )

    async def delay(self, tag: Tag, delay_s: float) -> None:
        await self._change(
            "UPDATE deliveries SET state = 'delayed', due = :due, delay_s = :delay_s, returned = 0",
            [{**_parameters(tag), "due": self._now_s() + delay_s, "delay_s": delay_s}],
        )

    async def move(self, tag: Tag, queue: str, headers: Mapping[str, str]) -> None:
        parameters = {**_parameters(tag), "queue": queue, "headers": json.dumps(dict(headers))}
        # The new row comes first: with its last delivery the message would go.
        await self._change(
            "INSERT INTO deliveries (message_id, queue, added_headers) "
            "SELECT message_id, :queue, :headers FROM deliveries",
            [parameters],
            then="DELETE FROM deliveries",
        )

    async def park(self, tag: Tag, reason: str) -> None:
        await self._change(
            "UPDATE deliveries SET state = 'parked', reason = :reason", [{**_parameters(tag), "reason": reason}]
        )

    async def unpark(self, queue: str, known: Callable[[Message], bool]) -> int:
        count, last_id = 0, 0
        while page := await self._parked(queue, last_id):
            last_id = page[-1].tag.row_id
            chosen = [(row.tag.row_id,) for row in page if known(row.message)]
            count += await self._unpark(chosen)
        return count

    async def count(self, queue: str) -> Depth:
        def work(connection: sqlite3.Connection) -> dict[str, int]:
            statement = "SELECT state, count(*) FROM deliveries WHERE queue = ? GROUP BY state"
            return dict(connection.execute(statement, (queue,)).fetchall())

        states = await self._database.read(work)
        return Depth(
            ready=states.get(State.READY, 0) + states.get(State.DELAYED, 0),
            unsettled=states.get(State.HELD, 0),
            parked=states.get(State.PARKED, 0),
        )

    async def check(self) -> None:
        # A write that changes nothing would not reach the disk, and a full one would not be noticed.
        statement = "INSERT INTO checks VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1"
        await self._database.write(lambda connection: connection.execute(statement))

    async def _change(self, statement: str, parameters: Sequence[Mapping[str, Any]], *, then: str = "") -> None:
        """Run `statement`, and `then`, for each row that is still held under its tag, in one commit."""

        def work(connection: sqlite3.Connection) -> None:
            for each in filter(None, (statement, then)):
                connection.executemany(f"{each} {_HELD}", parameters)

        await self._database.write(work)

    def _now_s(self) -> float:
        """Unix time as it runs since the file was opened, whatever happens to the wall clock meanwhile."""
        return self._epoch_s + time.monotonic()

    def _take_over(self, connection: sqlite3.Connection) -> None:
        columns = {row["name"] for row in connection.execute("PRAGMA table_info(deliveries)")}
        if "returned" not in columns:  # a file of a version that did not count them
            connection.execute("ALTER TABLE deliveries ADD COLUMN returned INTEGER NOT NULL DEFAULT 0")
        connection.execute("UPDATE deliveries SET state = 'ready', returned = returned + 1 WHERE state = 'held'")
        connection.execute(
            "UPDATE deliveries SET due = min(due, ? + delay_s) WHERE state = 'delayed'", (self._now_s(),)
        )

    def _take(self, connection: sqlite3.Connection, queue: str, limit: int) -> Taken:
        now_s = self._now_s()
        connection.execute(
            "UPDATE deliveries SET state = 'ready', due = NULL, delay_s = NULL "
            "WHERE queue = ? AND state = 'delayed' AND due <= ?",
            (queue, now_s),
        )
        rows = connection.execute(
            f"{_MESSAGE} WHERE queue = ? AND state = 'ready' ORDER BY deliveries.id LIMIT ?", (queue, limit)
        ).fetchall()
        if rows:
            connection.executemany(
                "UPDATE deliveries SET state = 'held', attempts = attempts + 1 WHERE id = ?",
                [(row["id"],) for row in rows],
            )
            return Taken([_held(row, row["attempts"] + 1) for row in rows])
        (due,) = connection.execute(
            "SELECT min(due) FROM deliveries WHERE queue = ? AND state = 'delayed'", (queue,)
        ).fetchone()
        return Taken((), None if due is None else due - now_s)

    async def _parked(self, queue: str, after_id: int) -> Sequence[Held]:
        statement = (
            f"{_MESSAGE} WHERE queue = ? AND state = 'parked' AND deliveries.id > ? ORDER BY deliveries.id LIMIT ?"
        )

        def work(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            return connection.execute(statement, (queue, after_id, _PAGE)).fetchall()

        return [_held(row, row["attempts"]) for row in await self._database.read(work)]

    async def _unpark(self, row_ids: Sequence[tuple[int]]) -> int:
        statement = (
            "UPDATE deliveries SET state = 'ready', attempts = 0, returned = 0, reason = NULL "
            "WHERE id = ? AND state = 'parked'"
        )
        if not row_ids:
            return 0
        return await self._database.write(lambda connection: connection.executemany(statement, row_ids).rowcount)


def _parameters(tag: Tag) -> dict[str, int]:
    return {"id": tag.row_id, "attempt": tag.attempt}


def _held(row: sqlite3.Row, attempt: int) -> Held:
    message = Message(
        exchange=row["exchange"],
        routing_key=row["routing_key"],
        headers={**json.loads(row["headers"]), **json.loads(row["added_headers"])},
        content_type=row["content_type"],
        body=row["body"],
    )
    return Held(Tag(row["id"], attempt), message, row["returned"])
