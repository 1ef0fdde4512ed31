"""Brings parked messages back."""

from collections.abc import Callable

from aiormq import exceptions as driver
from aiormq.abc import AbstractChannel, DeliveredMessage

from contracts.topics import Queue
from services.kit.bus.port import Message
from services.kit.bus.rabbit.faults import REFUSALS, text_of, translated
from services.kit.bus.rabbit.letters import onward, read
from services.kit.bus.rabbit.link import Link
from services.kit.bus.rabbit.publisher import Posting, Publisher
from services.kit.bus.rabbit.topology import BACK, parking_name
from services.kit.errors import Unavailable


async def unpark(link: Link, publisher: Publisher, queue: Queue, lane: str, known: Callable[[Message], bool]) -> int:
    """Move the parked messages that are `known` back into their queue, as new ones; return how many.

    The others keep their places: they are held, without their bodies, until the last was looked at.
    """
    name = queue.queue_name(lane)
    moved = 0
    async with link.channel() as channel:
        got = await _next(channel, parking_name(name))
        left = 0 if got is None else got.message_count or 0  # what is parked from now on waits for the next time
        while got is not None:
            message = read(got, queue).message
            if known(message):
                await publisher.send(Posting(onward(message, attempts=0), BACK, name))
                async with translated("taking out of the parking queue"):
                    await channel.basic_ack(got.delivery_tag or 0)
                moved += 1
            got = await _next(channel, parking_name(name)) if left > 0 else None
            left -= 1
    return moved  # closing the channel put the others back


async def _next(channel: AbstractChannel, name: str) -> DeliveredMessage | None:
    """Take the first message that is not held; None when there is none, or no such queue."""
    try:
        async with translated(f"looking into {name}", refusals=True):
            got = await channel.basic_get(name)
    except driver.ChannelNotFoundEntity:
        return None
    except REFUSALS as error:
        raise Unavailable(text_of(error)) from None
    return None if got.delivery_tag is None else got
