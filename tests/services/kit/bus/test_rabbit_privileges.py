"""Least privilege: what each user of the broker can do, tried, with the permissions that the table gives it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from pamqp.commands import Basic
from structlog.testing import capture_logs

from contracts.topics import DEAD, FACTS, IMAGE_QUERIES, MODEL_CHECKS, QUEUES, TOPICS, WAKE_UPS
from services.kit.bus.port import DEAD_REASON, UNVERIFIED
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.bus.rabbit.install import declare_topology
from services.kit.bus.rabbit.permissions import permissions, roles
from services.kit.bus.rabbit.topology import BACK, DEAD_LETTERS, EXCHANGES, all_specs
from services.kit.errors import ConfigError, Unavailable
from tests.support.buses import bodies, expect_depth, take
from tests.support.messages import ANSWERED, CHECK_MODEL, STORED, SUBMITTED, message
from tests.support.rabbit import empty_place, raw_channel, user_of
from tests.support.servers import amqp_server


@pytest.fixture
async def place() -> AsyncIterator[str]:
    """A place whose topology an administrator has declared."""
    with empty_place() as url:
        await declare_topology(url, ["default", "slow"])
        yield url


As = Callable[[str], str]


@pytest.fixture
def as_user(place: str) -> Iterator[As]:
    """Makes the user of a service and returns its address."""
    with ExitStack() as stack:
        yield lambda role: stack.enter_context(user_of(place, permissions(role), role))


async def test_a_device_publishes_submissions_and_can_do_nothing_else(place: str, as_user: As) -> None:
    async with RabbitBus(as_user("device")) as device, RabbitBus(place) as bus:
        await device.publish([message(SUBMITTED, b"from the edge")])
        (delivery,) = await take(await bus.subscribe(IMAGE_QUERIES), 1)
        assert delivery.message.body == b"from the edge"
        assert delivery.message.user.startswith("device-")

        for type_ in (ANSWERED, STORED, CHECK_MODEL):
            with pytest.raises(Unavailable, match=r"sightline\.facts"):
                await device.publish([message(type_)])
        for queue in QUEUES.values():
            with pytest.raises(Unavailable):
                await device.subscribe(queue)
        facts = await bus.subscribe(FACTS)
        await facts.park((await take(facts, 1))[0], "unknown_version")
        with pytest.raises(Unavailable):
            await device.unpark(FACTS, lambda _: True)
        with pytest.raises(Unavailable, match="fresh"):
            await device.publish([message(SUBMITTED, lane="fresh")])


async def test_a_device_cannot_reach_past_the_bus_either(as_user: As) -> None:
    device = as_user("device")
    for exchange in ("", BACK, DEAD_LETTERS, EXCHANGES["facts"]):
        async with raw_channel(device) as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.basic_publish(b"x", exchange=exchange, routing_key=IMAGE_QUERIES.queue_name())
    for spec in all_specs(["default"]):
        async with raw_channel(device) as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.basic_get(spec.name)
    async with raw_channel(device) as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.queue_declare("of-its-own", exclusive=True)
    async with raw_channel(device) as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.queue_delete(FACTS.queue_name())
    for type_ in (ANSWERED, "image_query.submitted.v1.default", ""):  # only what the table says, not the whole exchange
        async with raw_channel(device) as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.basic_publish(b"x", exchange=EXCHANGES["in"], routing_key=f"{type_}.v1.default")


@pytest.mark.parametrize("service", roles())
async def test_nobody_touches_the_bindings_of_a_queue(as_user: As, service: str) -> None:
    address = as_user(service)
    for spec in all_specs(["default"]):
        for binding in spec.bindings:
            async with raw_channel(address) as channel:
                with pytest.raises(ChannelAccessRefused):
                    await channel.queue_unbind(spec.name, binding.exchange, binding.pattern)


@pytest.mark.parametrize("service", [role for role in roles() if role != "device"])
async def test_a_service_publishes_its_own_facts_and_nobody_elses(place: str, as_user: As, service: str) -> None:
    async with RabbitBus(as_user(service)) as bus:
        for topic in TOPICS.values():
            if service not in topic.publishers:
                with pytest.raises(Unavailable, match="refused"):
                    await bus.publish([message(topic.type)])


async def test_a_user_that_is_shown_nothing_is_told_so_and_may_still_do_its_work(place: str) -> None:
    """As RabbitMQ 4.2.6 and 4.3.0 treat everybody, and later ones a user that was granted less than it should be."""
    wide = permissions("device")
    blind = wide._replace(write=wide.write.split("|")[0] + ")$")
    with capture_logs() as logs, user_of(place, blind, "blind") as url:
        async with RabbitBus(url) as device:
            await device.check()
            await device.publish([message(SUBMITTED, b"unseen")])
    told = [each["event"] for each in logs if each["log_level"] == "warning"]
    assert told == (["bus.topology_hidden"] if _hides(amqp_server().version) else [])


async def test_nobody_can_sign_as_somebody_else(as_user: As) -> None:
    async with raw_channel(as_user("device")) as channel:
        with pytest.raises(ChannelPreconditionFailed):
            await channel.basic_publish(
                b"x",
                exchange=EXCHANGES["in"],
                routing_key=f"{SUBMITTED}.v1.default",
                properties=Basic.Properties(user_id="gateway"),
            )


async def test_a_submission_that_nobody_signed_is_known_as_such(place: str, as_user: As) -> None:
    """A device could leave its name out and claim any tenant: whoever decodes must see that it did."""
    async with RabbitBus(place) as admin:
        subscription = await admin.subscribe(IMAGE_QUERIES)
        async with raw_channel(as_user("device")) as channel:
            await channel.basic_publish(b"x", exchange=EXCHANGES["in"], routing_key=f"{SUBMITTED}.v1.default")
        (unsigned,) = await take(subscription, 1)
        assert unsigned.message.user == UNVERIFIED
        await subscription.reject(unsigned, "bad", "")
        (dead,) = await take(await admin.subscribe(DEAD), 1)
        assert dead.message.user == UNVERIFIED


@pytest.mark.parametrize("service", [role for role in roles() if role != "device"])
async def test_a_service_can_do_its_work_with_its_own_permissions(place: str, as_user: As, service: str) -> None:
    async with RabbitBus(as_user(service)) as bus, RabbitBus(place) as admin:
        await bus.check()
        for topic in TOPICS.values():
            if service in topic.publishers:
                await bus.publish([message(topic.type)])
        heard = await bus.subscribe(WAKE_UPS)
        await admin.publish([message(STORED, b"wake up")])
        (wake_up,) = await take(heard, 1)
        await heard.reject(wake_up, "bad", "")
        await bus.check()


async def test_the_owner_of_a_queue_settles_in_every_way(place: str, as_user: As) -> None:
    async with (
        RabbitBus(as_user("inference")) as bus,
        RabbitBus(as_user("result_store")) as store,
        RabbitBus(place) as admin,
    ):
        await admin.publish([message(CHECK_MODEL, body) for body in (b"done", b"again", b"bad", b"new")])
        subscription = await bus.subscribe(MODEL_CHECKS, prefetch=4)
        done, again, bad, new = await take(subscription, 4)
        await subscription.ack([done])
        await subscription.retry(again, 0.1)
        await subscription.reject(bad, "bad_model", "")
        await subscription.park(new, "unknown_version")
        assert bodies(await take(subscription, 1)) == [b"again"]
        assert await bus.unpark(MODEL_CHECKS, lambda _: True) == 1
        assert bodies(await take(subscription, 1)) == [b"new"]
        await subscription.close()
        await expect_depth(bus, MODEL_CHECKS, ready=2)

        (dead,) = await take(await store.subscribe(DEAD), 1)
        assert dead.message.headers[DEAD_REASON] == "bad_model"
        assert dead.message.user == (await _name_of(place))
        for foreign in (FACTS, DEAD):
            with pytest.raises(Unavailable):
                await bus.subscribe(foreign)


async def test_a_service_without_its_topology_says_who_must_declare_it() -> None:
    with empty_place() as url, user_of(url, permissions("gateway")) as gateway:
        with pytest.raises(ConfigError, match="sightline topology declare"):
            async with RabbitBus(gateway):
                pass
        await declare_topology(url)
        async with RabbitBus(gateway) as bus:
            await bus.check()
            async with raw_channel(url) as channel:
                await channel.queue_delete(FACTS.queue_name())
            with pytest.raises(Unavailable, match="is missing"):
                await bus.check()
            with pytest.raises(Unavailable, match="sightline topology declare"):
                await bus.publish([message("label.added")])


async def test_declaring_again_changes_nothing_and_needs_an_administrator(place: str, as_user: As) -> None:
    async with RabbitBus(place) as bus:
        await bus.publish([message(SUBMITTED, b"kept")])
        assert await declare_topology(place, ["default", "slow", "new"])
        await expect_depth(bus, IMAGE_QUERIES, ready=1)
    with pytest.raises(ConfigError, match="administrator"):
        await declare_topology(as_user("gateway"), ["default"])


def _hides(version: str) -> bool:
    return tuple(int(number) for number in version.split(".")[:3]) >= (4, 2, 6)


async def _name_of(place: str) -> str:
    return place.split("//")[1].split(":", maxsplit=1)[0]
