"""One platform for all tests of the client and the command: each works with detectors of its own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.http.detectors import Detector
from sightline import Client
from tests.support.server import ROOT, Server, serving

DOOR = ROOT / "examples" / "door"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A platform with the demo's model."""
    with serving(tmp_path_factory.mktemp("platform")) as running:
        with Client(running.url) as client:
            client.upload_model(DOOR / "door.onnx", manifest=DOOR / "door.manifest.json", name="door")
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A client of that platform."""
    with Client(server.url) as opened:
        yield opened


@pytest.fixture
def door(client: Client) -> Detector:
    """A detector that the demo's model answers."""
    return client.create_detector(f"door-{uuid4().hex}", "Is the door open?", model="door")


@pytest.fixture
def people(client: Client) -> Detector:
    """A detector without a model: its queries wait for a person."""
    return client.create_detector(f"people-{uuid4().hex}", "Is anybody there?")


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Some frames of the demo's video, as JPEG files."""
    import cv2

    folder = tmp_path_factory.mktemp("frames")
    video = cv2.VideoCapture(str(DOOR / "door.mp4"))
    paths = []
    for index in range(0, 180, 30):
        video.set(cv2.CAP_PROP_POS_FRAMES, index)
        path = folder / f"{index:03d}.jpg"
        cv2.imwrite(str(path), video.read()[1])
        paths.append(path)
    video.release()
    return paths


@pytest.fixture
def picture(frames: list[Path]) -> Path:
    """One of the frames."""
    return frames[0]
