"""A door before a RabbitMQ that was damaged or went away: readiness, a log line and 503 say it, and nothing hangs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiormq.abc import AbstractChannel
from structlog.testing import capture_logs
from structlog.typing import EventDict

from contracts.topics import FACTS, IMAGE_QUERIES
from infra.drill.proxy import proxying
from services.kit.bus.rabbit.install import declare_topology
from services.kit.bus.rabbit.permissions import permissions
from services.kit.bus.rabbit.topology import IN, durable_specs
from services.kit.errors import ConfigError
from tests.support.images import make_jpeg
from tests.support.rabbit import empty_place, raw_channel, user_of
from tests.support.servers import amqp_server
from tests.support.submitting import Door, open_door
from tests.support.until import until

SOON_S = 8.0
"""Three seconds are promised; the rest is for a machine that has other things to do."""
QUEUE = IMAGE_QUERIES.queue_name()

Harm = Callable[[AbstractChannel], Awaitable[object]]


@pytest.fixture
def place() -> Iterator[str]:
    with empty_place() as url:
        yield url


@dataclass(frozen=True, slots=True)
class Broken:
    """A door with what was logged since it opened."""

    door: Door
    logs: list[EventDict]

    async def problem(self) -> str:
        """What readiness says of the bus, empty while it says nothing."""
        async with asyncio.timeout(SOON_S):
            ready = await self.door.http.get("/readyz")
        assert ready.status_code == (503 if ready.json()["problems"] else 200)
        return str(ready.json()["problems"].get("bus", ""))

    async def refusal(self) -> str:
        """What a submission is answered: 503, when to come again, and why."""
        async with asyncio.timeout(SOON_S):
            answer = await self.door.ask(make_jpeg())
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        return str(answer.json()["detail"])

    def said(self, words: str) -> bool:
        """Whether a line of the log that is no mere information holds the words."""
        return any(words in str(each) for each in self.logs if each["log_level"] in {"warning", "error"})


@asynccontextmanager
async def opened(folder: Path, url: str) -> AsyncIterator[Broken]:
    with capture_logs() as logs:
        async with open_door(folder, bus=url) as door:
            assert (await door.ask(make_jpeg())).status_code == 202
            yield Broken(door, logs)


async def remove_bindings(channel: AbstractChannel) -> None:
    for queue in (IMAGE_QUERIES, FACTS):
        work = durable_specs(queue, "default")[-1]
        for binding in work.bindings:
            if binding.exchange == IN:
                await channel.queue_unbind(work.name, binding.exchange, binding.pattern)


@pytest.mark.parametrize(
    ("harm", "noticed", "answered"),
    [
        (lambda channel: channel.queue_delete(QUEUE), f"queue {QUEUE} is missing", "sightline topology declare"),
        (lambda channel: channel.exchange_delete(IN), f"exchange {IN} is missing", IN),
        (remove_bindings, "", "no queue is bound"),
    ],
    ids=["a queue", "an exchange", "the bindings"],
)
async def test_what_is_missing_is_said_and_the_administrator_puts_it_right(
    place: str, tmp_path: Path, harm: Harm, noticed: str, answered: str
) -> None:
    await declare_topology(place)
    with user_of(place, permissions("submitter"), "submitter") as url:
        async with opened(tmp_path, url) as broken:
            async with raw_channel(place) as channel:
                await harm(channel)

            assert noticed in await broken.problem()
            assert answered in await broken.refusal()
            assert broken.said(noticed or answered)

            await declare_topology(place)
            assert (await broken.door.ask(make_jpeg())).status_code == 202
            assert await broken.problem() == ""


async def test_a_queue_with_other_arguments_is_said(place: str, tmp_path: Path) -> None:
    """By who may declare; a user of least privilege sees only that it is there."""
    async with opened(tmp_path, place) as broken:
        async with raw_channel(place) as channel:
            await channel.queue_delete(QUEUE)
            await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})

        assert f"queue {QUEUE} on RabbitMQ has other arguments" in await broken.problem()
        assert "other arguments" in await broken.refusal()
        assert broken.said("other arguments")


async def test_a_password_that_does_not_hold_any_more_is_said(place: str, tmp_path: Path) -> None:
    await declare_topology(place)
    with user_of(place, permissions("submitter"), "submitter") as url:
        async with proxying(url) as proxy, opened(tmp_path, proxy.url(url)) as broken:
            amqp_server().ctl("change_password", url.split("//")[1].split(":", maxsplit=1)[0], "another")
            proxy.cut()

            await until(lambda: broken.said("refuses this user or password"))
            assert "refuses this user or password" in await broken.problem()
            assert "refuses this user or password" in await broken.refusal()
        with pytest.raises(ConfigError, match="refuses this user or password"):
            async with open_door(tmp_path / "again", bus=url):
                pass


async def test_a_broker_that_falls_silent_and_then_accepts_and_says_nothing_is_said(place: str, tmp_path: Path) -> None:
    async with proxying(place) as proxy, opened(tmp_path, proxy.url(place)) as broken:
        proxy.silence()
        assert await broken.problem()
        assert "RabbitMQ" in await broken.refusal()

        proxy.cut()
        await until(lambda: broken.said("says nothing"), timeout_s=15)
        assert "says nothing" in await broken.problem()
        assert "says nothing" in await broken.refusal()

        proxy.speak()
        await until(lambda: _well(broken), timeout_s=30)
        assert (await broken.door.ask(make_jpeg())).status_code == 202


async def _well(broken: Broken) -> bool:
    return await broken.problem() == ""
