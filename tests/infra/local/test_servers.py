"""The servers of the tests: alive, fresh for each test, and the same after they were taken away."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from infra.local import folders
from infra.local.errors import ServerFailedError
from tests.support.servers import AmqpServer, MongoServer
from tests.support.until import until


def test_rabbitmq_says_its_version_and_obeys_its_ctl(amqp: AmqpServer) -> None:
    assert amqp.version[0].isdigit()
    assert "/" in amqp.ctl("list_vhosts", "name")


def test_a_vhost_is_fresh_and_can_be_removed(amqp: AmqpServer) -> None:
    one, two = amqp.vhost("here"), amqp.vhost("here")
    assert one != two
    amqp.remove_vhost(one)
    left = amqp.ctl("list_vhosts", "name")
    assert one.rpartition("/")[2] not in left
    assert two.rpartition("/")[2] in left
    amqp.remove_vhost(two)


def test_a_wrong_ctl_command_fails_with_what_it_printed(amqp: AmqpServer) -> None:
    with pytest.raises(ServerFailedError, match="delete_vhost"):
        amqp.ctl("delete_vhost", "no-such-vhost")


@pytest.mark.timeout(120)
def test_rabbitmq_keeps_its_address_and_content_over_stop_and_kill(amqp: AmqpServer) -> None:
    before, url = amqp.url, amqp.vhost("kept")
    amqp.stop()
    amqp.start()
    amqp.kill()
    amqp.start()
    assert amqp.url == before
    assert url.rpartition("/")[2] in amqp.ctl("list_vhosts", "name")
    amqp.remove_vhost(url)


def test_mongodb_is_a_replica_set_and_keeps_content_over_kill(mongodb: MongoServer, mongodb_url: str) -> None:
    with MongoClient[dict[str, object]](mongodb_url) as client:
        assert client.admin.command("hello")["setName"] == "rs0"
        client.get_default_database().kept.insert_one({"_id": 1})
    mongodb.kill()
    mongodb.start()
    with MongoClient[dict[str, object]](mongodb_url) as client:
        assert client.get_default_database().kept.count_documents({}) == 1


def test_mongodb_asks_who_calls(mongodb_url: str) -> None:
    nobody = "mongodb://" + mongodb_url.rpartition("@")[2]
    with MongoClient[dict[str, object]](nobody) as client, pytest.raises(OperationFailure, match="authentication"):
        client.get_default_database().any.find_one()


def test_what_a_killed_run_left_is_ended_and_removed() -> None:
    program = """if True:
        import sys
        from infra.local import folders, processes
        folder = folders.make_folder("left")
        print(folder, processes.spawn(["sleep", "600"], folder=folder, log=folder / "log").pid, flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        folder, pid = run.stdout.readline().decode().split()
        assert folder not in map(str, folders.sweep())  # its owner lives
        run.kill()
    assert folder in map(str, folders.sweep())
    asyncio.run(until(lambda: _is_gone(int(pid))))


def _is_gone(pid: int) -> bool:
    """Whether the process has ended; one that ended and that nobody waits for is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
