"""Declares the topology where we may, and says what is missing or different where we may not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import structlog
from aiormq import exceptions as driver
from aiormq.abc import AbstractChannel

from contracts.topics import Queue
from services.kit.bus.rabbit.faults import text_of, translated
from services.kit.bus.rabbit.link import Link
from services.kit.bus.rabbit.topology import (
    EXCHANGE_TYPES,
    QueueSpec,
    all_specs,
    durable_specs,
)
from services.kit.errors import ConfigError, Unavailable

log = structlog.get_logger(__name__)

_HOW = "declare it with: sightline topology declare"


class Topology:
    """What of the topology this process has found on the broker, or put there.

    A user of least privilege may declare nothing durable; then things are looked up, which tells that they are there
    but not whether they are as they should be.
    """

    def __init__(self, link: Link, limit_bytes: int) -> None:
        self._link = link
        self._limit_bytes = limit_bytes
        self.may_declare: bool | None = None
        """None until the broker has told."""
        self._found: dict[str, QueueSpec] = {}
        self._sure: set[str] = set()
        self._sure_of_exchanges = False
        self._looking = asyncio.Lock()

    def is_sure(self, name: str) -> bool:
        """Say whether a durable queue was there when we last looked, and nothing has made us doubt it since."""
        return name in self._sure

    async def prepare(self, lanes: Iterable[str]) -> None:
        """Make sure of every exchange and every durable queue.

        Raises:
            ConfigError: something is missing that we may not declare, or is there with other arguments.
            Unavailable: the broker is away.
        """
        await self._make_sure(all_specs(lanes, self._limit_bytes))

    async def ensure(self, queue: Queue, lane: str) -> None:
        """Make sure of one durable queue and those that belong to it; at no cost once it is known. Raises as above."""
        if not self.is_sure(queue.queue_name(lane)):
            await self._make_sure(durable_specs(queue, lane, self._limit_bytes))

    def doubt(self) -> None:
        """Look again when something is needed next: the broker seems to have changed."""
        self._sure.clear()
        self._sure_of_exchanges = False

    async def check(self) -> None:
        """Return if everything that was there is there still, and as it should be; raise Unavailable otherwise."""
        try:
            if self.may_declare:
                async with self._link.channel() as channel:
                    for name, kind in EXCHANGE_TYPES.items():
                        await self._check_exchange(channel, name, kind)
                    for spec in list(self._found.values()):
                        await self._check_queue(channel, spec)
                return
            for name, kind in EXCHANGE_TYPES.items():
                await self._check_apart(partial(self._check_exchange, name=name, kind=kind))
            for spec in list(self._found.values()):
                await self._check_apart(partial(self._check_queue, spec=spec))
        except (Unavailable, ConfigError):
            self.doubt()
            raise

    async def _check_apart(self, check: Callable[[AbstractChannel], Awaitable[None]]) -> None:
        """Check one thing on a channel of its own: we may be refused the question, which says nothing of the rest."""
        async with self._link.channel() as channel:
            try:
                await check(channel)
            except driver.ChannelAccessRefused as error:
                log.debug("bus.not_checked", reason=text_of(error))

    async def _check_exchange(self, channel: AbstractChannel, name: str, kind: str) -> None:
        try:
            async with translated(f"looking for exchange {name}", refusals=True):
                await channel.exchange_declare(name, passive=True)
                if self.may_declare:
                    await channel.exchange_declare(name, exchange_type=kind, durable=True)
        except driver.ChannelNotFoundEntity:
            raise Unavailable(f"exchange {name} is missing on RabbitMQ") from None
        except driver.ChannelPreconditionFailed as error:
            raise Unavailable(f"exchange {name} on RabbitMQ is another: {text_of(error)}") from None

    async def _check_queue(self, channel: AbstractChannel, spec: QueueSpec) -> None:
        try:
            async with translated(f"looking for queue {spec.name}", refusals=True):
                await channel.queue_declare(spec.name, passive=True)  # first, so that looking does not make it
                if self.may_declare:
                    await channel.queue_declare(spec.name, durable=True, arguments=dict(spec.arguments))
        except driver.ChannelNotFoundEntity:
            raise Unavailable(f"queue {spec.name} is missing on RabbitMQ") from None
        except driver.ChannelPreconditionFailed as error:
            raise Unavailable(f"queue {spec.name} on RabbitMQ has other arguments: {text_of(error)}") from None

    async def _make_sure(self, specs: Sequence[QueueSpec]) -> None:
        async with self._looking:
            if not self._sure_of_exchanges:
                await self._exchanges()
                await self._bind_again()
                self._sure_of_exchanges = True
            await self._queues([spec for spec in specs if not self.is_sure(spec.name)])

    async def _bind_again(self) -> None:
        """Declare anew what was there before: with an exchange, the bindings of every queue went."""
        try:
            await self._queues([spec for spec in self._found.values() if not self.is_sure(spec.name)])
        except ConfigError as error:  # for whoever needs that queue
            log.warning("bus.topology_differs", reason=str(error))

    async def _exchanges(self) -> None:
        for name, kind in EXCHANGE_TYPES.items():
            if self.may_declare is not False and await self._declare_exchange(name, kind):
                continue
            async with self._link.channel() as channel:
                try:
                    async with translated(f"looking for exchange {name}", refusals=True):
                        await channel.exchange_declare(name, passive=True)
                except driver.ChannelNotFoundEntity:
                    raise ConfigError(f"exchange {name} is missing on RabbitMQ; {_HOW}") from None
                except driver.ChannelAccessRefused:
                    log.debug("bus.not_looked_up", exchange=name)

    async def _declare_exchange(self, name: str, kind: str) -> bool:
        async with self._link.channel() as channel:
            try:
                async with translated(f"declaring exchange {name}", refusals=True):
                    await channel.exchange_declare(name, exchange_type=kind, durable=True)
            except driver.ChannelAccessRefused:
                self.may_declare = False
                return False
            except driver.ChannelPreconditionFailed as error:
                raise ConfigError(f"exchange {name} is there, but is another: {text_of(error)}") from None
        self.may_declare = True
        return True

    async def _queues(self, specs: Sequence[QueueSpec]) -> None:
        if self.may_declare is not False:
            async with self._link.channel() as channel:
                for spec in specs:
                    try:
                        await declare(channel, spec)
                    except driver.ChannelAccessRefused:
                        self.may_declare = False
                        break
                    self._note(spec)
        if self.may_declare is False:
            await self._look_up(specs)

    async def _look_up(self, specs: Sequence[QueueSpec]) -> None:
        for spec in specs:
            if await count_messages(self._link, spec.name) is None:
                raise ConfigError(f"queue {spec.name} is missing on RabbitMQ; {_HOW}")
            self._note(spec)

    def _note(self, spec: QueueSpec) -> None:
        self._found[spec.name] = spec
        self._sure.add(spec.name)


async def declare(channel: AbstractChannel, spec: QueueSpec) -> None:
    """Declare a queue with its bindings.

    Raises:
        ConfigError: it is there with other arguments.
        ChannelAccessRefused: we may not.
        Unavailable: the broker is away.
    """
    try:
        async with translated(f"declaring queue {spec.name}", refusals=True):
            await channel.queue_declare(
                spec.name, durable=spec.durable, exclusive=not spec.durable, arguments=dict(spec.arguments)
            )
            for binding in spec.bindings:
                await channel.queue_bind(spec.name, binding.exchange, binding.pattern)
    except driver.ChannelPreconditionFailed as error:
        raise ConfigError(
            f"queue {spec.name} is on RabbitMQ with other arguments; delete it when it is empty, or use the settings "
            f"that it was declared with: {text_of(error)}"
        ) from None
    except driver.ChannelNotFoundEntity as error:
        raise Unavailable(f"queue {spec.name} cannot be bound: {text_of(error)}") from None


async def count_messages(link: Link, name: str) -> int | None:
    """Return how many messages are ready in a queue, None when there is no such queue.

    Zero where the broker does not tell us (RabbitMQ 4.3 refuses the question to who may neither read nor write).
    """
    async with link.channel() as channel:
        try:
            async with translated(f"looking for queue {name}", refusals=True):
                found = await channel.queue_declare(name, passive=True)
        except driver.ChannelNotFoundEntity:
            return None
        except driver.ChannelAccessRefused:
            return 0
    return found.message_count or 0
