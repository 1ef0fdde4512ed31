"""Capturing with the command."""

from pathlib import Path

import pytest

from contracts.http.detectors import Detector
from sightline import Client
from tests.sightline.command.conftest import Run
from tests.sightline.conftest import DOOR
from tests.support.server import Server, serving

VIDEO = DOOR / "door.mp4"


def test_each_id_is_printed_and_saved(
    process: Run, server: Server, client: Client, door: Detector, tmp_path: Path
) -> None:
    saved = tmp_path / "ids"
    options = ("--detector", door.name, "--interval-ms", "2000", "--save", saved, "--url", server.url)
    first = process("capture", VIDEO, *options, "--count", "2")
    assert (first.exit_code, len(first.stdout.split())) == (0, 2)
    rest = process("capture", VIDEO, *options)
    assert len(rest.stdout.split()) == 6
    ids = saved.read_text().splitlines()
    assert ids == first.stdout.split() + rest.stdout.split()
    assert {client.wait_for_result(query_id).label for query_id in ids} <= {"YES", "NO"}


def test_a_json_line_tells_the_frame(process: Run, server: Server, people: Detector) -> None:
    ran = process("capture", VIDEO, "-d", people.name, "--interval-ms", "4000", "--json", "--url", server.url)
    assert [document["index"] for document in ran.documents] == [0, 60, 120]


def test_a_device_needs_only_the_bus(process: Run, tmp_path: Path) -> None:
    """The platform may even be down meanwhile: what was published is answered once it is back."""
    with serving(tmp_path) as server, Client(server.url) as client:
        client.upload_model(DOOR / "door.onnx", manifest=DOOR / "door.manifest.json", name="door")
        detector = client.create_detector("door", "Is the door open?", model="door")
    bus = f"sqlite:///{tmp_path / 'bus.sqlite'}"
    ran = process("capture", VIDEO, "-d", detector.id, "--count", "2", "--bus", bus)
    assert (ran.exit_code, len(ran.stdout.split())) == (0, 2), ran.stderr
    with serving(tmp_path) as server, Client(server.url) as client:
        for query_id in ran.stdout.split():
            assert client.wait_for_result(query_id).label in {"YES", "NO"}


@pytest.mark.parametrize(
    ("source", "detector", "exit_code"),
    [
        ("/nowhere/video.mp4", "door", 1),
        (str(VIDEO), "no-such-detector", 3),
        (__file__, "door", 1),
        ("9999", "door", 1),
    ],
)
def test_what_cannot_be_captured_is_one_line(
    process: Run, server: Server, source: str, detector: str, exit_code: int
) -> None:
    ran = process("capture", source, "-d", detector, "--url", server.url)
    assert ran.exit_code == exit_code, ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("sightline: ")
    assert "Traceback" not in ran.stderr
