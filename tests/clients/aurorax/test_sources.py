"""Sources, uploads and the client's own command; what its users see is asserted in the programs."""

import pytest

from tests.clients.aurorax.conftest import LATEST, OLD, Platform

pytestmark = pytest.mark.timeout(240)


def test_a_users_own_sources_and_records_come_in_are_found_and_go(platform: Platform) -> None:
    platform.run("uploads.py", LATEST)


def test_those_of_a_user_of_the_old_client_do_too(platform: Platform) -> None:
    platform.run("old_uploads.py", OLD)


def test_every_subcommand_of_the_clients_command_works(platform: Platform) -> None:
    platform.run("commands.py", LATEST)
