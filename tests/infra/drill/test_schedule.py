"""The schedule is a function of the seed, and leaves nothing out that fits."""

from pathlib import Path

import pytest

from infra.drill.installation import Installation
from infra.drill.run import Wanted, schedule_of
from infra.drill.schedule import WARM_UP_S, Fault, Possible, plan, possible_faults
from infra.drill.services import ALL_IN_ONE, HOUSE, DrillError, Service, Supervisor

EVERYTHING = possible_faults(services=HOUSE, bus=True, own_servers=True, proxies=True)


def kinds(faults: tuple[Fault, ...] | tuple[Possible, ...]) -> set[tuple[str, str]]:
    return {(fault.kind, fault.target) for fault in faults}


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert plan(7, 300, EVERYTHING) == plan(7, 300, EVERYTHING)
    assert plan(7, 300, EVERYTHING) != plan(8, 300, EVERYTHING)


def test_every_fault_comes_within_140_seconds_and_what_empties_queues_comes_once() -> None:
    for seed in range(50):
        assert kinds(plan(seed, 140, EVERYTHING)) == kinds(EVERYTHING)
        long = plan(seed, 600, EVERYTHING)
        for kind in ("purge", "unbind", "delete"):
            assert [fault.kind for fault in long].count(kind) == 1


def test_queues_are_left_alone_in_their_first_moments_and_the_last_fault_ends_in_time() -> None:
    for seed in range(50):
        faults = plan(seed, 90, EVERYTHING)
        assert faults[0].at_s >= WARM_UP_S
        assert all(fault.at_s + fault.hold_s < 90 for fault in faults)
        assert sorted(fault.at_s for fault in faults) == [fault.at_s for fault in faults]


def test_what_cannot_be_broken_is_not() -> None:
    embedded = possible_faults(services=ALL_IN_ONE, bus=False, own_servers=False, proxies=False)
    assert kinds(plan(1, 60, embedded)) >= {("kill", "platform"), ("freeze", "platform")}
    assert kinds(embedded) - kinds(plan(1, 60, embedded)) == set()
    harmless = possible_faults(services=HOUSE, bus=True, own_servers=True, proxies=True, lethal=False)
    assert "poison" not in {kind for kind, _ in kinds(harmless)}
    given = possible_faults(services=HOUSE, bus=True, own_servers=False, proxies=True)
    targets = {fault.target for fault in plan(1, 600, given)}
    assert not targets & {"broker", "store"}
    assert plan(1, 60, ()) == ()


def test_a_drill_too_short_for_any_fault_does_not_pass() -> None:
    supervisor = Supervisor([Service(name, 1, Path(), {}) for name in HOUSE])
    installation = Installation(supervisor=supervisor, tenant="drill", bus="amqp://localhost")
    with pytest.raises(DrillError, match="no fault fits into 6 s"):
        schedule_of(Wanted(seconds=6, seed=1, rate=1, folder=Path()), installation)
