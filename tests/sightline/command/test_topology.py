"""Installing the broker's topology with the command."""

import json

import pytest
from typer.testing import CliRunner

from services.kit.bus.rabbit.permissions import TopicPermissions, permissions, roles
from services.kit.bus.rabbit.topology import all_specs
from sightline.command.app import create_app
from tests.support.rabbit import empty_place


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error."""
    result = CliRunner().invoke(create_app(), ["topology", *arguments], env=environment)
    return result.exit_code, result.stdout, result.stderr


def test_declare_prints_what_is_there_now_and_may_be_repeated() -> None:
    with empty_place() as url:
        for arguments, environment in ((("--bus", url), {}), ((), {"SIGHTLINE_BUS": url})):
            code, out, error = run("declare", "--lanes", "default,slow", *arguments, **environment)
            assert (code, error) == (0, "")
            assert {spec.name for spec in all_specs(["default", "slow"])} <= set(out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--bus", "memory://"], 2, "give the address of a RabbitMQ"),
        (["--bus", "amqp://user:secret@127.0.0.1:1/"], 4, "cannot be reached"),
        (["--bus", "amqp://user:secret@127.0.0.1:1/?no_verify_ssl=1"], 1, "takes no options"),
        (["--bus", "amqp://user:secret@127.0.0.1:1/", "--lanes", "Not A Name"], 1, "LANES"),
    ],
)
def test_declare_that_cannot_says_why_in_one_line(arguments: list[str], code: int, said: str) -> None:
    ran, out, error = run("declare", *arguments)
    assert (ran, out) == (code, "")
    assert said in error.splitlines()[-1]
    assert "secret" not in error


def test_permissions_are_those_of_the_table() -> None:
    code, out, _ = run("permissions", "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    printed = {row["service"]: (row["configure"], row["write"], row["read"]) for row in rows}
    assert printed == {role: permissions(role)[:3] for role in roles()}
    keys = {row["service"]: [TopicPermissions(**topic) for topic in row["topics"]] for row in rows}
    assert keys == {role: list(permissions(role).topics) for role in roles()}

    assert run("permissions", "device")[1].split() == list(permissions("device")[:3])
    assert run("permissions", "nobody")[0] == 2
