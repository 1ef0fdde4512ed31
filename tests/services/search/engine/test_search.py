"""Known cases of the conjunction search."""

import itertools
import math

import numpy as np
import pytest

from services.kit.errors import Refused
from services.search.engine import search as module
from services.search.engine.conjunctions import Pair
from services.search.engine.search import Terms, find
from services.search.engine.sphere import EARTH_RADIUS_KM, distance_km
from services.search.engine.tracks import Span, Track
from tests.support.tracks import meet, minutes, moving, runs, site, terms

_DEGREE_KM = math.pi * EARTH_RADIUS_KM / 180
_ALWAYS = range(100)


def test_a_run_is_its_first_and_last_minute_and_the_extremes_between() -> None:
    lat = {minute: abs(minute - 10.2) for minute in _ALWAYS}
    found = meet(5 * _DEGREE_KM, site(1, 0, 0, _ALWAYS), moving(2, {minute: (lat[minute], 0) for minute in lat}))
    (row,) = found.rows()
    assert (row.start_s, row.end_s, row.closest_s, row.farthest_s) == (360, 900, 600, 900)
    assert row.min_km == pytest.approx(0.2 * _DEGREE_KM)
    assert row.max_km == pytest.approx(4.8 * _DEGREE_KM)
    assert row.sources == (1, 2)
    assert [(event.sources, event.min_km, event.max_km) for event in row.events] == [((1, 2), row.min_km, row.max_km)]


def test_reported_distances_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(-90, 90, 100), rng.uniform(-180, 180, 100)
    track = Track.of(2, np.arange(100), lat, lon)
    found = meet(1e6, site(1, 51.05, -114.07, _ALWAYS), track)
    expected = distance_km(np.array([51.05]), np.array([-114.07]), lat, lon)
    (row,) = found.rows()
    assert (row.min_km, row.max_km) == (expected.min(), expected.max())


@pytest.mark.parametrize("kilometres", [0.0, 1e-5, 1e-3, 0.5, 12.0])
def test_small_limits_are_exact(kilometres: float) -> None:
    track = moving(2, {0: (10 + (kilometres + 2e-6) / _DEGREE_KM, 20), 1: (10 + kilometres / _DEGREE_KM, 20)})
    assert runs(meet(kilometres, site(1, 10, 20, _ALWAYS), track)) == [(2, 1, 1)]


def test_one_minute_is_a_run_and_a_gap_ends_one() -> None:
    found = meet(1, site(1, 0, 0, _ALWAYS), site(2, 0, 0, [3, 5, 6, 7, 9]))
    assert runs(found) == [(2, 3, 3), (2, 5, 7), (2, 9, 9)]


def test_times_without_a_record_on_a_side_do_not_count() -> None:
    assert runs(meet(1, site(1, 0, 0, range(10)), site(2, 0, 0, range(7, 20)))) == [(2, 7, 9)]


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [
        pytest.param((0, 179.9), (0, -179.9), 0.2 * _DEGREE_KM, id="date line"),
        pytest.param((0, 359.9), (0, 0.1), 0.2 * _DEGREE_KM, id="Greenwich, as 0 to 360"),
        pytest.param((89.9, 0), (89.9, 180), 0.2 * _DEGREE_KM, id="across the North Pole"),
        pytest.param((-90, 17), (-90, -123), 0, id="the South Pole by two names"),
        pytest.param((0, 180), (0, -180), 0, id="the date line by two names"),
        pytest.param((0, 180), (0, 540), 0, id="once more round"),
        pytest.param((37, -12), (37, -12), 0, id="equal places"),
        pytest.param((90, 0), (-90, 0), 180 * _DEGREE_KM, id="poles"),
        pytest.param((30, 40), (-30, -140), 180 * _DEGREE_KM, id="antipodes"),
    ],
)
def test_places(one: tuple[float, float], other: tuple[float, float], kilometres: float) -> None:
    for limit in (kilometres + 1e-3, kilometres if kilometres == 0 else 1e9):
        (row,) = meet(limit, moving(1, {5: one}), moving(2, {5: other})).rows()
        assert row.min_km == pytest.approx(kilometres, abs=1e-3)
    assert not len(meet(kilometres - 0.01, moving(1, {5: one}), moving(2, {5: other}))) if kilometres else True


