"""TLS to RabbitMQ: who is not the broker is refused in one line, and nothing is said to it in plain text."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from contracts.topics import MODEL_CHECKS
from infra.drill.proxy import proxying
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.errors import ConfigError, Unavailable
from tests.support.buses import bodies, take
from tests.support.certificates import Authority, handshaking
from tests.support.messages import CHECK_MODEL, message
from tests.support.rabbit import empty_place

_HANDSHAKE = 0x16
"""The first byte of TLS."""


@pytest.fixture
def place() -> Iterator[str]:
    with empty_place() as url:
        yield url


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def secured(url: str) -> str:
    return url.replace("amqp://", "amqps://")


async def refusal(url: str, ca_file: Path | None) -> str:
    """What opening the bus says: a wrong setting, in one line and soon."""
    async with asyncio.timeout(10):
        with pytest.raises(ConfigError) as raised:
            await RabbitBus(url, ca_file=ca_file).__aenter__()
    said = str(raised.value)
    assert "\n" not in said
    password = urlsplit(url).password
    assert password
    assert password not in said
    return said


async def test_a_broker_whose_certificate_is_trusted_is_used(place: str, authority: Authority) -> None:
    async with (
        proxying(place, tls=authority.serving()) as proxy,
        RabbitBus(secured(proxy.url(place)), ca_file=authority.ca_file) as bus,
    ):
        await bus.check()
        await bus.publish([message(CHECK_MODEL, b"private")])
        subscription = await bus.subscribe(MODEL_CHECKS)
        (delivery,) = await take(subscription, 1)
        await subscription.ack([delivery])

        proxy.cut()  # and it is trusted again

        await asyncio.wait_for(_publish(bus, b"again"), 20)
        assert bodies(await take(subscription, 1)) == [b"again"]
        assert proxy.connections >= 4


async def test_a_certificate_that_does_not_hold_is_refused(authority: Authority, tmp_path: Path) -> None:
    ours, other = authority.serving(), Authority(tmp_path / "other").serving()
    elsewhere, expired = authority.serving(name="DNS:elsewhere.example"), authority.serving(days=-1)
    for serving, ca_file, said in (
        (elsewhere, authority.ca_file, "IP address mismatch"),
        (expired, authority.ca_file, "expired"),
        (other, authority.ca_file, "unable to get local issuer"),
        (ours, None, "unable to get local issuer"),
    ):
        with handshaking(serving) as port:
            error = await refusal(f"amqps://user:secret@127.0.0.1:{port}/", ca_file)
        assert "is not trusted" in error
        assert said in error


async def test_a_listener_without_tls_is_refused_and_told_nothing(authority: Authority) -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1 << 16))
        writer.write(b"AMQP\x00\x00\x09\x01")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        error = await refusal(f"amqps://user:secret@127.0.0.1:{port}/", authority.ca_file)
    finally:
        server.close()
        await server.wait_closed()
    assert "no TLS" in error
    assert heard
    assert all(first[0] == _HANDSHAKE and b"AMQP" not in first and b"secret" not in first for first in heard)


async def _publish(bus: RabbitBus, body: bytes) -> None:
    """Publish as a caller does that repeats what failed for a passing reason."""
    while True:
        try:
            return await bus.publish([message(CHECK_MODEL, body)])
        except Unavailable:
            await asyncio.sleep(0.05)
