"""Every metric of every service: one table. Base units, low-cardinality labels, never an ID."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_AGES = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 172800.0)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.submitted = Counter(
            "sightline_submissions_total",
            "Queries accepted or refused at the write door.",
            ["outcome"],
            registry=registry,
        )
        self.handled = Counter(
            "sightline_messages_handled_total",
            "Messages by what consumers did: done, retried, rejected, parked; stale is left for its redelivery.",
            ["queue", "outcome"],
            registry=registry,
        )
        self.message_age = Histogram(
            "sightline_message_age_seconds",
            "Time since a message was made when it is taken in hand: how far a queue is behind.",
            ["queue"],
            buckets=_AGES,
            registry=registry,
        )
        self.handle_seconds = Histogram(
            "sightline_handle_seconds",
            "Time to handle one batch of messages.",
            ["queue"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "sightline_batch_messages",
            "Messages handled at once.",
            ["queue"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.answered = Counter("sightline_answers_total", "Answers given by models.", registry=registry)
        self.decode_seconds = Histogram(
            "sightline_decode_seconds", "Time to decode one image.", buckets=_SECONDS, registry=registry
        )
        self.inference_seconds = Histogram(
            "sightline_inference_seconds", "Time of one run of a model.", buckets=_SECONDS, registry=registry
        )
        self.ended = Counter("sightline_queries_ended_total", "Queries that ended.", ["state"], registry=registry)
        self.answer_seconds = Histogram(
            "sightline_answer_seconds",
            "Time from submission to the stored answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.dead_letters = Counter(
            "sightline_dead_letters_total", "Messages given up.", ["queue", "reason"], registry=registry
        )
        self.breakers_open = Gauge(
            "sightline_breakers_open",
            "Consumers that take nothing because everything failed.",
            ["queue"],
            registry=registry,
        )
        self.letters_kept = Gauge(
            "sightline_dead_letters_kept",
            "Dead letters that wait for an operator, as each sweep of the result store finds them.",
            ["reason"],
            registry=registry,
        )
        self.swept = Counter(
            "sightline_swept_total", "Queries that the sweeper mended or ended.", ["outcome"], registry=registry
        )
        self.waiters = Gauge("sightline_waiters", "Requests that wait for a result.", registry=registry)
        self.requests = Counter(
            "sightline_http_requests_total", "HTTP requests answered.", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "sightline_http_request_seconds",
            "Time to answer an HTTP request, waiting included.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
