"""The demo, as a newcomer runs it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from examples.door.contact_sheet import Answered, draw
from examples.door.local_platform import started
from tests.support.server import ROOT, clean_environment

_ROW = re.compile(
    r"^(iq_[0-9A-Za-z]{27}) +(UNCLEAR|YES|NO) +(YES|NO) +[01]\.\d{3} +\d+ +([0-9a-f]{12})\s*$", re.MULTILINE
)


@contextmanager
def demo(output: Path, temporary: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo in a process group of its own, as a terminal does."""
    temporary.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "sightline", "demo", "--output", str(output), *options],
        cwd=ROOT,
        env=clean_environment({"TMPDIR": str(temporary)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    """Read what the demo says up to the line that holds `wanted`."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if wanted in line:
            return said
    raise AssertionError(f"{wanted!r} was never said:\n{said}")


def group_is_gone(process: subprocess.Popen[str]) -> bool:
    """Say whether no process that the demo started is left."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_every_frame_is_answered_by_its_id_and_right(tmp_path: Path) -> None:
    output, temporary = tmp_path / "output", tmp_path / "tmp"
    with demo(output, temporary) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    ids = [line.split()[0] for line in (output / "ids.txt").read_text().splitlines()]
    assert len(set(ids)) == len(ids) == 48
    assert re.findall(r"submitted (iq_\w+)  frame \d+", said) == ids
    assert [row[0] for row in _ROW.findall(said)] == ids
    assert "48 submitted, 48 answered" in said
    search = re.search(r"asked +(sr_[0-9A-Za-z]{27})", said)
    assert search is not None
    for step in ("checked ", "waited ", "got "):
        assert re.search(rf"{step} +{search[1]}", said), step
    assert "answered, 4 of 4 parts" in said
    assert len(re.findall(r"^2020-01-0\d.+ Swarm [ABC] +\d", said, re.MULTILINE)) == 5
    for name in ("answers.png", "conjunctions.png"):
        picture = cv2.imread(str(output / name))
        assert picture is not None, name
        assert picture.shape[0] > 500
    assert list(temporary.iterdir()) == []
    assert group_is_gone(process)


def test_keep_stays_up_until_ctrl_c_and_then_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path / "output", tmp_path / "tmp", "--keep", "--interval-ms", "2000") as process:
        said = read_until(process, "/docs")
        url = re.search(r"SIGHTLINE_URL=(\S+)", said)
        assert url is not None
        looked_up = subprocess.run(
            [sys.executable, "-m", "sightline", "get", "-", "--json"],
            cwd=ROOT,
            env=clean_environment({"SIGHTLINE_URL": url[1]}),
            input=(tmp_path / "output" / "ids.txt").read_text(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert looked_up.returncode == 0
        assert len(looked_up.stdout.splitlines()) == 6
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 0
    assert list((tmp_path / "tmp").iterdir()) == []
    assert group_is_gone(process)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_stopped_midway_leaves_nothing(tmp_path: Path, number: int, exit_code: int) -> None:
    with demo(tmp_path / "output", tmp_path / "tmp", "--interval-ms", "67") as process:
        read_until(process, "submitted iq_")
        process.send_signal(number)
        assert process.stdout is not None
        assert "Traceback" not in process.stdout.read()
        assert process.wait() == exit_code
    assert list((tmp_path / "tmp").iterdir()) == []
    assert group_is_gone(process)


def test_a_demo_whose_platform_cannot_start_says_why(tmp_path: Path) -> None:
    with demo(tmp_path / "output", tmp_path / "tmp", "--bus", "bogus://x") as process:
        said, _ = process.communicate()
    assert process.returncode == 1
    assert "the address must begin with" in said
    assert "Traceback" not in said


def test_the_picture_frames_right_answers_green_and_wrong_ones_red() -> None:
    frame = np.full((240, 320, 3), 128, np.uint8)
    sheet = draw({0: frame, 4: frame}, [Answered(0, "YES", 0.98, True), Answered(4, "UNCLEAR", None, False)])
    blue, green, red = (int(value) for value in sheet[2, 2])
    assert green > max(blue, red)
    blue, green, red = (int(value) for value in sheet[2, sheet.shape[1] // 2 + 2])
    assert red > max(blue, green)


def test_the_address_of_a_server_is_in_no_process_list(tmp_path: Path) -> None:
    database = tmp_path / "not-for-others.sqlite"
    with started(tmp_path, {"SIGHTLINE_STORE": f"sqlite:///{database}"}):
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert str(tmp_path / "data") in listed  # the platform itself is
        assert database.exists()
        assert database.name not in listed
