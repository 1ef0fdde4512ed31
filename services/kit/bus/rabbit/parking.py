"""Brings parked messages back."""

from collections.abc import Callable

from aiormq import exceptions as driver
from aiormq.abc import AbstractChannel

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
        try:
            async with translated(f"looking into {parking_name(name)}", refusals=True):
                found = await channel.queue_declare(parking_name(name), passive=True)
        except driver.ChannelNotFoundEntity:
            return 0
        except driver.ChannelAccessRefused as error:
            raise Unavailable(text_of(error)) from None
        for _ in range(found.message_count or 0):
            parked = await _next(channel, parking_name(name), queue)
            if parked is None:
                break
            number, message = parked
            if known(message):
                await publisher.send(Posting(onward(message, attempts=0), BACK, name))
                async with translated("taking out of the parking queue"):
                    await channel.basic_ack(number)
                moved += 1
    return moved  # closing the channel put the others back


async def _next(channel: AbstractChannel, name: str, queue: Queue) -> tuple[int, Message] | None:
    try:
        async with translated(f"looking into {name}", refusals=True):
            got = await channel.basic_get(name)
    except REFUSALS as error:
        raise Unavailable(text_of(error)) from None
    return None if got.delivery_tag is None else (got.delivery_tag, read(got, queue).message)
