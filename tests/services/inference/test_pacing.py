from collections.abc import Sequence
from datetime import UTC, datetime

from contracts.v1.query import QueryCancelled
from services.inference.pacing import Pace
from services.kit.bus.codec import encode, event_of
from services.kit.bus.outcomes import Done, Outcome, Work

AT = datetime(2026, 5, 4, tzinfo=UTC)
EVENT = event_of(QueryCancelled(query_id="iq_" + "0" * 27, cancelled_at=AT), source="test", tenant="acme", at=AT)
WORK = Work(EVENT, 1, False, encode(EVENT))  # what it is does not matter


class Timer:
    """A clock that a handler moves on."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def paced(each_s: Sequence[float], *, most: int = 48, least: int = 2) -> Pace:
    timer, seconds = Timer(), iter(each_s)
    pace = Pace(least=least, most=most, timer=timer)

    async def handle(batch: Sequence[Work]) -> Sequence[Outcome]:
        timer.now_s += next(seconds) * len(batch)
        return [Done()] * len(batch)

    for _ in each_s:
        await pace.of(handle)([WORK] * pace.size())
    return pace


async def test_of_a_fast_model_as_many_are_taken_as_may_be() -> None:
    assert (await paced([])).size() == 16
    assert (await paced([0.001])).size() == 48


async def test_a_batch_takes_about_a_quarter_of_a_second() -> None:
    assert (await paced([0.01] * 3)).size() == 25


async def test_of_a_slow_model_no_fewer_are_taken_than_run_at_once() -> None:
    assert (await paced([2.0], least=4)).size() == 4
    assert (await paced([2.0], least=4, most=1)).size() == 1


async def test_one_slow_batch_is_forgotten() -> None:
    assert (await paced([0.01, 1.0])).size() < 10
    assert (await paced([0.01, 1.0, *[0.01] * 20])).size() == 24
