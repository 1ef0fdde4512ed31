"""The one table of messages and the queues that take them.

Brokers, schemas, documents and tests are made from it: a message that is not here does not exist.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.base import Payload
from contracts.v1 import control, dead_letter, image_query, label, query, results, search

PayloadType = type[Payload]

Exchange = Literal["in", "facts"]
"""Trust: `in` takes submissions, and a device may publish there and nowhere else; `facts` only our services."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a queue repeats work that failed for a passing reason: the delay doubles up to the longest."""

    attempts: int = 5
    first_delay_s: float = 0.5
    longest_delay_s: float = 60.0

    def delay_s(self, attempt: int) -> float:
        """Return the delay after the failed `attempt` (1 is the first)."""
        return min(self.first_delay_s * 2.0 ** min(attempt - 1, 30), self.longest_delay_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A place where messages wait for one consumer.

    Work queues are durable and shared by all processes of their service; a `broadcast` is one per process, not
    durable, and may lose messages. `by_lane` makes one queue per lane. The generation is part of the name because
    the arguments of an existing queue cannot change.
    """

    name: str
    service: str
    summary: str
    by_lane: bool = False
    broadcast: bool = False
    retry: Retry = Retry()
    generation: int = 1

    def queue_name(self, lane: str = "default") -> str:
        """Return the broker's name of this queue for `lane`."""
        stem = f"{self.name}.g{self.generation}"
        return f"{stem}.{lane}" if self.by_lane else stem


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One message type in one version."""

    type: str
    version: int
    model: "PayloadType"
    exchange: Exchange
    producers: tuple[str, ...]
    queues: tuple[Queue, ...]
    inline_bytes: bool = False
    """True when the payload may carry image bytes: it is MessagePack then, JSON otherwise."""

    @property
    def name(self) -> str:
        """Type and version as one word, e.g. `image_query.submitted.v1`."""
        return f"{self.type}.v{self.version}"

    @property
    def publishers(self) -> frozenset[str]:
        """Who may publish it: its producers, and the result store where it can die, since it publishes it again."""
        can_die = any(not queue.broadcast for queue in self.queues)
        return frozenset({*self.producers, *({DEAD.service} if can_die else ())})

    def routing_key(self, lane: str) -> str:
        """Return `type.vN.lane`."""
        return f"{self.name}.{lane}"


IMAGE_QUERIES = Queue(
    name="inference.image_queries", service="inference", by_lane=True, summary="Image queries that wait for a model"
)
MODEL_CHECKS = Queue(
    name="inference.model_checks", service="inference", summary="Uploaded model files that wait for their check"
)
SEARCH_PLANS = Queue(name="search.plans", service="search", summary="Searches to plan, and parts whose next is due")
SEARCH_PARTS = Queue(name="search.parts", service="search", summary="Parts of searches that wait for a worker")
SEARCH_ASSEMBLIES = Queue(
    name="search.assemblies", service="search", summary="Searches whose parts are all there, to be put together"
)
FACTS = Queue(
    name="result_store.facts",
    service="result_store",
    summary="Everything that is folded into query documents",
    retry=Retry(attempts=1000, first_delay_s=0.5, longest_delay_s=30.0),  # a store that is away comes back
)
DEAD = Queue(
    name="result_store.dead",
    service="result_store",
    summary="Messages that some queue gave up, with the reason",
    retry=Retry(attempts=1000, first_delay_s=0.5, longest_delay_s=30.0),
)
WAKE_UPS = Queue(name="wake_ups", service="any", broadcast=True, summary="Wakes those who wait for a result")
CHANGES = Queue(name="changes", service="any", broadcast=True, summary="Tells caches what to forget")

QUEUES: dict[str, Queue] = {
    queue.name: queue
    for queue in (
        IMAGE_QUERIES,
        MODEL_CHECKS,
        SEARCH_PLANS,
        SEARCH_PARTS,
        SEARCH_ASSEMBLIES,
        FACTS,
        DEAD,
        WAKE_UPS,
        CHANGES,
    )
}

_ALL = (
    Topic(
        type="image_query.submitted",
        version=1,
        model=image_query.ImageQuerySubmitted,
        exchange="in",
        producers=("submitter", "device", "result_store"),
        queues=(IMAGE_QUERIES, FACTS),
        inline_bytes=True,
    ),
    Topic(
        type="image_query.answered",
        version=1,
        model=image_query.ImageQueryAnswered,
        exchange="facts",
        producers=("inference",),
        queues=(FACTS,),
    ),
    Topic(
        type="search.submitted",
        version=1,
        model=search.SearchSubmitted,
        exchange="in",
        producers=("submitter", "device", "result_store"),
        queues=(SEARCH_PLANS, FACTS),
    ),
    Topic(
        type="search.part",
        version=1,
        model=search.SearchPart,
        exchange="facts",
        producers=("search",),
        queues=(SEARCH_PARTS,),
    ),
    Topic(
        type="search.part_done",
        version=1,
        model=search.SearchPartDone,
        exchange="facts",
        producers=("search",),
        queues=(SEARCH_PLANS, FACTS),
    ),
    Topic(
        type="search.assemble",
        version=1,
        model=search.SearchAssemble,
        exchange="facts",
        producers=("search",),
        queues=(SEARCH_ASSEMBLIES,),
    ),
    Topic(
        type="search.completed",
        version=1,
        model=search.SearchCompleted,
        exchange="facts",
        producers=("search",),
        queues=(FACTS,),
    ),
    Topic(
        type="query.failed",
        version=1,
        model=query.QueryFailed,
        exchange="facts",
        producers=("inference", "result_store", "search"),
        queues=(FACTS,),
    ),
    Topic(
        type="query.cancelled",
        version=1,
        model=query.QueryCancelled,
        exchange="facts",
        producers=("gateway",),
        queues=(FACTS,),
    ),
    Topic(
        type="query.expired",
        version=1,
        model=query.QueryExpired,
        exchange="facts",
        producers=("inference", "result_store", "search"),
        queues=(FACTS,),
    ),
    Topic(
        type="query.held",
        version=1,
        model=query.QueryHeld,
        exchange="facts",
        producers=("inference",),
        queues=(FACTS,),
    ),
    Topic(
        type="query.erased",
        version=1,
        model=query.QueryErased,
        exchange="facts",
        producers=("gateway",),
        queues=(FACTS,),
    ),
    Topic(
        type="label.added",
        version=1,
        model=label.LabelAdded,
        exchange="facts",
        producers=("gateway",),
        queues=(FACTS,),
    ),
    Topic(
        type="results.stored",
        version=1,
        model=results.ResultsStored,
        exchange="facts",
        producers=("result_store",),
        queues=(WAKE_UPS,),
    ),
    Topic(
        type="detector.changed",
        version=1,
        model=control.DetectorChanged,
        exchange="facts",
        producers=("gateway",),
        queues=(CHANGES, FACTS),
    ),
    Topic(
        type="model.submitted",
        version=1,
        model=control.ModelSubmitted,
        exchange="facts",
        producers=("gateway",),
        queues=(MODEL_CHECKS,),
    ),
    Topic(
        type="model.checked",
        version=1,
        model=control.ModelChecked,
        exchange="facts",
        producers=("inference",),
        queues=(FACTS,),
    ),
    Topic(
        type="model.changed",
        version=1,
        model=control.ModelChanged,
        exchange="facts",
        producers=("gateway", "result_store"),
        queues=(CHANGES,),
    ),
    Topic(
        type="dead_letter.requeued",
        version=1,
        model=dead_letter.DeadLetterRequeued,
        exchange="facts",
        producers=("gateway",),
        queues=(FACTS,),
    ),
    Topic(
        type="dead_letter.dropped",
        version=1,
        model=dead_letter.DeadLetterDropped,
        exchange="facts",
        producers=("gateway",),
        queues=(FACTS,),
    ),
)

TOPICS: dict[tuple[str, int], Topic] = {(topic.type, topic.version): topic for topic in _ALL}
BY_MODEL: dict[type[Payload], Topic] = {topic.model: topic for topic in _ALL}
