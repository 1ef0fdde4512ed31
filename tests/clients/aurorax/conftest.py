"""The real client as processes of its own, against the all-in-one and against separate services."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import httpx2
import pytest

from services.kit.auth import hash_secret, key_id_of
from services.kit.store.mongo.store import MongoStore
from services.kit.store.port import Store
from services.kit.store.records import TokenRecord
from services.kit.store.sqlite import SqliteStore
from tests.support.clients import python_of
from tests.support.documents import NOW
from tests.support.edge import edge
from tests.support.house import house
from tests.support.searching import conjunction_query, load_sources
from tests.support.server import clean_environment, serving
from tests.support.servers import amqp_server, mongodb_server

PROGRAMS = Path(__file__).parent / "programs"
OLD, LATEST = "0.8.0", "1.27.0"
_SERVICES = ("result_store", "search", "search", "submitter", "gateway")
PEPPER = "the same for all"
OTHERS_TOKEN = "api_" + "b" * 40
_SETTINGS = {"SIGHTLINE_SEARCH_PART_DAYS": "1", "SIGHTLINE_TOKEN_PEPPER": PEPPER}
Kind = Literal["all-in-one", "services"]


@dataclass(frozen=True, slots=True)
class Platform:
    """A running installation with sources, one origin in front of it."""

    url: str
    home: Path

    def start(self, program: str, version: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program of the client's user, which knows the address and nothing else of us."""
        return subprocess.Popen(
            [str(python_of("aurorax", version)), str(PROGRAMS / program), self.url, *arguments],
            env=clean_environment({"HOME": str(self.home), "MPLCONFIGDIR": str(self.home)}),
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask_as_another_tenant(self) -> str:
        """Return the ID of a search that another tenant asked."""
        address = f"{self.url}/api/v1/conjunctions/search"
        headers = {"x-aurorax-api-key": OTHERS_TOKEN}
        answer = httpx2.post(address, json=conjunction_query(), headers=headers, trust_env=False)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"]).rpartition("/")[2]

    def run(self, program: str, version: str, *arguments: str) -> None:
        """Run a program to its end; a failed assertion in it fails the test."""
        process = self.start(program, version, *arguments)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, f"{program} of {version}:\n{said}"


@contextmanager
def _running(kind: Kind, folder: Path) -> Iterator[Callable[[str, str], str]]:
    if kind == "all-in-one":
        _load(SqliteStore(folder / "store.sqlite"))
        with serving(folder, environment=_SETTINGS) as server:
            yield lambda _method, _path: server.url
        return
    bus, store = amqp_server().vhost("aurorax"), mongodb_server().database("aurorax")
    _load(MongoStore(store))
    settings = _SETTINGS | {"SIGHTLINE_ANONYMOUS_TENANT": "default"}
    with house(folder, bus=bus, store=store, services=_SERVICES, settings=settings) as opened:
        yield opened.door


def _load(store: Store) -> None:
    async def load() -> None:
        async with store:
            await load_sources(store)
            await load_sources(store, "other", days=1)
            await store.tokens.insert(
                TokenRecord(
                    tenant="other",
                    id=key_id_of(OTHERS_TOKEN),
                    name="of another",
                    secret_hash=hash_secret(OTHERS_TOKEN, PEPPER.encode()),
                    scopes=("queries:read", "queries:write"),
                    created_at=NOW,
                    updated_at=NOW,
                )
            )

    asyncio.run(load())


@pytest.fixture(
    scope="session",
    params=get_args(Kind),
)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An installation, one for all tests of a kind."""
    folder = tmp_path_factory.mktemp("aurorax")
    with ExitStack() as stack:
        front = stack.enter_context(edge(stack.enter_context(_running(request.param, folder / "data"))))
        home = folder / "home"
        home.mkdir()
        yield Platform(front.url, home)
