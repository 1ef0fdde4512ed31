"""TLS to MongoDB: a server that is not the one we trust is refused in one line."""

import asyncio
import gc
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.drill.proxy import proxying
from services.kit.errors import ConfigError, PlatformError
from services.kit.store.mongo.driver import DriverName
from services.kit.store.mongo.store import MongoStore
from tests.support.certificates import Authority, handshaking


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()


async def refusal(url: str, driver: DriverName, ca_file: Path | None) -> str:
    """What opening the store says: one line, soon, and without the password."""
    async with asyncio.timeout(15):
        with pytest.raises(PlatformError) as raised:
            await MongoStore(url, driver=driver, ca_file=ca_file).__aenter__()
    said = str(raised.value)
    assert isinstance(raised.value, ConfigError), said
    assert "\n" not in said
    password = urlsplit(url).password
    assert password
    assert password not in said
    return said


async def test_a_server_whose_certificate_is_trusted_is_used(
    mongodb_url: str, driver: DriverName, authority: Authority
) -> None:
    async with proxying(mongodb_url, tls=authority.serving()) as proxy:
        # Straight to the proxy: asked for its set, the server would name itself, without TLS.
        url = proxy.url(mongodb_url).split("?")[0] + "?authSource=admin&directConnection=true"
        async with MongoStore(url, driver=driver, ca_file=authority.ca_file) as store:
            await store.check()


# PyMongo forgets a socket whose handshake failed; it is collected before another test could be blamed for it.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
async def test_a_certificate_that_does_not_hold_is_refused(
    driver: DriverName, authority: Authority, tmp_path: Path
) -> None:
    """All cases at once: the driver gives each some seconds."""
    ours, other = authority.serving(), Authority(tmp_path / "other").serving()
    elsewhere, expired = authority.serving(name="DNS:elsewhere.example"), authority.serving(days=-1)
    cases: list[tuple[ssl.SSLContext, str, Path | None, str]] = [
        (elsewhere, "", authority.ca_file, "IP address mismatch"),
        (expired, "", authority.ca_file, "expired"),
        (other, "", authority.ca_file, "not trusted"),
        (ours, "&tls=true", None, "not trusted"),
        # Nor does the address turn off the check that a file of certificates asks for.
        (other, "&tlsAllowInvalidCertificates=true", authority.ca_file, "not trusted"),
        (elsewhere, "&tlsAllowInvalidHostnames=true", authority.ca_file, "not trusted"),
        (other, "&tls=false", authority.ca_file, "not trusted"),
        (other, "&tlsInsecure=true", authority.ca_file, "address of the store"),
    ]

    async def expect(serving: ssl.SSLContext, options: str, ca_file: Path | None, said: str) -> None:
        with handshaking(serving) as port:
            url = f"mongodb://sightline:secret@127.0.0.1:{port}/?directConnection=true{options}"
            assert said in await refusal(url, driver, ca_file)

    await asyncio.gather(*(expect(*case) for case in cases))
    gc.collect()
