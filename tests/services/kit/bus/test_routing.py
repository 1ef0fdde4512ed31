"""Where messages go: the table of topics, read as routes."""

import pytest

from contracts.topics import TOPICS, WAKE_UPS, Topic
from services.kit.bus.routing import Route, route
from services.kit.errors import Undecodable


def test_a_submission_goes_to_the_workers_of_its_lane_and_to_the_store() -> None:
    assert route("in", "image_query.submitted.v1.gpu-2") == Route(
        queues=("inference.image_queries.g1.gpu-2", "result_store.facts.g1"), broadcasts=()
    )


def test_a_wake_up_is_broadcast_and_lies_nowhere() -> None:
    assert route("facts", "results.stored.v1.default") == Route(queues=(), broadcasts=(WAKE_UPS,))


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_every_topic_reaches_every_queue_it_names(topic: Topic) -> None:
    found = route(topic.exchange, topic.routing_key("some_lane"))

    assert set(found.queues) >= {queue.queue_name("some_lane") for queue in topic.queues if not queue.broadcast}
    assert set(found.broadcasts) >= {queue for queue in topic.queues if queue.broadcast}


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_a_version_that_nobody_knows_goes_where_its_type_goes(topic: Topic) -> None:
    assert route(topic.exchange, f"{topic.type}.v999999.default") == route(topic.exchange, topic.routing_key("default"))


@pytest.mark.parametrize(
    "routing_key",
    [
        "",
        ".",
        "image_query.submitted.v1",
        "image_query.submitted.default",
        "image_query.submitted.v01.default",
        "image_query.submitted.v-1.default",
        "image_query.submitted.v1.two.words",
        "image_query.submitted.v1.#",
        "image_query.submitted.v1." + "x" * 64,
        " image_query.submitted.v1.default",
        "image_query.submitted.v\N{ARABIC-INDIC DIGIT ONE}.default",
        "IMAGE_QUERY.submitted.v1.default",
        "nobody.knows.v1.default",
        "x" * 100_000,
    ],
)
def test_what_is_no_address_is_refused(routing_key: str) -> None:
    with pytest.raises(Undecodable) as caught:
        route("in", routing_key)
    assert caught.value.code == "unroutable"
    assert len(caught.value.detail) < 500


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_the_exchange_must_be_the_topics_own(topic: Topic) -> None:
    with pytest.raises(Undecodable):
        route("in" if topic.exchange == "facts" else "facts", topic.routing_key("default"))
