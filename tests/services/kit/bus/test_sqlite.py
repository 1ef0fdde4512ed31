"""What the SQLite bus promises beyond the port: kill -9, the file, the disk, the clock."""

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.topics import DEAD, FACTS, IMAGE_QUERIES, MODEL_CHECKS
from services.kit.bus.sqlite import SqliteBus
from services.kit.errors import ConfigError, Unavailable
from tests.support.buses import bodies, expect_depth, take
from tests.support.messages import CHECK_MODEL, SUBMITTED, message, numbered, numbers

_ROOT = Path(__file__).parents[4]


class SetClock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "bus.sqlite"


@asynccontextmanager
async def child(task: str, path: Path) -> AsyncIterator[asyncio.StreamReader]:
    """A process that works on the bus; leaving kills it with SIGKILL, and its output can still be read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.bus_child", task, str(path), cwd=_ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def test_every_accepted_message_survives_kill_9(path: Path) -> None:
    accepted: set[bytes] = set()
    async with child("publish", path) as output:
        while len(accepted) < 200:
            accepted.add((await output.readline()).strip())
    rest = await output.read()
    accepted |= {line.strip() for line in rest.splitlines(keepends=True) if line.endswith(b"\n")}

    async with SqliteBus(path) as bus:
        for queue in (IMAGE_QUERIES, FACTS):
            count = (await bus.depth(queue)).ready
            found = bodies(await take(await bus.subscribe(queue, prefetch=count), count))
            assert len(found) == len(set(found))
            assert accepted <= set(found)


async def test_a_message_that_kills_its_consumer_is_seen_to_grow_old(path: Path) -> None:
    async with SqliteBus(path) as bus:
        await bus.publish([message(CHECK_MODEL)])

    for attempt in (1, 2, 3):
        async with child("receive", path) as output:
            assert await output.readline() == b"%d\n" % attempt

    async with SqliteBus(path) as bus:
        (delivery,) = await take(await bus.subscribe(MODEL_CHECKS), 1)
        assert delivery.attempt == 4


async def test_a_file_of_a_version_that_did_not_count_returns_is_used_on(path: Path) -> None:
    async with SqliteBus(path) as bus:
        await bus.publish([message(CHECK_MODEL)])
        await take(await bus.subscribe(MODEL_CHECKS), 1)
    await asyncio.to_thread(forget_returns, path)

    async with SqliteBus(path) as bus:
        (delivery,) = await take(await bus.subscribe(MODEL_CHECKS), 1)
        assert (delivery.attempt, delivery.returned) == (2, 1)


async def test_the_file_belongs_to_one_bus(path: Path) -> None:
    async with SqliteBus(path) as bus:
        with pytest.raises(ConfigError, match="in use"):
            await SqliteBus(path).__aenter__()
        await bus.check()

    async with SqliteBus(path) as bus:
        await bus.check()


async def test_a_file_that_is_no_bus_is_a_wrong_setting(path: Path) -> None:
    await asyncio.to_thread(write_pictures, path)
    with pytest.raises(ConfigError):
        await SqliteBus(path).__aenter__()


async def test_a_body_is_stored_once_and_goes_with_its_last_delivery(path: Path) -> None:
    async with SqliteBus(path) as bus:
        await bus.publish([message(SUBMITTED)])
        work, facts = await bus.subscribe(IMAGE_QUERIES), await bus.subscribe(FACTS)
        assert rows(path) == {"messages": 1, "deliveries": 2}

        await work.reject((await take(work, 1))[0], "bad", "")
        assert rows(path) == {"messages": 1, "deliveries": 2}
        await facts.ack(await take(facts, 1))
        assert rows(path) == {"messages": 1, "deliveries": 1}

        dead = await bus.subscribe(DEAD)
        await dead.ack(await take(dead, 1))
        assert rows(path) == {"messages": 0, "deliveries": 0}


async def test_a_full_disk_is_unavailable_and_passes(path: Path) -> None:
    async with SqliteBus(path) as bus:
        await bus.publish(numbered(1))
        subscription = await bus.subscribe(IMAGE_QUERIES)

        with full_disk(path):
            receiving = asyncio.create_task(subscription.receive(10))
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await bus.publish([message(SUBMITTED, bytes(100_000))])
            with pytest.raises(Unavailable):
                await bus.check()
            await expect_depth(bus, FACTS, ready=1)
            assert not receiving.done()

        await bus.publish(numbered(1, start=1))
        await bus.check()
        got = bodies(await receiving)
        got += bodies(await take(subscription, 2 - len(got)))
        assert got == numbers(2)


async def test_what_could_not_be_settled_comes_again(path: Path) -> None:
    async with SqliteBus(path) as bus:
        await bus.publish(numbered(1))
        subscription = await bus.subscribe(IMAGE_QUERIES, prefetch=1)
        (delivery,) = await take(subscription, 1)

        with full_disk(path):
            with pytest.raises(Unavailable):
                await subscription.reject(delivery, "bad", "x" * 100_000)
            await expect_depth(bus, DEAD)

        (again,) = await take(subscription, 1)
        assert (again.message, again.attempt) == (delivery.message, 2)
        await subscription.ack([again])
        await expect_depth(bus, IMAGE_QUERIES)


@pytest.mark.parametrize("jump", [timedelta(days=-365), timedelta(days=365)], ids=["back", "forward"])
async def test_the_wall_clock_does_not_touch_a_waiting_retry(path: Path, jump: timedelta) -> None:
    clock = SetClock()
    async with SqliteBus(path, clock=clock) as bus:
        subscription = await bus.subscribe(IMAGE_QUERIES)
        await bus.publish(numbered(2))
        soon, late = await take(subscription, 2)
        await subscription.retry(soon, 0.2)
        await subscription.retry(late, 3600.0)

        clock.time += jump

        assert bodies(await take(subscription, 1)) == [b"0"]
        await expect_depth(bus, IMAGE_QUERIES, ready=1, unsettled=1)


async def test_a_clock_set_back_over_a_restart_holds_no_retry_up(path: Path) -> None:
    clock = SetClock()
    async with SqliteBus(path, clock=clock) as bus:
        await bus.publish([message(CHECK_MODEL)])
        subscription = await bus.subscribe(MODEL_CHECKS)
        await subscription.retry((await take(subscription, 1))[0], 0.3)

    clock.time -= timedelta(days=365)
    async with SqliteBus(path, clock=clock) as bus:
        (delivery,) = await take(await bus.subscribe(MODEL_CHECKS), 1)
        assert delivery.attempt == 2


async def test_a_long_retry_still_waits_after_a_restart(path: Path) -> None:
    clock = SetClock()
    async with SqliteBus(path, clock=clock) as bus:
        await bus.publish(numbered(1))
        subscription = await bus.subscribe(IMAGE_QUERIES)
        await subscription.retry((await take(subscription, 1))[0], 3600.0)

    async with SqliteBus(path, clock=clock) as bus:
        await bus.publish(numbered(1, start=1))
        assert bodies(await (await bus.subscribe(IMAGE_QUERIES)).receive(2)) == [b"1"]

    clock.time += timedelta(seconds=3601)
    async with SqliteBus(path, clock=clock) as bus:
        assert bodies(await take(await bus.subscribe(IMAGE_QUERIES), 2)) == numbers(2)


def write_pictures(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"holiday pictures, not a database" * 100)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Let no file of this process grow beyond what the bus has written so far."""
    size_bytes = path.with_name(path.name + "-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def forget_returns(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE deliveries DROP COLUMN returned")


def rows(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    try:
        tables = ("messages", "deliveries")
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    finally:
        connection.close()
