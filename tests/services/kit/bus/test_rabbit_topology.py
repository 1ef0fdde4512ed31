"""The topology and the permissions are made from the table of topics, exactly."""

import re

import pytest

from contracts.topics import CHANGES, DEAD, FACTS, IMAGE_QUERIES, QUEUES, TOPICS, WAKE_UPS, Topic
from services.kit.bus.rabbit.permissions import permissions, roles
from services.kit.bus.rabbit.topology import (
    BACK,
    DEAD_LETTERS,
    EXCHANGES,
    IN,
    RETRY_STEPS_S,
    QueueSpec,
    all_specs,
    broadcast_spec,
    durable_specs,
    retry_step_s,
)


def takes(spec: QueueSpec, exchange: str, key: str) -> bool:
    """Whether a topic exchange would bring a message with `key` to the queue."""
    for binding in spec.bindings:
        pattern = re.escape(binding.pattern).replace(r"\*", r"[^.]+").replace(r"\#", r".*")
        if binding.exchange == exchange and re.fullmatch(pattern, key):
            return True
    return False


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
@pytest.mark.parametrize("version", ["v1", "v9"])
def test_each_queue_takes_its_topics_in_every_version_and_nothing_else(topic: Topic, version: str) -> None:
    for queue in QUEUES.values():
        spec = broadcast_spec(queue, "token") if queue.broadcast else durable_specs(queue, "slow")[-1]
        exchange = EXCHANGES[topic.exchange]
        assert takes(spec, exchange, f"{topic.type}.{version}.slow") == (queue in topic.queues)
        assert takes(spec, exchange, f"{topic.type}.{version}.other") == (queue in topic.queues and not queue.by_lane)
        if not queue.broadcast:
            assert not takes(spec, exchange, f"{topic.type}.{version}.slow.more")
            assert not takes(spec, exchange, f"{topic.type}.{version}")
            assert not takes(spec, exchange, f"{topic.type}.more.{version}.slow")
        assert not takes(spec, exchange, f"more.{topic.type}.{version}.slow")
        assert not takes(spec, {"in": EXCHANGES["facts"], "facts": EXCHANGES["in"]}[topic.exchange], topic.name)


def test_every_work_queue_is_safe_bounded_and_leads_its_dead_to_the_dead_queue() -> None:
    for queue in (IMAGE_QUERIES, FACTS):
        work = durable_specs(queue, "default", limit_bytes=5_000_000)[-1]
        assert work.durable
        assert work.arguments["x-queue-type"] == "quorum"
        assert work.arguments["x-overflow"] == "reject-publish"
        assert work.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert work.arguments["x-dead-letter-exchange"] == DEAD_LETTERS
        assert work.arguments["x-max-length-bytes"] == 5_000_000
        assert int(work.arguments["x-delivery-limit"]) >= queue.retry.attempts
    dead = durable_specs(DEAD, "default")[-1]
    assert (dead.arguments["x-dead-letter-exchange"], dead.arguments["x-dead-letter-routing-key"]) == (
        BACK,
        f"{dead.name}.parked",
    )


def test_a_retry_returns_to_the_one_queue_that_failed() -> None:
    *_, work = specs = durable_specs(IMAGE_QUERIES, "slow")
    waiting = [spec for spec in specs if "x-message-ttl" in spec.arguments]
    assert [spec.arguments["x-message-ttl"] for spec in waiting] == [round(step * 1000) for step in RETRY_STEPS_S]
    for spec in waiting:
        assert spec.arguments["x-dead-letter-exchange"] == BACK
        assert spec.arguments["x-dead-letter-routing-key"] == work.name
    direct = [
        binding for spec in all_specs(["default", "slow"]) for binding in spec.bindings if binding.exchange == BACK
    ]
    assert len(direct) == len({binding.pattern for binding in direct})


def test_names_carry_the_generation_and_the_lane() -> None:
    names = [spec.name for spec in durable_specs(IMAGE_QUERIES, "slow")]
    assert names[-1] == "inference.image_queries.g1.slow"
    assert all(name.startswith("inference.image_queries.g1.slow") for name in names)


