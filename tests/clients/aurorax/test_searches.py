"""What the real client's users see is asserted in the programs, where they would look."""

import pytest

from tests.clients.aurorax.conftest import LATEST, OLD, Platform

pytestmark = pytest.mark.timeout(240)


def test_the_seeds_program_runs_unchanged(platform: Platform) -> None:
    platform.run("seed.py", OLD)


def test_every_search_form_of_the_latest_client_works(platform: Platform) -> None:
    platform.run("latest.py", LATEST)


def test_what_is_wrong_is_said(platform: Platform) -> None:
    platform.run("refusals.py", LATEST, platform.ask_as_another_tenant())


def test_what_is_cancelled_ends_in_every_phase(platform: Platform) -> None:
    platform.run("cancelling.py", LATEST)


def test_the_old_client_sees_what_is_wrong_and_cancels_too(platform: Platform) -> None:
    platform.run("seed_refusals.py", OLD)


def test_ten_searches_run_beside_each_other(platform: Platform) -> None:
    platform.run("ten.py", LATEST)
