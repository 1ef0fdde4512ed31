"""Declares the topology where we may, and says what is missing or different where we may not."""

import asyncio
from collections.abc import Iterable, Sequence

import structlog
from aiormq import exceptions as driver
from aiormq.abc import AbstractChannel
from pamqp import commands

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

_NO_LEADER = "home node"
"""RabbitMQ 4.3 says that the home node of a queue is down while another process has just begun to declare it."""
_BIRTH_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.5)
_HOW = "declare it with: sightline topology declare"


class BeingMade(Unavailable):
    """A queue is known and has no leader yet."""


class Topology:
    """What of the topology this process has found on the broker, or put there.

    A user of least privilege may declare nothing durable; then things are looked up, which tells that they are there
    but not whether they are as they should be. From 4.3.1 on, RabbitMQ shows a user only what it was granted something
    on; 4.2.6 and 4.3.0 show it nothing. What is hidden is taken to be there, and not asked for again.
    """

    def __init__(self, link: Link, limit_bytes: int) -> None:
        self._link = link
        self._limit_bytes = limit_bytes
        self.may_declare: bool | None = None
        """None until the broker has told."""
        self._exchanges_found: set[str] = set()
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
        if not self._found:
            log.warning("bus.topology_hidden", reason="this user is shown no queue: one that is missing is seen in use")

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
            async with self._link.channel() as channel:
                for name in sorted(self._exchanges_found):
                    await self._check_exchange(channel, name, EXCHANGE_TYPES[name])
                for spec in list(self._found.values()):
                    await self._check_queue(channel, spec)
        except driver.ChannelAccessRefused as error:
            self.doubt()
            raise Unavailable(f"what could be looked at on RabbitMQ is hidden now: {text_of(error)}") from None
        except (Unavailable, ConfigError):
            self.doubt()
            raise

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
            declared = self.may_declare is not False and await self._declare_exchange(name, kind)
            if declared or await self._exchange_is_there(name):
                self._exchanges_found.add(name)
            else:
                self._exchanges_found.discard(name)

    async def _exchange_is_there(self, name: str) -> bool:
        """Say whether an exchange is seen to be there. Raises ConfigError if it is not, unless it is hidden."""
        async with self._link.channel() as channel:
            try:
                async with translated(f"looking for exchange {name}", refusals=True):
                    await channel.exchange_declare(name, passive=True)
            except driver.ChannelNotFoundEntity:
                raise ConfigError(f"exchange {name} is missing on RabbitMQ; {_HOW}") from None
            except driver.ChannelAccessRefused:
                return False
        return True

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
        waiting = list(specs)
        for pause_s in _BIRTH_PAUSES_S:
            try:
                await self._declare_all(waiting)
                break
            except BeingMade:
                await asyncio.sleep(pause_s)
        else:
            await self._declare_all(waiting)
        if self.may_declare is False:
            await self._look_up(specs)

    async def _declare_all(self, waiting: list[QueueSpec]) -> None:
        """Declare, where we may; what is done is taken from the list."""
        if self.may_declare is False:
            return
        async with self._link.channel() as channel:
            while waiting:
                try:
                    await declare(channel, waiting[0])
                except driver.ChannelAccessRefused:
                    self.may_declare = False
                    return
                self._note(waiting.pop(0))

    async def _look_up(self, specs: Sequence[QueueSpec]) -> None:
        hidden = []
        for spec in specs:
            try:
                missing = await look_for(self._link, spec.name) is None
            except driver.ChannelAccessRefused:
                self._found.pop(spec.name, None)
                self._sure.add(spec.name)
                hidden.append(spec.name)
                continue
            if missing:
                raise ConfigError(f"queue {spec.name} is missing on RabbitMQ; {_HOW}")
            self._note(spec)
        if hidden:
            log.debug("bus.queues_hidden", queues=hidden)

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
            # A broadcast's queue goes with its consumer: the connection may live on for months.
            await channel.queue_declare(
                spec.name,
                durable=spec.durable,
                exclusive=not spec.durable,
                auto_delete=not spec.durable,
                arguments=dict(spec.arguments),
            )
            for binding in spec.bindings:
                await channel.queue_bind(spec.name, binding.exchange, binding.pattern)
    except driver.ChannelPreconditionFailed as error:
        raise ConfigError(
            f"queue {spec.name} is on RabbitMQ with other arguments; delete it when it is empty, or use the settings "
            f"that it was declared with: {text_of(error)}"
        ) from None
    except driver.ChannelNotFoundEntity as error:
        kind = BeingMade if _NO_LEADER in str(error) else Unavailable
        raise kind(f"queue {spec.name} cannot be bound: {text_of(error)}") from None


async def look_for(link: Link, name: str) -> commands.Queue.DeclareOk | None:
    """Return what the broker tells of a queue, None when there is none.

    Raises:
        ChannelAccessRefused: it is hidden from us.
        Unavailable: the broker is away.
    """
    async with link.channel() as channel:
        try:
            async with translated(f"looking for queue {name}", refusals=True):
                return await channel.queue_declare(name, passive=True)
        except driver.ChannelNotFoundEntity:
            return None


async def count_messages(link: Link, name: str) -> int:
    """Return how many messages are ready in a queue; none are in one that is missing, or hidden from us."""
    try:
        found = await look_for(link, name)
    except driver.ChannelAccessRefused:
        return 0
    return 0 if found is None else found.message_count or 0
