"""The store's users: what each may do, and that nothing else is allowed, tried on a real server."""

import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from services.kit.store.mongo.roles import ROLE_NAMES, RoleName
from tests.support.server import ROOT, clean_environment
from tests.support.users import mongodb_users


def _client(url: str) -> MongoClient[dict[str, object]]:
    return MongoClient(url, serverSelectionTimeoutMS=5000)


@pytest.fixture
def users(mongodb_url: str) -> dict[RoleName, str]:
    return mongodb_users(mongodb_url)


def test_every_service_may_enter_and_read_queries(users: dict[RoleName, str]) -> None:
    assert set(users) == set(ROLE_NAMES)
    for role in ("gateway", "inference", "result_store", "submitter"):
        with _client(users[role]) as client:
            assert client.get_default_database().queries.find_one() is None


def test_only_the_result_store_writes_queries(users: dict[RoleName, str]) -> None:
    with _client(users["result_store"]) as client:
        client.get_default_database().queries.insert_one({"_id": "one"})
    for role in ("gateway", "inference", "submitter"):
        with _client(users[role]) as client, pytest.raises(OperationFailure, match="not authorized"):
            client.get_default_database().queries.insert_one({"_id": role})


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_nobody_reads_another_database_or_drops_collections(users: dict[RoleName, str], role: RoleName) -> None:
    with _client(users[role]) as client:
        with pytest.raises(OperationFailure, match="not authorized"):
            client["other"].queries.find_one()
        with pytest.raises(OperationFailure, match="not authorized"):
            client.get_default_database().drop_collection("queries")


def test_done_again_it_restores_what_somebody_widened(mongodb_url: str, users: dict[RoleName, str]) -> None:
    with _client(mongodb_url) as client:
        client.get_default_database().command({"grantRolesToUser": "inference", "roles": ["readWrite"]})
    assert mongodb_users(mongodb_url) == users
    with _client(users["inference"]) as client, pytest.raises(OperationFailure, match="not authorized"):
        client.get_default_database().queries.insert_one({"_id": "one"})


def test_the_administrators_password_need_not_be_in_the_arguments(mongodb_url: str, tmp_path: Path) -> None:
    address = tmp_path / "administrator"
    address.write_text(mongodb_url)
    command = [sys.executable, "-m", "infra.mongodb.users", "--passwords", str(tmp_path / "passwords")]
    environment = clean_environment({"SIGHTLINE_STORE_FILE": str(address)})
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    assert len(made.stdout.splitlines()) == len(ROLE_NAMES)


def test_users_that_cannot_be_made_say_why_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.mongodb.users", "--passwords", str(tmp_path / "passwords")]
    environment = clean_environment({"SIGHTLINE_STORE": "mongodb://admin:geheim@host:port/sightline"})
    failed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (failed.returncode, "Traceback" in failed.stderr, "geheim" in failed.stderr) == (1, False, False)
