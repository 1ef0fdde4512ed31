"""How the time of a search is cut into parts: whole days of UTC, so that a day's columns are read once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from contracts.v1.search import SearchType

_SECOND = timedelta(seconds=1)


class Span(NamedTuple):
    """A part's time; both ends belong to it."""

    start: datetime
    end: datetime


def days_per_part(search_type: SearchType, conjunction_days: int) -> int:
    """Return how many days a part of such a search has: rows of ephemeris are many, of conjunctions few."""
    days: Mapping[SearchType, int] = {"conjunction": conjunction_days, "ephemeris": 1, "data_product": 366}
    return days[search_type]


def cut(start: datetime, end: datetime, days: int) -> Sequence[Span]:
    """Return the parts of a span of time, in order; at least one."""
    spans = []
    first = datetime.combine(start.astimezone(UTC).date(), time(), UTC)
    while first <= end:
        following = first + timedelta(days=days)
        spans.append(Span(max(first, start), min(following - _SECOND, end)))
        first = following
    return spans
