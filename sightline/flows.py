"""What a client does, step by step, without doing any input or output itself.

A flow is a generator: it yields `Send` and `Pause` and is sent the replies. The two clients drive the same flows, one
with a blocking transport, one with an awaited one, so every decision (repeat, wait on, give up) is written once.
"""

import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from contracts.http.detectors import Detector
from contracts.http.queries import Query
from sightline import detectors, queries
from sightline.calls import Call, Reply, result_of
from sightline.errors import Conflict, NotFound, QueryEnded, SightlineError, Unavailable, UnknownOutcome, WaitTimeout
from sightline.queries import AskOptions, WaitFor

T = TypeVar("T")

_AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed."""
_READ_TRIES = 3
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_ATTEMPT_S = 10.0
"""A reply that is later than this is not coming; a submit is then repeated under its key."""
_POLL_S = 25.0
"""Longest wait in one request: below the idle time-outs of common proxies."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a call; no single step of it (connect, write, first byte) may take longer than `timeout_s`."""

    call: Call[Any]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for a while."""

    seconds: float


class NotSent(SightlineError):  # noqa: N818 - reads as what happened
    """Thrown into a flow: no connection came about, so nothing took effect."""


class Unfinished(SightlineError):  # noqa: N818
    """Thrown into a flow: the connection ended before the reply did."""


Flow = Generator[Send | Pause, Reply | None, T]


def once(call: Call[T], timeout_s: float) -> Flow[T]:
    """Make a call that must not be repeated blindly.

    Raises:
        UnknownOutcome: no answer came.
    """
    try:
        reply = yield Send(call, timeout_s)
    except NotSent as error:
        raise Unavailable(str(error)) from error
    except Unfinished as error:
        raise UnknownOutcome(str(error)) from error
    return result_of(call, _given(reply))


def read(call: Call[T], timeout_s: float) -> Flow[T]:
    """Make a call that changes nothing, or nothing more the second time; a few tries."""
    deadline = time.monotonic() + timeout_s
    reached = False
    for attempt in count(1):
        after_s = 0.0
        try:
            reply = _given((yield Send(call, _left(deadline))))
        except (NotSent, Unfinished) as error:
            reached = reached or isinstance(error, Unfinished)
            problem = str(error)
        else:
            if reply.status not in _AGAIN:
                return result_of(call, reply)
            problem, after_s, reached = _problem(call, reply), _retry_after(reply), True
        pause_s = _pause(attempt, after_s)
        if attempt == _READ_TRIES or time.monotonic() + pause_s >= deadline:
            raise Unavailable(problem, reached=reached)
        yield Pause(pause_s)
    raise AssertionError("unreachable")


def submit(call: Call[Query], timeout_s: float, key: str) -> Flow[Query]:
    """Submit under an idempotency key, repeating under the same one until `timeout_s` is over.

    Raises:
        UnknownOutcome: some attempt may have been accepted.
        Unavailable: no attempt reached the platform.
    """
    deadline = time.monotonic() + timeout_s
    sent = False
    for attempt in count(1):
        after_s = 0.0
        try:
            reply = _given((yield Send(call, min(_left(deadline), _ATTEMPT_S))))
        except NotSent as error:
            problem = str(error)
        except Unfinished as error:
            problem, sent = str(error), True
        else:
            if reply.status not in _AGAIN and reply.status != 500:
                return result_of(call, reply)
            problem, after_s, sent = _problem(call, reply), _retry_after(reply), True
        pause_s = _pause(attempt, after_s)
        if time.monotonic() + pause_s >= deadline:
            raise UnknownOutcome(problem, idempotency_key=key) if sent else Unavailable(problem)
        yield Pause(pause_s)
    raise AssertionError("unreachable")


def ask_async(detector: str, image: bytes, options: AskOptions, timeout_s: float) -> Flow[Query]:
    """Submit and return at once."""
    key = options.get("idempotency_key", queries.new_key())
    return (yield from submit(queries.submit(detector, image, options, key=key), timeout_s, key))


def ask(
    detector: str, image: bytes, options: AskOptions, timeout_s: float, *, wait_s: float, wait_for: WaitFor
) -> Flow[Query]:
    """Submit and wait for the answer, within the same request where the time allows."""
    deadline = time.monotonic() + wait_s
    key = options.get("idempotency_key", queries.new_key())
    call = queries.submit(detector, image, options, key=key, wait_s=min(wait_s, _POLL_S), wait_for=wait_for)
    query = yield from submit(call, timeout_s, key)
    if _satisfied(query, wait_for):
        return query
    left_s = max(0.0, deadline - time.monotonic())
    return (yield from wait(query.id, timeout_s, wait_s=left_s, wait_for=wait_for, told_s=wait_s))


def wait(
    query_id: str, timeout_s: float, *, wait_s: float, wait_for: WaitFor, told_s: float | None = None
) -> Flow[Query]:
    """Poll, each time for long, until the query is answered. A restart of the platform in between is survived.

    Raises:
        WaitTimeout: `wait_s` is over.
        QueryEnded: no answer will come by itself.
    """
    deadline = time.monotonic() + wait_s
    seen = False
    while True:
        began = time.monotonic()
        left_s = max(0.0, deadline - began)
        poll_s = min(left_s, _POLL_S)
        try:
            query = yield from read(queries.get(query_id, wait_s=poll_s, wait_for=wait_for), timeout_s)
        except Unavailable as error:
            if not (seen or error.reached) or time.monotonic() + 1.0 >= deadline:
                raise
            yield Pause(1.0)
            continue
        seen = True
        if _satisfied(query, wait_for):
            return query
        now = time.monotonic()
        if now >= deadline:
            raise WaitTimeout(query, wait_s if told_s is None else told_s)
        if now - began < poll_s / 2:  # a platform that stops, or waits for less, answers early
            yield Pause(min(0.25, deadline - now))


def get_or_create_detector(
    name: str, query: str, options: detectors.DetectorOptions, timeout_s: float
) -> Flow[Detector]:
    """Return the detector of that name, made if there is none.

    Raises:
        Conflict: name_taken, by a detector that asks something else.
    """
    try:
        found = yield from read(detectors.get(name), timeout_s)
    except NotFound:
        try:
            return (yield from once(detectors.create(name, query, options), timeout_s))
        except Conflict as error:
            if error.code != "name_taken":
                raise
            found = yield from read(detectors.get(name), timeout_s)  # somebody made it in between
    if found.query != query:
        raise Conflict("name_taken", f"the detector {name} asks {found.query!r}", status=409)
    return found


def _satisfied(query: Query, wait_for: WaitFor) -> bool:
    if query.search is not None and query.state == "answered":
        return True  # what a search answers is its rows
    if query.ended and query.answer is None:
        raise QueryEnded(query)
    return query.confident if wait_for == "confident" else query.answer is not None


def _given(reply: Reply | None) -> Reply:
    if reply is None:
        raise AssertionError("a Send is answered with a Reply")
    return reply


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _problem(call: Call[Any], reply: Reply) -> str:
    try:
        result_of(call, reply)
    except SightlineError as error:
        return str(error)
    return f"HTTP {reply.status}"


def _retry_after(reply: Reply) -> float:
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0


def _pause(attempt: int, after_s: float) -> float:
    backoff_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 10))
    # At random, so that the many clients of one outage do not come back in step.
    return max(min(after_s, _LONGEST_PAUSE_S), backoff_s * random.uniform(0.5, 1.0))  # noqa: S311
