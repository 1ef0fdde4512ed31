"""What an operator can do to a broker by mistake: empty a queue, remove a binding."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from contracts.topics import IMAGE_QUERIES, Queue
from infra.drill.services import DrillError

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel

_EXCHANGE = "sightline.in"
_PATTERN = "image_query.submitted.*.default"
_ANSWER_S = 10.0


async def require_unused(url: str) -> None:
    """Return if nobody works at this broker.

    Raises:
        DrillError: it cannot be reached, or there are questions or workers.
    """
    async with _channel(url) as channel:
        from aio_pika.exceptions import ChannelNotFoundEntity

        try:
            queue = await channel.get_queue(IMAGE_QUERIES.queue_name())
        except ChannelNotFoundEntity:
            return
        found = queue.declaration_result
    if found.message_count or found.consumer_count:
        raise DrillError(
            f"{IMAGE_QUERIES.name} at this broker has {found.message_count} messages and {found.consumer_count} "
            "consumers: the drill deletes that queue; give it a broker, or a virtual host, of its own"
        )


async def purge(url: str, queue: Queue = IMAGE_QUERIES) -> int:
    """Empty a queue; return how many messages that lost."""
    async with _channel(url) as channel:
        emptied = await (await channel.get_queue(queue.queue_name(), ensure=False)).purge()
        return emptied.message_count or 0


async def delete(url: str) -> None:
    """Remove the workers' queue with everything in it; whoever needs it must declare it again."""
    async with _channel(url) as channel:
        await channel.queue_delete(IMAGE_QUERIES.queue_name())


async def unbind(url: str) -> None:
    """Remove the binding that brings questions to the workers; they still reach the result store."""
    async with _channel(url) as channel:
        await (await channel.get_queue(IMAGE_QUERIES.queue_name(), ensure=False)).unbind(_EXCHANGE, _PATTERN)


async def bind(url: str) -> None:
    """Undo `unbind`."""
    async with _channel(url) as channel:
        await (await channel.get_queue(IMAGE_QUERIES.queue_name(), ensure=False)).bind(_EXCHANGE, _PATTERN)


@asynccontextmanager
async def _channel(url: str) -> "AsyncIterator[AbstractChannel]":
    # The driver is in an extra that the all-in-one process does without.
    import aio_pika
    from aio_pika.exceptions import AMQPError

    try:
        async with asyncio.timeout(_ANSWER_S):
            async with await aio_pika.connect(url) as connection, connection.channel() as channel:
                yield channel
    except (AMQPError, OSError) as error:
        raise DrillError(f"the broker did not do as it was told: {error!r}") from error