@pytest.mark.parametrize("delay_s", [0.01, 0.3, 0.5, 0.6, 1.0, 2.0, 3.0, 4.0, 8.0, 15.0, 16.0, 30.0, 45.0, 60.0, 600.0])
def test_the_steps_of_a_delay_are_never_too_short_and_at_most_twice_as_long(delay_s: float) -> None:
    waited_s, steps = 0.0, 0
    while waited_s < delay_s:
        waited_s += retry_step_s(delay_s - waited_s)
        steps += 1
    assert waited_s <= max(2 * delay_s, RETRY_STEPS_S[0])
    assert steps <= 4 + delay_s / RETRY_STEPS_S[-1]


def allowed(pattern: str, name: str) -> bool:
    return re.search(pattern, name) is not None


@pytest.mark.parametrize("service", roles())
def test_nobody_may_configure_anything_durable(service: str) -> None:
    granted = permissions(service)
    for name in [*EXCHANGES.values(), BACK, DEAD_LETTERS, *(spec.name for spec in all_specs(["default", "slow"]))]:
        assert not allowed(granted.configure, name)
    assert not allowed(granted.write, "amq.default")


def test_a_device_may_publish_submissions_and_nothing_else() -> None:
    granted = permissions("device")
    assert (granted.configure, granted.read) == ("^$", "^$")
    assert [name for name in [*EXCHANGES.values(), BACK, DEAD_LETTERS] if allowed(granted.write, name)] == [IN]
    keys = {topic.exchange: topic for topic in granted.topics}
    assert all(topic.read == "^$" for topic in granted.topics)
    for topic in TOPICS.values():
        key = topic.routing_key("any-lane")
        assert allowed(keys[EXCHANGES[topic.exchange]].write, key) == ("device" in topic.producers)
        assert not allowed(keys[EXCHANGES[topic.exchange]].write, f"{key}.more")


@pytest.mark.parametrize("service", roles())
def test_a_sender_sees_the_queues_it_sends_to_and_can_bind_none_of_them(service: str) -> None:
    granted = permissions(service)
    sent_to = {queue for topic in TOPICS.values() if service in topic.publishers for queue in topic.queues}
    for queue in QUEUES.values():
        if not queue.broadcast:
            *others, work = durable_specs(queue, "any-lane")
            assert allowed(granted.write, work.name) == (queue in sent_to or (queue == DEAD and service != "device"))
            assert not any(allowed(granted.write, spec.name) for spec in others)
            for binding in work.bindings:
                for topic in granted.topics:
                    assert topic.exchange != binding.exchange or not allowed(topic.read, binding.pattern)


@pytest.mark.parametrize("service", [service for service in roles() if service != "device"])
def test_a_service_may_read_its_own_queues_and_write_where_its_topics_go(service: str) -> None:
    granted = permissions(service)
    for queue in QUEUES.values():
        if not queue.broadcast:
            for spec in durable_specs(queue, "any-lane"):
                assert allowed(granted.read, spec.name) == (queue.service == service)
    produced = {topic.exchange for topic in TOPICS.values() if service in topic.publishers}
    for exchange, name in EXCHANGES.items():
        assert allowed(granted.write, name) == (exchange in produced)
    keys = {topic.exchange: topic for topic in granted.topics}
    for topic in TOPICS.values():
        own = keys[EXCHANGES[topic.exchange]]
        assert allowed(own.write, topic.routing_key("any-lane")) == (service in topic.publishers)
    for queue in (WAKE_UPS, CHANGES):
        for binding in broadcast_spec(queue, "abc").bindings:
            assert allowed(keys[binding.exchange].read, binding.pattern)
    assert allowed(granted.configure, broadcast_spec(QUEUES["changes"], "abc").name)


def test_a_service_that_the_table_does_not_know_gets_nothing() -> None:
    with pytest.raises(ValueError, match="there is no service"):
        permissions("any")
