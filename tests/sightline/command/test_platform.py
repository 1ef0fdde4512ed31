"""Starting the platform with the command, and what it says when it cannot."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.sightline.command.conftest import Run
from tests.support.server import ROOT, clean_environment, serving


def _up(folder: Path, lines: int, *arguments: str, log: Path | None = None) -> list[str]:
    """Run `up` until it has said so many lines and is interrupted; return everything that it said."""
    command = [sys.executable, "-m", "sightline", "up", "--port", "0", "--data", str(folder), *arguments]
    with (log or Path(os.devnull)).open("wb") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    with process.stdout:
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGINT)
        said += process.stdout.readlines()
    assert process.wait() == 0
    return said


def test_up_says_where_it_is_and_who_may_call(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    line, *rest = _up(tmp_path / "data", 1)
    assert line.startswith("Sightline is ready: http://127.0.0.1:")
    assert "/docs" in line
    assert str(tmp_path) in line
    assert "without a token" in line
    assert len(rest) == 1


def test_the_first_up_makes_a_token_and_shows_it_once_outside_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    _, line = _up(tmp_path / "data", 2, log=log)
    token = re.search(r"api_[0-9A-Za-z]{40}\b", line)
    assert token is not None
    assert token[0][20:] not in log.read_text()
    with serving(tmp_path / "data") as server, httpx2.Client(base_url=server.url, trust_env=False) as http:
        headers = {"x-api-token": token[0]}
        assert http.get("/v1/queries", headers=headers).status_code == 200
        assert http.get("/v1/tokens", headers=headers).status_code == 403
        assert [one["name"] for one in http.get("/v1/tokens").json()["items"]] == ["first"]
        unknown = http.get("/v1/queries", headers={"x-api-token": "api_" + "x" * 40})
        assert unknown.status_code == 401
        assert "sightline tokens create" in unknown.json()["detail"]
    assert len(_up(tmp_path / "data", 1)) == 1


def test_where_callers_need_a_token_the_first_one_may_make_others(tmp_path: Path) -> None:
    _, line = _up(tmp_path / "data", 2, "--host", "0.0.0.0")
    token = re.search(r"api_[0-9A-Za-z]{40}\b", line)
    assert token is not None
    with serving(tmp_path / "data", arguments=["--host", "0.0.0.0"]) as server:
        url = re.sub(r"//[^:/]+", "//127.0.0.1", server.url)
        with httpx2.Client(base_url=url, trust_env=False) as http:
            assert http.get("/v1/queries").status_code == 401
            headers = {"Authorization": f"Bearer {token[0]}"}
            assert http.get("/v1/queries", headers=headers).status_code == 200
            assert http.post("/v1/tokens", headers=headers, json={"name": "robot-7"}).status_code == 201


def test_what_is_kept_is_its_owners_alone(tmp_path: Path) -> None:
    _up(tmp_path / "deep" / "data", 1)
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700


def test_a_service_that_nobody_can_reach_says_so(process: Run, tmp_path: Path) -> None:
    ran = process("serve", "gateway", "--check-config", "--data", tmp_path)
    assert "embedded bus of its own" in ran.stderr
    assert "SIGHTLINE_BUS" in ran.stderr


def test_the_first_token_is_shown_though_the_first_start_fails(process: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        failed = process("up", "--port", taken.getsockname()[1], "--data", tmp_path / "data")
    assert (failed.exit_code, "cannot listen" in failed.stderr) == (1, True)
    token = re.search(r"api_[0-9A-Za-z]{40}\b", failed.stdout)
    assert token is not None
    with serving(tmp_path / "data") as server, httpx2.Client(base_url=server.url, trust_env=False) as http:
        assert http.get("/v1/queries", headers={"x-api-token": token[0]}).status_code == 200


def test_up_is_ready_when_it_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as server, httpx2.Client(trust_env=False) as http:
        assert http.get(f"{server.url}/readyz").status_code == 200
        assert http.get(f"{server.url}/docs").status_code == 200
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--bus", "bogus://x"], {}, "bus: the address must begin"),
        ([], {"SIGHTLINE_BOGUS": "1"}, "SIGHTLINE_BOGUS is not a setting"),
        (["--host", "192.0.2.1"], {}, "cannot listen"),
        ([], {"SIGHTLINE_INFERENCE_PROVIDER": "cuda"}, "install onnxruntime-gpu in place of onnxruntime"),
    ],
)
def test_up_that_cannot_run_says_why_in_one_line(
    process: Run, tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    ran = process("up", "--port", "0", "--data", tmp_path, *arguments, **environment)
    assert ran.exit_code == 1
    assert said in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


def test_check_config_prints_the_settings_without_secrets(process: Run, tmp_path: Path) -> None:
    ran = process(
        "serve",
        "gateway",
        "--check-config",
        "--data",
        tmp_path,
        SIGHTLINE_TOKEN_PEPPER="hunter2",
        SIGHTLINE_LANES="a,b",
    )
    assert ran.exit_code == 0
    settings = json.loads(ran.stdout)
    assert (settings["data"], settings["lanes"]) == (str(tmp_path), ["a", "b"])
    assert "hunter2" not in ran.stdout + ran.stderr
    assert "bus" in ran.stderr
    assert "store" in ran.stderr


def test_check_config_makes_nothing_and_changes_nothing(process: Run, tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    ran = process("serve", "gateway", "--check-config", "--data", data)
    assert (ran.exit_code, ran.stderr.count("made at the first start")) == (0, 2)
    assert list(tmp_path.iterdir()) == []

    def traces() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in [data, *data.iterdir()]}

    with serving(data):
        taken = process("serve", "gateway", "--check-config", "--data", data)
        assert (taken.exit_code, taken.stderr.count("in use by another Sightline process")) == (1, 2)
    before = traces()
    ran = process("serve", "gateway", "--check-config", "--data", data)
    assert (ran.exit_code, ran.stderr.count("reached")) == (0, 2)
    assert traces() == before


@pytest.mark.parametrize("arguments", [("up",), ("serve", "gateway"), ("serve", "gateway", "--check-config")])
def test_a_file_where_the_folder_must_be_is_said(process: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    ran = process(*arguments, "--data", tmp_path / "notes.txt" / "data")
    assert ran.exit_code == 1
    assert f"{tmp_path / 'notes.txt'} is not a folder" in ran.stderr
    assert "File exists" not in ran.stderr
    folder = process(*arguments, "--data", tmp_path / "new", "--store", f"sqlite:///{tmp_path}")
    assert (folder.exit_code, "is a folder; name a file in it" in folder.stderr) == (1, True)


def test_check_config_fails_when_something_cannot_be_reached(process: Run, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    ran = process("serve", "gateway", "--check-config", "--data", tmp_path, "--store", f"sqlite:///{in_the_way}/x/y")
    assert ran.exit_code == 1
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("role", ["result_store", "inference", "search", "submitter", "gateway"])
def test_each_service_runs_alone(tmp_path: Path, role: str) -> None:
    command = [sys.executable, "-m", "sightline", "serve", role, "--port", "0", "--data", str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        url = process.stdout.readline().split()[3]
        with httpx2.Client(trust_env=False) as http:
            assert http.get(f"{url}/readyz").status_code == 200
        process.terminate()
    assert process.wait() == 0


def test_a_role_that_does_not_exist_is_wrong_usage(process: Run) -> None:
    assert process("serve", "bogus").exit_code == 2


def test_the_client_alone_says_what_to_install(tmp_path: Path) -> None:
    """A machine with only the client has no services package."""
    for name in ("contracts", "sightline"):
        (tmp_path / name).symlink_to(ROOT / name)
    code = (
        "import sys; sys.path[:] = [p for p in sys.path if p != sys.argv[1]]; sys.path.insert(0, sys.argv[2])\n"
        "sys.meta_path[:] = [f for f in sys.meta_path if 'Editable' not in repr(f)]\n"
        "sys.argv = ['sightline', sys.argv[3]]; from sightline.command import main; main()"
    )
    for command, extra in (("up", "embedded"), ("demo", "embedded")):
        ran = subprocess.run(
            [sys.executable, "-c", code, str(ROOT), str(tmp_path), command],
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 1
        assert len(ran.stderr.splitlines()) == 1
        assert f"pip install -e '.[{extra}]'" in ran.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_is_a_script_for_the_shell_that_is_named(process: Run, shell: str) -> None:
    ran = process("completion", shell)
    assert ran.exit_code == 0
    assert "_SIGHTLINE_COMPLETE" in ran.stdout


def test_completion_knows_the_commands(process: Run) -> None:
    ran = process(_SIGHTLINE_COMPLETE="complete_bash", COMP_WORDS="sightline det", COMP_CWORD="1")
    assert "detectors" in ran.stdout


def test_help_names_the_exit_codes_and_every_command_has_help(process: Run) -> None:
    ran = process("--help")
    assert "Exit codes" in ran.stdout
    for command in (
        "up",
        "serve",
        "submit",
        "capture",
        "get",
        "wait",
        "list",
        "cancel",
        "erase",
        "label",
        "image",
        "detectors",
        "models",
        "tokens",
        "review",
        "demo",
        "completion",
        "version",
    ):
        assert f"\n  {command} " in ran.stdout
    assert process("version").stdout.startswith("sightline ")
