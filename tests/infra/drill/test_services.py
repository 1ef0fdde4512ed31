"""The supervisor starts again what ends, and knows whose doing the end was."""

import signal
from pathlib import Path

from infra.drill.services import Ending, Service, Supervisor, deaths_of
from infra.local.processes import free_ports
from tests.support.until import until


async def test_what_ends_by_itself_is_started_again_and_told_from_what_was_killed(tmp_path: Path) -> None:
    [port] = free_ports(1)
    service = Service("gateway", port, tmp_path, {"SIGHTLINE_BUS": "amqp://127.0.0.1:1/"})
    supervisor = Supervisor([service])
    supervisor.start()
    try:
        await until(lambda: len(supervisor.endings) >= 1 and service.runs, timeout_s=30)
        assert supervisor.endings == [Ending("gateway", 4, by_drill=False)]
        supervisor.kill("gateway")
        await until(lambda: len(supervisor.endings) >= 2, timeout_s=30)
        assert supervisor.endings[1] == Ending("gateway", -9, by_drill=True)
    finally:
        await supervisor.close()
    assert not service.runs


def test_only_a_service_that_died_for_no_good_reason_is_a_problem() -> None:
    away, killed = Ending("gateway", 4, by_drill=False), Ending("gateway", -9, by_drill=True)
    crashed = Ending("inference-1", -11, by_drill=False)
    assert deaths_of([away, killed, crashed]) == ["inference-1 ended by itself with status -11"]


def test_a_worker_may_end_by_what_is_planted_for_that_and_must() -> None:
    poisoned = Ending("inference-1", -signal.SIGFPE, by_drill=False)
    other = Ending("gateway", -signal.SIGFPE, by_drill=False)
    assert deaths_of([poisoned], poisoned=True) == []
    assert len(deaths_of([poisoned])) == 1
    assert len(deaths_of([poisoned, other], poisoned=True)) == 1
    assert ["no worker ended" in line for line in deaths_of([], poisoned=True)] == [True]
