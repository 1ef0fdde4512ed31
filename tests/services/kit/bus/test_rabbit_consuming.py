"""Consuming from RabbitMQ: what a lost channel, a crash or a hostile publisher may do, and what comes of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest
from aiormq.abc import AbstractChannel, ChannelFrame
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from contracts.topics import DEAD, FACTS, IMAGE_QUERIES, MODEL_CHECKS, WAKE_UPS
from infra.drill.proxy import proxying
from infra.local.rabbitmq import vhost_of
from services.kit.bus.port import DEAD_ATTEMPTS, DEAD_QUEUE, DEAD_REASON, Delivery, Subscription, delivery_limit
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.bus.rabbit.topology import EXCHANGES
from services.kit.errors import Unavailable
from tests.support.buses import bodies, expect_depth, healthy, take
from tests.support.messages import CHECK_MODEL, STORED, SUBMITTED, message, numbered, numbers
from tests.support.rabbit import empty_place, raw_channel
from tests.support.servers import amqp_server
from tests.support.until import until


@pytest.fixture
def place() -> Iterator[str]:
    with empty_place() as url:
        yield url


@pytest.fixture
async def bus(place: str) -> AsyncIterator[RabbitBus]:
    async with RabbitBus(place) as bus:
        yield bus


async def test_a_retry_comes_back_to_the_queue_that_failed_and_no_other(bus: RabbitBus, place: str) -> None:
    facts = await bus.subscribe(FACTS)
    queries = await bus.subscribe(IMAGE_QUERIES)
    await bus.publish([message(SUBMITTED, b"picture")])
    (fact,) = await take(facts, 1)
    (query,) = await take(queries, 1)
    await queries.ack([query])

    await facts.retry(fact, 0.4)
    (again,) = await take(facts, 1)

    assert (again.message, again.attempt) == (fact.message, 2)
    await expect_depth(bus, IMAGE_QUERIES)
    await expect_depth(bus, FACTS, unsettled=1)


async def test_a_delay_between_the_steps_is_waited_for_in_full_without_counting_attempts(bus: RabbitBus) -> None:
    await bus.publish([message(CHECK_MODEL)])
    subscription = await bus.subscribe(MODEL_CHECKS)
    (delivery,) = await take(subscription, 1)
    began_s = time.monotonic()

    await subscription.retry(delivery, 3.0)  # 2 s, then 0.5 s or more: nobody sees the stop between

    (again,) = await take(subscription, 1)
    assert time.monotonic() - began_s >= 3.0
    assert (again.message, again.attempt) == (delivery.message, 2)


async def test_a_delivery_limit_that_is_passed_makes_a_dead_letter_that_says_so(bus: RabbitBus, place: str) -> None:
    await bus.publish([message(CHECK_MODEL, b"poison")])
    async with raw_channel(place) as channel:  # a consumer that dies on it again and again
        for _ in range(delivery_limit(MODEL_CHECKS) + 1):
            got = await _get(channel, MODEL_CHECKS.queue_name())
            await channel.basic_reject(got, requeue=True)

    (dead,) = await take(await bus.subscribe(DEAD), 1)

    assert (dead.message.body, dead.attempt) == (b"poison", 1)
    assert (dead.message.exchange, dead.message.routing_key) == ("facts", f"{CHECK_MODEL}.v1.default")
    assert dead.message.headers[DEAD_QUEUE] == MODEL_CHECKS.name
    assert dead.message.headers[DEAD_REASON] == "delivery_limit"
    assert dead.message.headers[DEAD_ATTEMPTS] == str(delivery_limit(MODEL_CHECKS) + 1)
    assert dead.message.headers["cloudEvents_type"] == CHECK_MODEL
    await expect_depth(bus, MODEL_CHECKS)


async def test_after_a_cut_old_deliveries_are_not_settled_and_all_come_again(place: str) -> None:
    async with RabbitBus(place) as publisher, proxying(place) as proxy, RabbitBus(proxy.url(place)) as bus:
        await publisher.publish(numbered(5, CHECK_MODEL))
        subscription = await bus.subscribe(MODEL_CHECKS, prefetch=5)
        held = await take(subscription, 3)

        proxy.cut()
        await until(lambda: subscription.unsettled == 0)
        again = await take(subscription, 5)

        assert bodies(again) == numbers(5)
        assert {each.attempt for each in again} == {2}
        with pytest.raises(Unavailable, match="comes again"):
            await subscription.ack(held)
        await expect_depth(bus, MODEL_CHECKS, unsettled=5)
        await subscription.ack(again)
        await expect_depth(bus, MODEL_CHECKS)


async def test_a_receive_waits_while_the_broker_is_away(place: str) -> None:
    async with RabbitBus(place) as publisher, proxying(place) as proxy, RabbitBus(proxy.url(place)) as bus:
        subscription = await bus.subscribe(MODEL_CHECKS)
        broadcast = await bus.subscribe(WAKE_UPS)
        receiving = asyncio.create_task(subscription.receive(1))
        proxy.refuse(on=True)
        proxy.cut()
        await until(lambda: _unhealthy(bus))
        await publisher.publish([message(CHECK_MODEL, b"meanwhile")])
        assert not receiving.done()

        proxy.refuse(on=False)

        async with asyncio.timeout(20):
            assert bodies(await receiving) == [b"meanwhile"]
        await until(lambda: healthy(bus))
        await publisher.publish([message(STORED, b"heard")])
        assert bodies(await take(broadcast, 1)) == [b"heard"]


async def test_who_hears_a_broadcast_no_more_leaves_no_queue_behind(bus: RabbitBus, place: str) -> None:
    for _ in range(3):
        await (await bus.subscribe(WAKE_UPS)).close()

    async def queues() -> str:
        return await asyncio.to_thread(amqp_server().ctl, "list_queues", "--vhost", vhost_of(place), "name")

    assert "wake_ups" not in await queues()
    heard = await bus.subscribe(WAKE_UPS)
    assert (await queues()).count("wake_ups") == 1
    await bus.publish([message(STORED, b"heard")])
    assert bodies(await take(heard, 1)) == [b"heard"]


async def test_nothing_is_lost_or_left_while_the_wire_is_cut_again_and_again(place: str) -> None:
    seen: list[bytes] = []
    async with RabbitBus(place) as publisher, proxying(place) as proxy, RabbitBus(proxy.url(place)) as bus:
        subscription = await bus.subscribe(MODEL_CHECKS, prefetch=20)

        async def work() -> None:
            while deliveries := await subscription.receive(7):
                await asyncio.sleep(0.005)
                seen.extend(bodies(deliveries))  # the work is done, whatever becomes of the acknowledgement
                with suppress(Unavailable):
                    await _settle(subscription, deliveries)

        working = [asyncio.create_task(work()) for _ in range(3)]
        for start in range(0, 400, 50):
            await publisher.publish(numbered(50, CHECK_MODEL, start=start))
            await asyncio.sleep(0.2)
            proxy.cut()
        await until(lambda: set(seen) == set(numbers(400)), timeout_s=30)
        await until(lambda: _empty(bus), timeout_s=20)
        await subscription.close()
        await asyncio.gather(*working)
        assert proxy.connections > 4, "no cut was felt"
        assert len(seen) > 400, "nothing came again"


async def test_a_queue_that_is_deleted_is_declared_and_consumed_again(bus: RabbitBus, place: str) -> None:
    subscription = await bus.subscribe(MODEL_CHECKS)
    await bus.publish([message(CHECK_MODEL, b"gone")])
    await take(subscription, 1)
    async with raw_channel(place) as channel:
        await channel.queue_delete(MODEL_CHECKS.queue_name())

    await until(lambda: healthy(bus))
    await bus.publish([message(CHECK_MODEL, b"new")])

    assert bodies(await take(subscription, 1)) == [b"new"]


async def test_leaving_does_not_count_an_attempt_of_what_nobody_saw(place: str) -> None:
    async with RabbitBus(place) as bus:
        await bus.publish(numbered(10, CHECK_MODEL))
        subscription = await bus.subscribe(MODEL_CHECKS, prefetch=10)
        await take(subscription, 2)
        await expect_depth(bus, MODEL_CHECKS, ready=8, unsettled=2)

    async with RabbitBus(place) as bus:
        again = await take(await bus.subscribe(MODEL_CHECKS), 10)
    assert {each.message.body: each.attempt for each in again} == {
        **dict.fromkeys(numbers(8, start=2), 1),
        **dict.fromkeys(numbers(2), 2),
    }


async def test_batches_are_acknowledged_in_any_order(bus: RabbitBus) -> None:
    await bus.publish(numbered(9, CHECK_MODEL))
    subscription = await bus.subscribe(MODEL_CHECKS, prefetch=9)
    deliveries = await take(subscription, 9)
    for batch in (deliveries[6:9], deliveries[1:3], deliveries[0:1], deliveries[3:5]):
        await subscription.ack(batch)
    await expect_depth(bus, MODEL_CHECKS, unsettled=1)
    await subscription.close()
    assert bodies(await take(await bus.subscribe(MODEL_CHECKS), 1)) == [b"5"]


HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("numbers", {"cloudEvents_type": 7, "float": 1.5, "yes": True, "none": None}),
    ("bytes", {"cloudEvents_type": bytearray(b"\xff\xfe")}),
    ("tables", {"table": {"a": [{"b": 1}]}, "list": [1, [2, ["3"]]]}),
    ("forged history", {"sightline-bus-attempts": "999", "sightline-bus-key": "x", "x-delivery-count": 99}),
    ("forged delay", {"sightline-bus-delay-ms": "99999999"}),
    ("forged death", {"x-death": [{"queue": "x", "exchange": "sightline.back", "routing-keys": ["y"]}]}),
    ("large", {f"header-{number}": "x" * 1000 for number in range(100)}),
    ("many", {f"h{number}": number for number in range(9000)}),
]


@pytest.mark.parametrize("headers", [headers for _, headers in HOSTILE], ids=[name for name, _ in HOSTILE])
async def test_hostile_headers_do_not_stop_a_consumer(bus: RabbitBus, place: str, headers: dict[str, Any]) -> None:
    key = f"{SUBMITTED}.v1.default"
    async with raw_channel(place) as channel:
        properties = aio_pika.Message(b"", headers=headers, content_type="text/plain").properties
        await channel.basic_publish(b"hostile", exchange=EXCHANGES["in"], routing_key=key, properties=properties)

    await _is_read_and_buried(bus, key)


def _properties(**values: Any) -> Callable[[], bytes]:
    return lambda: ContentHeader(0, 7, spec.Basic.Properties(**values)).marshal()


def _deep() -> bytes:
    table = b""
    for _ in range(9000):
        table = b"\x01aF" + len(table).to_bytes(4, "big") + table
        if len(table) > 60_000:
            break
    marker = ContentHeader(0, 7, spec.Basic.Properties(headers={"MARK": "X"})).marshal()
    plain = len(b"\x04MARKS\x00\x00\x00\x01X").to_bytes(4, "big") + b"\x04MARKS\x00\x00\x00\x01X"
    assert plain in marker
    return marker.replace(plain, len(table).to_bytes(4, "big") + table)


@pytest.mark.parametrize(
    "header",
    [
        lambda: _properties(message_id="MARK")().replace(b"MARK", b"\xff\xfe\xfd\xfc"),
        lambda: _properties(content_type="MARK")().replace(b"MARK", b"\xff\xfe\xfd\xfc"),
        lambda: _properties(headers={"MARK": "x"})().replace(b"MARK", b"\xff\xfe\xfd\xfc"),
        lambda: _properties(timestamp=datetime.now(tz=UTC))()[:-8] + b"\xff" * 8,
        lambda: _properties(timestamp=datetime.now(tz=UTC))()[:-8] + b"\x7f" + b"\xff" * 7,
        _deep,
    ],
    ids=["message id", "content type", "header name", "time 2**64", "time 2**63", "nesting"],
)
async def test_properties_that_the_driver_cannot_decode_do_not_stop_a_consumer(
    bus: RabbitBus, place: str, header: Callable[[], bytes]
) -> None:
    key = f"{SUBMITTED}.v1.default"
    async with raw_channel(place) as channel:
        await _publish_raw(channel, key, header())
        await until(lambda: _ready(bus, 1))

    await _is_read_and_buried(bus, key)


async def test_a_lane_that_is_no_text_does_not_stop_the_consumer_of_facts(bus: RabbitBus, place: str) -> None:
    key = f"{SUBMITTED}.v1.MARK"
    async with raw_channel(place) as channel:
        await _publish_raw(
            channel, key, _properties(message_id="m")(), key_bytes=key.encode().replace(b"MARK", b"\xff\xfe\xfd\xfc")
        )
        subscription = await bus.subscribe(FACTS)
        (delivery,) = await take(subscription, 1)
    await subscription.reject(delivery, "bad_envelope", "")
    await bus.check()


async def _is_read_and_buried(bus: RabbitBus, key: str) -> None:
    """The message is delivered once, believed nothing of, and can be rejected; the consumer goes on."""
    subscription = await bus.subscribe(IMAGE_QUERIES)
    (delivery,) = await take(subscription, 1)
    assert (delivery.message.body, delivery.message.routing_key, delivery.attempt) == (b"hostile", key, 1)
    assert all(isinstance(value, str) for value in delivery.message.headers.values())
    await subscription.reject(delivery, "no_type", "")
    (dead,) = await take(await bus.subscribe(DEAD), 1)
    assert (dead.message.body, dead.message.routing_key) == (b"hostile", key)
    assert dead.message.headers[DEAD_REASON] == "no_type"

    await bus.publish([message(SUBMITTED, b"next")])
    assert bodies(await take(subscription, 1)) == [b"next"]
    await bus.check()


async def _publish_raw(channel: AbstractChannel, key: str, header: bytes, key_bytes: bytes | None = None) -> None:
    frames: list[Any] = [spec.Basic.Publish(exchange=EXCHANGES["in"], routing_key=key), ContentBody(b"hostile")]
    method, body = (ChannelFrame.marshall(channel.number, [frame]).payload for frame in frames)
    if key_bytes is not None:
        method = method.replace(key.encode(), key_bytes)
    framed = b"\x02" + channel.number.to_bytes(2, "big") + len(header).to_bytes(4, "big") + header + b"\xce"
    await channel.connection.write_queue.put(
        ChannelFrame(payload=method + framed + body, should_close=False, drain_future=None)
    )


async def _get(channel: AbstractChannel, queue: str) -> int:
    async with asyncio.timeout(10):
        while True:
            got = await channel.basic_get(queue)
            if got.delivery_tag is not None:
                return got.delivery_tag
            await asyncio.sleep(0.01)


async def _settle(subscription: Subscription, deliveries: Any) -> None:
    """Settle some of a batch in every way there is."""
    first: Delivery
    first, *rest = deliveries
    if int(first.message.body) % 5 == 0 and first.attempt == 1:
        await subscription.retry(first, 0.0)
        await subscription.ack(rest)
    else:
        await subscription.ack(deliveries)


async def _empty(bus: RabbitBus) -> bool:
    try:
        depth = await bus.depth(MODEL_CHECKS)
    except Unavailable:
        return False
    return depth.ready == depth.unsettled == 0


async def _ready(bus: RabbitBus, count: int) -> bool:
    return (await bus.depth(IMAGE_QUERIES)).ready == count


async def _unhealthy(bus: RabbitBus) -> bool:
    return not await healthy(bus)
