"""What a lost connection had delivered is not worked on any more: it comes again."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from contracts.examples import EXAMPLES
from contracts.topics import DEAD, IMAGE_QUERIES
from contracts.v1.image_query import ImageQuerySubmitted
from infra.drill.proxy import proxying
from services.kit.bus.codec import encode, event_of
from services.kit.bus.consume import Consumer
from services.kit.bus.intake import Linger
from services.kit.bus.outcomes import Done, Outcome, Work
from services.kit.bus.port import Message
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.errors import Unavailable
from services.kit.metrics import Metrics
from tests.support.buses import expect_depth, take
from tests.support.until import until

QUESTION = next(e for e in EXAMPLES if isinstance(e, ImageQuerySubmitted))


def question(event_id: str) -> Message:
    return encode(event_of(QUESTION, source="test", tenant="acme", at=QUESTION.submitted_at, event_id=event_id))


async def test_a_delivery_whose_connection_was_lost_is_not_worked_on(amqp_url: str) -> None:
    asked: list[str] = []
    async with RabbitBus(amqp_url) as direct, proxying(amqp_url) as proxy, AsyncExitStack() as stack:
        bus = await stack.enter_async_context(RabbitBus(proxy.url(amqp_url)))
        await direct.publish([question("suspect")])
        for _ in range(2):
            subscription = await direct.subscribe(IMAGE_QUERIES)
            await take(subscription, 1)
            await subscription.close()
        await direct.publish([question("first")])

        async def lost() -> bool:
            try:
                await bus.check()
            except Unavailable:
                return True
            return False

        async def cut_in_the_middle(batch: Sequence[Work]) -> Sequence[Outcome]:
            asked.extend(work.event.id for work in batch)
            if len(asked) == 1:
                proxy.refuse(on=True)
                proxy.cut()
                await until(lost)
                proxy.refuse(on=False)
            return [Done()] * len(batch)

        await expect_depth(direct, IMAGE_QUERIES, ready=2)
        metrics = Metrics()
        together = Linger(10, urgent=lambda _: False)
        consumer = Consumer(bus, metrics, IMAGE_QUERIES, cut_in_the_middle, batch=2, linger=together)
        await consumer.start(stack, drain_s=5)
        await until(lambda: len(asked) >= 3, timeout_s=45)
        await expect_depth(direct, IMAGE_QUERIES)
        await expect_depth(direct, DEAD)

    assert asked.count("suspect") == 1  # and not for the delivery that was lost, too
    stale = {"queue": IMAGE_QUERIES.name, "outcome": "stale"}
    assert metrics.registry.get_sample_value("sightline_messages_handled_total", stale) == 1
