"""How the command ends, for scripts: exit codes and one line on standard error."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from contracts.http.detectors import Detector
from tests.sightline.command.conftest import Run
from tests.support.server import ROOT, Server, clean_environment

SECRET = "api_" + "s3cr3tSecret" * 3 + "0000"
ABSENT = "iq_" + "0" * 27


def one_line(stderr: str) -> str:
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("sightline: ")
    return lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", ABSENT],
        ["get", "not-an-id"],
        ["wait", ABSENT, "--timeout", "0"],
        ["cancel", ABSENT],
        ["erase", "--yes", ABSENT],
        ["label", ABSENT, "YES"],
        ["image", ABSENT, "--output", "-"],
        ["list", "--detector", "no-such-detector"],
        ["detectors", "show", "no-such-detector"],
        ["detectors", "delete", "no-such-detector", "--yes"],
        ["models", "show", "no-such-model"],
        ["tokens", "revoke", "api_0000000000000000"],
    ],
)
def test_what_is_not_there_is_3(sightline: Run, arguments: list[str]) -> None:
    ran = sightline(*arguments)
    assert ran.exit_code == 3
    one_line(ran.stderr)
    assert ran.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "x.jpg"],
        ["bogus"],
        ["list", "--limit", "0"],
        ["list", "--state", "bogus"],
        ["submit", "a.jpg", "--detector", "d", "--metadata", "{"],
        ["submit", "a.jpg", "--detector", "d", "--metadata", "NaN"],
        ["submit", "a.jpg", "b.jpg", "--detector", "d", "--key", "k"],
        ["detectors", "bind", "door"],
        ["detectors", "bind", "door", "model", "--none"],
        ["detectors", "update", "door"],
        ["get"],
        ["erase", ABSENT],
    ],
)
def test_wrong_usage_is_2(sightline: Run, arguments: list[str]) -> None:
    ran = sightline(*arguments)
    assert ran.exit_code == 2
    assert ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("url", ["nonsense", "http://user:hunter2@host", "ftp://host"])
def test_a_broken_address_is_wrong_usage(sightline: Run, url: str) -> None:
    ran = sightline("list", "--url", url)
    assert ran.exit_code == 2
    assert "hunter2" not in one_line(ran.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["get", ABSENT],
        ["wait", ABSENT],
        ["review"],
        ["detectors", "list"],
        ["tokens", "create", "x"],
        ["cancel", ABSENT, ABSENT],
    ],
)
def test_a_platform_that_is_away_is_4(sightline: Run, arguments: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    ran = sightline(*arguments, url=url)
    assert ran.exit_code == 4
    assert url in one_line(ran.stderr)


def test_an_image_that_is_not_submitted_in_time_is_4(sightline: Run, picture: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    ran = sightline("submit", picture, "--detector", "door", "--timeout", "0.3", url=url)
    assert ran.exit_code == 4
    one_line(ran.stderr)


def test_the_time_to_wait_being_up_is_5(sightline: Run, people: Detector, picture: Path) -> None:
    ran = sightline("submit", picture, "--detector", people.name, "--wait", "0.2")
    assert ran.exit_code == 5
    assert "UNCLEAR" in ran.stdout
    query_id = sightline("list", "--detector", people.name, "--json").documents[0]["id"]
    ran = sightline("wait", query_id, "--timeout", "0.2", "--json")
    assert ran.exit_code == 5
    assert ran.documents[0]["label"] == "UNCLEAR"


def test_a_query_that_ends_without_an_answer_is_1(sightline: Run, people: Detector, picture: Path) -> None:
    query_id = sightline("submit", picture, "--detector", people.name).stdout.strip()
    assert sightline("cancel", query_id).stdout == f"{query_id} cancelled\n"
    [again] = sightline("cancel", query_id, "--json").documents  # once more is no error
    assert (again["id"], again["state"]) == (query_id, "cancelled")
    ran = sightline("wait", query_id, "--json")
    assert ran.exit_code == 1
    assert ran.documents[0]["state"] == "cancelled"


def test_a_refusal_is_1_and_the_others_are_done(
    sightline: Run, people: Detector, picture: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("hello")
    ran = sightline("submit", text, tmp_path / "absent.jpg", picture, "--detector", people.name)
    assert ran.exit_code == 1
    assert len(ran.stderr.splitlines()) == 2
    assert sightline("get", ran.stdout.strip()).exit_code == 0


def test_the_worst_of_several_counts(sightline: Run, people: Detector, picture: Path) -> None:
    query_id = sightline("submit", picture, "--detector", people.name).stdout.strip()
    assert sightline("wait", query_id, ABSENT, "--timeout", "0.2").exit_code == 3


@pytest.mark.parametrize(
    "options",
    [
        ["--metadata", '"\\ud800"'],
        ["--metadata", "[" * 5000 + "]" * 5000],
        ["--key", "ü"],
        ["--key", ""],
        ["--key", "a b"],
        ["--detector", "\udcff"],
    ],
)
def test_what_cannot_be_sent_is_refused_in_one_line(
    sightline: Run, people: Detector, picture: Path, options: list[str]
) -> None:
    ran = sightline("submit", picture, "--detector", people.name, *options)
    assert ran.exit_code in {1, 2}
    one_line(ran.stderr)


@pytest.mark.parametrize(
    "arguments", [["list", "--from", "0001-01-01"], ["get", "\udcff"], ["list", "--label", "\udcff"]]
)
def test_odd_text_is_refused_in_one_line(sightline: Run, arguments: list[str]) -> None:
    ran = sightline(*arguments)
    assert ran.exit_code in {0, 1, 3}
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [["list"], ["get", ABSENT], ["detectors", "create", "a", "b"]])
def test_a_token_that_is_refused_is_never_shown(sightline: Run, arguments: list[str]) -> None:
    ran = sightline(*arguments, token=SECRET)
    assert ran.exit_code == 1
    assert "not_authenticated" in one_line(ran.stderr)
    assert SECRET[20:] not in ran.stdout + ran.stderr


def test_a_full_disk_is_one_line(server: Server) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "sightline", "detectors", "list", "--url", server.url],
            cwd=ROOT,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    one_line(ran.stderr)


@pytest.mark.parametrize("command", [["list", "--json"], ["list"], ["get", "-", "--json"]])
def test_a_reader_that_leaves_is_quiet(
    server: Server, people: Detector, picture: Path, sightline: Run, command: list[str]
) -> None:
    ids = sightline("submit", *[picture] * 20, "--detector", people.name).stdout
    process = subprocess.Popen(
        [sys.executable, "-m", "sightline", *command, "--url", server.url],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(ids)
    assert errors == ""
    assert process.returncode == 141


def test_ctrl_c_is_130_without_a_traceback(server: Server, people: Detector, picture: Path, sightline: Run) -> None:
    ids = sightline("submit", picture, picture, "--detector", people.name).stdout.split()
    process = subprocess.Popen(
        [sys.executable, "-m", "sightline", "wait", *ids, "--timeout", "50", "--url", server.url],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with httpx2.Client(trust_env=False) as http:
        while "sightline_waiters 2.0" not in http.get(f"{server.url}/metrics").text:
            assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert b"Traceback" not in output
    assert process.returncode == 130


def test_progress_and_errors_leave_standard_output_alone(
    server: Server, people: Detector, picture: Path, tmp_path: Path
) -> None:
    """On a terminal, too: standard error is one here."""
    leader, follower = os.openpty()
    ran = subprocess.run(
        [sys.executable, "-m", "sightline", "submit", *[picture] * 3, "--detector", people.name, "--url", server.url],
        cwd=ROOT,
        env=clean_environment({"TERM": "xterm"}),
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
        check=False,
    )
    os.close(follower)
    shown = os.read(leader, 100_000)
    os.close(leader)
    assert b"submitting" in shown
    assert len(ran.stdout.splitlines()) == 3
    assert all(line.startswith("iq_") for line in ran.stdout.splitlines())