def test_the_span_has_its_first_moment_and_not_the_one_behind_it() -> None:
    both = (site(1, 0, 0, _ALWAYS), site(2, 0, 0, _ALWAYS))
    assert runs(meet(1, *both, Span(5 * 60, 8 * 60))) == [(2, 5, 7)]
    assert runs(meet(1, *both, Span(5 * 60 + 1, 8 * 60 + 1))) == [(2, 6, 8)]
    assert runs(meet(1, *both, Span(5 * 60 + 1, 5 * 60 + 1))) == []


def test_runs_go_on_over_days_and_over_the_windows_of_the_search() -> None:
    days = range(-3 * 1440, 20 * 1440)
    assert runs(meet(1, site(1, 0, 0, days), site(2, 0, 0, days), minutes(-5000, 40_000))) == [(2, -4320, 28_799)]


def test_rows_are_sorted_by_start_and_then_by_sources() -> None:
    ground = [site(n, 0, 0, range(n % 3, 50)) for n in (9, 4, 7)]
    space = [site(n, 0, 0, _ALWAYS) for n in (12, 11)]
    found = find(terms(1), [ground, space], minutes(0, 100))
    assert [(row.start_s // 60, row.sources) for row in found.rows()] == [
        (n % 3, (n, m)) for n, m in ((9, 11), (9, 12), (4, 11), (4, 12), (7, 11), (7, 12))
    ]


def test_three_blocks_meet_where_every_pair_does() -> None:
    ground = site(1, 0, 0, _ALWAYS)
    one = moving(2, {minute: (minute - 50, 0) for minute in _ALWAYS})
    other = moving(3, {minute: (0, minute - 52) for minute in _ALWAYS})
    blocks = [[ground], [one], [other]]
    assert runs(find(terms(500, 500, None, blocks=3), blocks, minutes(0, 100))) == [(3, 48, 54)]
    (row,) = find(terms(500, 500, 250, blocks=3), blocks, minutes(0, 100)).rows()
    assert (row.start_s // 60, row.end_s // 60) == (50, 52)
    assert [event.sources for event in row.events] == [(1, 2), (1, 3), (2, 3)]


def test_pairs_without_a_limit_do_not_count() -> None:
    blocks = [[site(1, 0, 0, _ALWAYS)], [site(2, 0, 0, _ALWAYS)], [site(3, 1, 0, _ALWAYS)]]
    (row,) = find(terms(None, 500, None, blocks=3), blocks, minutes(0, 3)).rows()
    assert row.min_km == row.max_km == pytest.approx(_DEGREE_KM)
    assert [event.sources for event in row.events] == [(1, 3)]


def test_when_no_pair_has_a_limit_all_count() -> None:
    blocks = [[site(1, 0, 0, [1, 2])], [site(2, 0, 179, _ALWAYS)], [site(3, 1, 0, _ALWAYS)]]
    (row,) = find(terms(None, None, None, blocks=3), blocks, minutes(0, 9)).rows()
    assert (row.start_s, row.end_s, len(row.events)) == (60, 120, 3)
    assert [row.min_km, row.max_km] == pytest.approx([_DEGREE_KM, 179 * _DEGREE_KM])


def test_four_blocks_give_a_row_for_each_tuple() -> None:
    blocks = [[site(10 * block + n, 0, 0, _ALWAYS) for n in range(2)] for block in range(1, 5)]
    found = find(terms(*[1.0] * 6, blocks=4), blocks, minutes(0, 4))
    assert [row.sources for row in found.rows()] == list(
        itertools.product(*([10 * block, 10 * block + 1] for block in range(1, 5)))
    )


def test_ten_blocks_are_searched_and_fewer_than_two_or_more_than_ten_are_refused() -> None:
    blocks = [[site(n, 0, n / 100, _ALWAYS)] for n in range(10)]
    (row,) = find(terms(*[20.0] * 45, blocks=10), blocks, minutes(0, 2)).rows()
    assert row.sources == tuple(range(10))
    assert row.max_km == pytest.approx(0.09 * _DEGREE_KM)
    for count in (1, 11):
        with pytest.raises(Refused, match="2 to 10 blocks"):
            Terms(blocks=count, limits_km={})


@pytest.mark.parametrize("limit", [-1.0, -1e-9, float("nan"), float("-inf")])
def test_a_distance_that_cannot_be_is_refused(limit: float) -> None:
    with pytest.raises(Refused, match="cannot be"):
        terms(limit)


@pytest.mark.parametrize("pair", [Pair(1, 0), Pair(0, 0), Pair(0, 2), Pair(-1, 1)])
def test_a_pair_of_no_blocks_is_refused(pair: Pair) -> None:
    with pytest.raises(Refused, match="no pair"):
        Terms(blocks=2, limits_km={pair: 1.0})


def test_a_source_does_not_meet_itself() -> None:
    swarm = [site(n, 0, 0, _ALWAYS) for n in (1, 2)]
    found = find(terms(1), [swarm, swarm], minutes(0, 1))
    assert [row.sources for row in found.rows()] == [(1, 2), (2, 1)]


def test_custom_places_are_there_at_all_times() -> None:
    point = Track.fixed(-1, 0, 360)
    assert runs(meet(1, point, site(2, 0, 0, [3, 4, 8]))) == [(2, 3, 4), (2, 8, 8)]
    assert runs(meet(1, point, Track.fixed(-2, 0, 0), minutes(7, 9000))) == [(-2, 7, 8999)]
    assert runs(meet(1, point, Track.fixed(-2, 5, 0))) == []


def test_a_block_without_records_meets_nothing() -> None:
    assert runs(meet(1, site(1, 0, 0, []), site(2, 0, 0, _ALWAYS))) == []
    assert runs(find(terms(1), [[], [site(2, 0, 0, _ALWAYS)]], minutes(0, 9))) == []


def test_minutes_without_a_place_do_not_count() -> None:
    lat = np.array([0.0, np.nan, 0.0, 0.0])
    lon = np.array([0.0, 0.0, np.nan, 0.0])
    assert runs(meet(1, site(1, 0, 0, _ALWAYS), Track.of(2, np.arange(4), lat, lon))) == [(2, 0, 0), (2, 3, 3)]
    nowhere = Track.of(2, np.arange(4), np.array([np.nan]), np.array([np.nan]))
    assert runs(meet(1, site(1, 0, 0, _ALWAYS), nowhere)) == []


def test_between_minutes_places_lie_on_the_great_circle() -> None:
    track = moving(2, {0: (0, -10), 1: (0, 10), 2: (0, 30)})
    (row,) = meet(2 * _DEGREE_KM, site(1, 0, 0, _ALWAYS), track, precision_s=30).rows()
    assert (row.start_s, row.end_s) == (30, 30)
    assert row.min_km == pytest.approx(0, abs=1e-6)
    over_the_pole = moving(2, {0: (80, 0), 1: (80, 180)})
    (row,) = meet(1, Track.fixed(-1, 90, 0), over_the_pole, precision_s=30).rows()
    assert row.start_s == 30
    assert runs(meet(2 * _DEGREE_KM, site(1, 0, 0, _ALWAYS), track)) == []


def test_between_minutes_with_a_gap_nothing_is_interpolated() -> None:
    found = meet(1, Track.fixed(-1, 0, 0), site(2, 0, 0, [0, 1, 3]), precision_s=20)
    assert runs(found) == [(2, 0, 1), (2, 3, 3)]
    opposite = moving(2, {0: (0, 0), 1: (0, 180)})
    assert runs(meet(1e9, Track.fixed(-1, 0, 0), opposite, precision_s=30)) == [(2, 0, 0), (2, 1, 1)]


@pytest.mark.parametrize("precision_s", [0, 7, 61, 120, -60])
def test_a_precision_that_does_not_divide_a_minute_is_an_error(precision_s: int) -> None:
    with pytest.raises(Refused, match="divide a minute"):
        terms(1, precision_s=precision_s)


def test_a_window_with_too_much_in_it_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [[site(10 * block + n, 0, 0, range(n, 300)) for n in range(3)] for block in range(1, 4)]
    whole = find(terms(1, 1, 1, blocks=3), blocks, minutes(0, 300))
    monkeypatch.setattr(module, "_MOST_HITS", 100)
    assert list(find(terms(1, 1, 1, blocks=3), blocks, minutes(0, 300)).rows()) == list(whole.rows())
    monkeypatch.setattr(module, "_MOST_HITS", 26)
    with pytest.raises(Refused, match="name fewer sources"):
        find(terms(1, 1, 1, blocks=3), blocks, minutes(0, 300))
