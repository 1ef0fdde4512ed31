"""The real client as processes of its own, against the all-in-one and against separate services."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import httpx2
import pytest

from examples.door.demo import FOLDER as DOOR
from tests.support.clients import python_of
from tests.support.edge import Edge, edge
from tests.support.house import house
from tests.support.server import clean_environment, serving
from tests.support.servers import amqp_server, mongodb_server

PROGRAMS = Path(__file__).parent / "programs"
LATEST = "1.3.1"
VERSIONS = ("0.26.0", "0.31.0", LATEST)
DEFAULT_MODELS = "binary:your_*=door,binary:door*=door"
_SERVICES = ("result_store", "inference", "submitter", "gateway")
Kind = Literal["all-in-one", "services"]


@dataclass(frozen=True, slots=True)
class Platform:
    """A running installation with the model `door`, one origin in front of it, and a token for client programs.

    `variables` are for the environment of the programs, beside the two that they all have.
    """

    edge: Edge
    token: str
    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, program: str | Path, *arguments: object, version: str = LATEST) -> subprocess.Popen[str]:
        """Start a program of the client's user; it knows the two variables and nothing else of us."""
        environment = {
            "GROUNDLIGHT_ENDPOINT": self.edge.url,
            "GROUNDLIGHT_API_TOKEN": self.token,
            "HOME": str(self.home),
            **self.variables,
        }
        return subprocess.Popen(
            [str(python_of("groundlight", version)), str(PROGRAMS / program), *map(str, arguments)],
            env=clean_environment(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str | Path, *arguments: object, stdin: str = "", version: str = LATEST) -> str:
        """Run a program to its end; return what it printed. A failed assertion in it fails the test."""
        process = self.start(program, *arguments, version=version)
        out, errors = process.communicate(stdin, timeout=60)
        assert process.returncode == 0, f"{program} of {version}:\n{out}\n{errors}"
        return out

    def request(self, method: str, path: str, **given: Any) -> Any:
        """Call our own API with everything allowed; return what it answers."""
        answer = httpx2.request(method, self.edge.url + path, timeout=30, trust_env=False, **given)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@contextmanager
def _running(kind: Kind, folder: Path) -> Iterator[Callable[[str, str], str]]:
    settings = {"SIGHTLINE_DEFAULT_MODELS": DEFAULT_MODELS, "SIGHTLINE_RETENTION_DAYS": "1"}
    if kind == "all-in-one":
        with serving(folder, environment=settings) as server:
            yield lambda _method, _path: server.url
        return
    bus, store = amqp_server().vhost("groundlight"), mongodb_server().database("groundlight")
    with house(folder, bus=bus, store=store, services=_SERVICES, settings=settings) as opened:
        yield opened.door


@pytest.fixture(scope="session", params=get_args(Kind))
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An installation, one for all tests of a kind."""
    folder = tmp_path_factory.mktemp("groundlight")
    with ExitStack() as stack:
        door = stack.enter_context(_running(request.param, folder / "data"))
        front = stack.enter_context(edge(door))
        opened = Platform(front, "", folder / "home")
        opened.home.mkdir()
        register(opened, "door", (DOOR / "door.onnx").read_bytes(), (DOOR / "door.manifest.json").read_text())
        token = opened.request("POST", "/v1/tokens", json={"name": "a client program"})["token"]
        yield Platform(front, token, opened.home)


def register(platform: Platform, name: str, model: bytes, manifest: str | dict[str, Any]) -> None:
    """Register a model as an administrator does."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    files = {"model": (f"{name}.onnx", model), "manifest": (None, text), "name": (None, name)}
    platform.request("POST", "/v1/models", files=files)
