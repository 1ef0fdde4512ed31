"""The engine gives the rows that the slow search gives, and the same rows however the time is cut."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.search.engine.conjunctions import Conjunctions, Pair
from services.search.engine.joining import Part, join
from services.search.engine.search import Terms, find
from services.search.engine.tracks import Span
from tests.support.slow_search import SlowTrack, slow_search
from tests.support.tracks import fast

_LAST_MINUTE = 12
_FEW = [-90.0, -89.999, -45.0, -0.001, 0.0, 10.0, 10.001, 45.0, 60.5, 89.9, 90.0]
_LONGITUDES = [-180.0, -179.9, -90.0, -0.001, 0.0, 10.0, 10.001, 90.0, 179.95, 180.0, 190.0, 359.9]
_places = st.tuples(
    st.sampled_from(_FEW) | st.floats(-90, 90, width=32), st.sampled_from(_LONGITUDES) | st.floats(-180, 180, width=32)
)
_limits = st.sampled_from([None, 0.0, 0.2, 5.0, 300.0, 5000.0, 14000.0, 20015.0, 30000.0, 2.0**31])


@st.composite
def _tracks(draw: st.DrawFn, source: int) -> SlowTrack:
    if draw(st.integers(0, 4)) == 0:
        return SlowTrack(source, None, draw(_places))
    gaps = draw(st.sets(st.integers(0, _LAST_MINUTE), max_size=5))
    kept = [minute for minute in range(_LAST_MINUTE + 1) if minute not in gaps]
    if draw(st.booleans()):
        return SlowTrack(source, dict.fromkeys(kept, draw(_places)))
    # A few places visited again and again, so that sources meet and stay together for some minutes.
    stops = draw(st.lists(_places, min_size=1, max_size=3))
    return SlowTrack(source, {minute: stops[draw(st.integers(0, len(stops) - 1))] for minute in kept})


@st.composite
def searches(draw: st.DrawFn) -> tuple[Terms, list[list[SlowTrack]], Span]:
    count = draw(st.integers(2, 4))
    pool = [draw(_tracks(source)) for source in range(1, draw(st.integers(2, 6)) + 1)]
    pairs = [Pair(a, b) for a, b in itertools.combinations(range(count), 2)]
    terms = Terms(
        blocks=count,
        limits_km={pair: draw(_limits) for pair in pairs},
        precision_s=draw(st.sampled_from([60, 60, 30, 20])),
    )
    chosen = st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique_by=lambda track: track.source)
    start = draw(st.integers(-30, 300))
    return terms, [draw(chosen) for _ in range(count)], Span(start, start + draw(st.integers(0, 700)))


def rows_of(found: Conjunctions) -> list[dict[str, Any]]:
    return [
        {
            "sources": row.sources,
            "start_s": row.start_s,
            "end_s": row.end_s,
            "min_km": row.min_km,
            "max_km": row.max_km,
            "closest_s": row.closest_s,
            "farthest_s": row.farthest_s,
            "events": [(event.min_km, event.max_km) for event in row.events],
        }
        for row in found.rows()
    ]


def _slack(distance_km: float) -> float:
    """The formula loses digits where places are opposite, in whichever language."""
    return 1e-3 if distance_km > 20_000 else 1e-7


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Equal but for the last digits of distances; of moments that close, either may be the closest."""
    exact = ("sources", "start_s", "end_s")
    assert [{name: row[name] for name in exact} for row in found] == [
        {name: row[name] for name in exact} for row in expected
    ]
    for row, wanted in zip(found, expected, strict=True):
        for name in ("min_km", "max_km"):
            assert row[name] == pytest.approx(wanted[name], rel=1e-9, abs=_slack(wanted[name]))
        assert row["min_km"] == pytest.approx(wanted["at"][row["closest_s"]][0], abs=_slack(row["min_km"]))
        assert row["max_km"] == pytest.approx(wanted["at"][row["farthest_s"]][1], abs=_slack(row["max_km"]))
        for pair, wanted_pair in zip(row["events"], wanted["events"], strict=True):
            assert pair == pytest.approx(wanted_pair, rel=1e-9, abs=1e-3)


@settings(max_examples=250, deadline=None)
@given(search=searches())
def test_the_engine_gives_the_rows_of_the_slow_search(search: tuple[Terms, list[list[SlowTrack]], Span]) -> None:
    terms, blocks, span = search
    found = find(terms, [[fast(track) for track in block] for block in blocks], span)
    assert_same(rows_of(found), slow_search(terms, blocks, span))


@settings(max_examples=150, deadline=None)
@given(search=searches(), cuts=st.sets(st.integers(-30, 1000), max_size=5))
def test_any_cutting_gives_the_same_rows(search: tuple[Terms, list[list[SlowTrack]], Span], cuts: set[int]) -> None:
    terms, blocks, span = search
    tracks = [[fast(track) for track in block] for block in blocks]
    borders = [span.start_s, *sorted(cut for cut in cuts if span.start_s < cut < span.stop_s), span.stop_s]
    spans = [Span(start, stop) for start, stop in itertools.pairwise(borders)]
    parts = [Part(part, find(terms, tracks, part)) for part in spans]
    assert rows_of(join(parts, terms.precision_s)) == rows_of(find(terms, tracks, span))
