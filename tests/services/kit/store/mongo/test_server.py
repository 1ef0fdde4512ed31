"""What a MongoDB server must be, and how an address that cannot work is answered."""

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.local import folders, processes
from infra.local.mongodb import find_program, greets
from services.kit.errors import ConfigError, PlatformError, Unavailable
from services.kit.runtime import running
from services.kit.settings import load
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.server import verify_version
from services.kit.store.mongo.store import MongoStore

PASSWORD = "geheim"


async def refusal(url: str, driver: DriverName, ca_file: Path | None = None) -> PlatformError:
    """What opening the store says; it says it in time, in one line, and without the password."""
    async with asyncio.timeout(15):
        with pytest.raises(PlatformError) as caught:
            async with MongoStore(url, driver=driver, ca_file=ca_file):
                pass
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


class Bare:
    """Servers started with other options than the session's, one for each set of options."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[tuple[str, ...], tuple[subprocess.Popen[bytes], str]] = {}

    def url(self, *options: str) -> str:
        if options not in self._running:
            self._running[options] = self._start(options)
        return f"mongodb://{self._running[options][1]}/sightline"

    def close(self) -> None:
        for process, _ in self._running.values():
            processes.kill(process)

    def _start(self, options: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], str]:
        port = processes.free_ports(1)[0]
        data, log, address = self._folder / f"{port}", self._folder / f"{port}.log", f"127.0.0.1:{port}"
        data.mkdir()
        fixed = ["--port", str(port), "--dbpath", str(data), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
        process = processes.spawn([find_program(), *fixed, *options], folder=self._folder, log=log)
        processes.wait_until(lambda: greets(address), process=process, logs=[log], timeout_s=60)
        return process, address


@pytest.fixture(scope="module")
def bare() -> Iterator[Bare]:
    folder = folders.make_folder("bare")
    servers = Bare(folder)
    yield servers
    servers.close()
    folders.remove(folder)


async def test_settings_choose_the_adapter_and_its_driver(
    mongodb_url: str, driver: DriverName, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"SIGHTLINE_STORE": mongodb_url, "SIGHTLINE_MONGODB_DRIVER": driver, "SIGHTLINE_TOKEN_PEPPER": "pepper"}
    async with running(load(given, data=tmp_path, bus="memory://"), []) as app:
        store = app.state.platform.store
        assert isinstance(store, MongoStore)
        await store.check()
    said = capsys.readouterr().out
    assert f"driver={driver}" in said.replace("'", "").replace('": "', "=")
    password = urlsplit(mongodb_url).password
    assert password is not None
    assert password not in said


@pytest.mark.parametrize("direct", ["", "?directConnection=true"])
async def test_a_standalone_server_is_refused(bare: Bare, driver: DriverName, direct: str) -> None:
    error = await refusal(bare.url() + direct, driver)
    assert isinstance(error, ConfigError)
    assert "standalone MongoDB" in str(error)
    assert "--replSet" in str(error)


async def test_a_replica_set_that_was_never_initiated_is_refused(bare: Bare, driver: DriverName) -> None:
    error = await refusal(bare.url("--replSet", "rs9") + "?directConnection=true", driver)
    assert isinstance(error, ConfigError)
    assert "rs.initiate()" in str(error)


def test_a_server_older_than_6_is_refused() -> None:
    for version, array in (("5.0.31", [5, 0, 31, 0]), ("4.4.0", [4, 4, 0, 0]), ("unknown", [])):
        with pytest.raises(ConfigError, match="at db:27017 is too old"):
            verify_version({"version": version, "versionArray": array}, "db:27017")
    assert verify_version({"version": "6.0.0", "versionArray": [6, 0, 0, 0]}, "db:27017") == "6.0.0"
    assert verify_version({"version": "8.0.3", "versionArray": [8, 0, 3, 0]}, "db:27017") == "8.0.3"


async def test_a_wrong_password_is_a_matter_of_settings(mongodb_url: str, driver: DriverName) -> None:
    hosts = mongodb_url.rpartition("@")[2]
    for user in ("sightline", "nobody"):
        error = await refusal(f"mongodb://{user}:{PASSWORD}@{hosts}", driver)
        assert isinstance(error, ConfigError)
        assert "user or the password" in str(error)


async def test_a_server_that_wants_a_user_is_not_used_without_one(mongodb_url: str, driver: DriverName) -> None:
    error = await refusal(f"mongodb://{mongodb_url.rpartition('@')[2]}", driver)
    assert isinstance(error, ConfigError)


@pytest.mark.parametrize("direct", ["", "?directConnection=true"])
async def test_a_server_that_accepts_and_says_nothing_is_unavailable(driver: DriverName, direct: str) -> None:
    with socket.socket() as silent:  # the kernel accepts for it
        silent.bind(("127.0.0.1", 0))
        silent.listen(128)
        port = silent.getsockname()[1]
        error = await refusal(f"mongodb://sightline:{PASSWORD}@127.0.0.1:{port}/{direct}", driver)
    assert isinstance(error, Unavailable)
    assert str(port) in str(error)


async def test_a_server_that_is_not_there_is_unavailable(driver: DriverName) -> None:
    port = processes.free_ports(1)[0]
    error = await refusal(f"mongodb://sightline:{PASSWORD}@127.0.0.1:{port}/", driver)
    assert isinstance(error, Unavailable)
    assert f"127.0.0.1:{port}" in str(error)
    assert "timeouts" not in str(error)


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://sightline:{PASSWORD[:3]}/{PASSWORD}@127.0.0.1:1/",
        f"mongodb://sightline:@{PASSWORD}@127.0.0.1:1/",
        f"mongodb://sightline:{PASSWORD}@127.0.0.1:99999/",
        f"mongodb://sightline:{PASSWORD}@[::1/",
        f"mongodb://sightline:{PASSWORD}@127.0.0.1:1/a.b",
        f"mongodb+srv://sightline:{PASSWORD}@nowhere.invalid/",
        "mongodb://",
    ],
)
async def test_an_address_that_cannot_be_is_a_matter_of_settings(driver: DriverName, url: str) -> None:
    assert isinstance(await refusal(url, driver), ConfigError)


async def test_certificates_that_are_not_there_are_a_matter_of_settings(driver: DriverName, tmp_path: Path) -> None:
    error = await refusal("mongodb://127.0.0.1:1/", driver, tmp_path / "ca.pem")
    assert isinstance(error, ConfigError)
    assert "certificates" in str(error)
