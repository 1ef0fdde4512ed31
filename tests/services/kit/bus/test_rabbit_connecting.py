"""Addresses of RabbitMQ, and every way in which connecting can fail: a clear error at once, never a hang."""

import asyncio
import gc
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from aiormq.exceptions import ChannelInvalidStateError

from infra.drill.proxy import proxying
from services.kit.bus.rabbit.address import parse_address
from services.kit.bus.rabbit.bus import RabbitBus
from services.kit.bus.rabbit.capabilities import read_capabilities
from services.kit.bus.rabbit.faults import translated
from services.kit.bus.rabbit.permissions import Permissions
from services.kit.errors import ConfigError, PlatformError, Unavailable
from tests.support.rabbit import empty_place, user_of
from tests.support.servers import amqp_server
from tests.support.until import until


@pytest.fixture
def place() -> Iterator[str]:
    with empty_place() as url:
        yield url


async def refusal(url: str) -> PlatformError:
    """Return the error of connecting to `url`, which must come within a few seconds."""
    async with asyncio.timeout(10):
        with pytest.raises(PlatformError) as raised:
            await RabbitBus(url).__aenter__()
    assert "secret" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    "url",
    [
        "amqp://",
        "amqp:///vhost",
        "http://host/",
        "amqp://user:secret@host:99999/",
        "amqp://user:sec/ret@host/",
        "amqp://user:secret@host/a/b",
        "amqps://user:secret@host/?no_verify_ssl=1",
        "amqp://user:secret@host/?heartbeat=0",
        "amqp://user:secret@host/#part",
        "amqp://user:secret@host,/",
        "amqp://user:secret@host,other:99999/",
    ],
)
def test_an_address_that_cannot_be_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_address(url)
    assert "secret" not in str(raised.value)


def test_what_is_special_in_an_address_is_percent_encoded() -> None:
    address = parse_address("amqp://us%40er:p%2Fa%3As%3F@host/in%2Fside%20x")
    assert (address.user, address.members[0].password, str(address)) == ("us@er", "p/a:s?", "host:5672")


def test_an_address_may_name_the_members_of_a_cluster() -> None:
    address = parse_address("amqps://user:se,cret@one,two:5673,[::1]/vhost")
    assert str(address) == "one:5671, two:5673, [::1]:5671"
    assert {(each.user, each.password, each.path) for each in address.members} == {("user", "se,cret", "/vhost")}


def test_tls_is_checked_against_the_system_or_the_given_certificates(tmp_path: Path) -> None:
    address = parse_address("amqps://user:secret@host/")
    assert str(address) == "host:5671"
    assert address.tls is not None
    assert address.tls.check_hostname
    assert address.tls.verify_mode == ssl.CERT_REQUIRED
    with pytest.raises(ConfigError, match="bus_ca_file"):
        parse_address("amqps://host/", tmp_path / "missing.pem")
    with pytest.raises(ConfigError, match="not amqps"):
        parse_address("amqp://host/", tmp_path / "missing.pem")


@pytest.mark.parametrize(
    ("version", "uncounted"), [("3.10.8", False), ("3.13.0", False), ("4.0.5", False), ("4.3.7", True), ("5.0.0", True)]
)
def test_the_capabilities_follow_from_the_version(version: str, *, uncounted: bool) -> None:
    assert read_capabilities({"product": "RabbitMQ", "version": version}).returns_uncounted == uncounted


@pytest.mark.parametrize(
    "properties", [{}, {"product": "RabbitMQ", "version": "3.9.29"}, {"product": "Other", "version": "9.0"}]
)
def test_another_broker_or_one_too_old_is_refused(properties: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        read_capabilities(properties)


async def test_a_vhost_with_every_special_character_is_reached() -> None:
    with empty_place("a b%/ä") as url:
        async with RabbitBus(url) as bus:
            await bus.check()


async def test_a_wrong_password_is_a_wrong_setting(place: str) -> None:
    parts = urlsplit(place)
    error = await refusal(urlunsplit(parts._replace(netloc=f"{parts.username}:secret@{parts.hostname}:{parts.port}")))
    assert isinstance(error, ConfigError)
    assert "refuses this user or password" in str(error)


async def test_a_vhost_that_is_not_there_is_a_wrong_setting(place: str) -> None:
    error = await refusal(urlunsplit(urlsplit(place)._replace(path="/elsewhere")))
    assert isinstance(error, ConfigError)
    assert "virtual host" in str(error)


async def test_nobody_listening_is_unavailable() -> None:
    error = await refusal("amqp://user:secret@127.0.0.1:1/")
    assert isinstance(error, Unavailable)
    assert "127.0.0.1:1" in str(error)


async def test_a_server_that_accepts_and_says_nothing_is_unavailable(place: str) -> None:
    async with proxying(place) as proxy:
        proxy.silence()
        error = await refusal(proxy.url(place))
    assert isinstance(error, Unavailable)
    assert "says nothing" in str(error)


async def test_a_member_that_is_gone_is_passed_over_at_the_start(place: str) -> None:
    there, gone = urlsplit(place).netloc, "127.0.0.1:1"
    for members in (f"{there},{gone}", f"{there.rpartition('@')[0]}@{gone},{there.rpartition('@')[2]}"):
        async with RabbitBus(urlunsplit(urlsplit(place)._replace(netloc=members))) as bus:
            await bus.check()


async def test_when_a_member_is_lost_the_next_one_is_taken(place: str) -> None:
    async with proxying(place) as first, proxying(place) as second:
        members = f"{urlsplit(first.url(place)).netloc},127.0.0.1:{second.port}"
        async with RabbitBus(urlunsplit(urlsplit(place)._replace(netloc=members))) as bus:
            for lost, other in ((first, second), (second, first)):
                lost.refuse(on=True)
                lost.cut()
                await until(lambda: _works(bus))
                assert other.connections
                lost.refuse(on=False)


@pytest.mark.timeout(120)
async def test_a_password_that_is_changed_meanwhile_is_named(place: str) -> None:
    with user_of(place, Permissions(configure=".*", write=".*", read=".*")) as url:
        name = urlsplit(url).username or ""
        async with proxying(url) as proxy, RabbitBus(proxy.url(url)) as bus:
            await asyncio.to_thread(amqp_server().ctl, "change_password", name, "another")
            await until(lambda: _works(bus), timeout_s=20)  # what is connected stays so
            proxy.cut()
            await until(lambda: _refused(bus), timeout_s=30)
            await asyncio.to_thread(amqp_server().ctl, "change_password", name, "secret")
            await until(lambda: _works(bus), timeout_s=30)


async def _refused(bus: RabbitBus) -> bool:
    try:
        await bus.check()
    except Unavailable as error:
        return "refuses this user or password" in str(error) and "secret" not in str(error)
    return False


async def _works(bus: RabbitBus) -> bool:
    try:
        await bus.check()
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x01\x00\x00", b"\x00" * 64, b""])
async def test_a_server_that_speaks_something_else_is_told_apart(greeting: bytes) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        await refusal(f"amqp://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    finally:
        server.close()
        await server.wait_closed()


async def test_no_task_is_left_behind(place: str) -> None:
    before = asyncio.all_tasks()
    async with RabbitBus(place) as bus:
        await bus.check()
    await until(lambda: not asyncio.all_tasks() - before, timeout_s=5)


def test_a_failed_attempt_leaves_nothing_that_closes_itself_later() -> None:
    """The driver's connection does when it is forgotten: after the loop's end, that is a warning and a lost error."""
    with warnings.catch_warnings(record=True) as warned, closing(asyncio.new_event_loop()) as loop:
        warnings.simplefilter("always")
        asyncio.set_event_loop(None)
        loop.run_until_complete(refusal("amqp://user:secret@127.0.0.1:1/"))
        gc.collect()
    assert [str(each.message) for each in warned] == []


@pytest.mark.parametrize(
    "error", [Exception(), asyncio.CancelledError(), ConnectionResetError(), ChannelInvalidStateError(), TimeoutError()]
)
async def test_whatever_the_driver_raises_for_a_lost_channel_is_unavailable(error: BaseException) -> None:
    with pytest.raises(Unavailable):
        async with translated("asking"):
            raise error


async def test_a_mistake_of_our_own_is_not_taken_for_a_lost_channel() -> None:
    with pytest.raises(TypeError):
        async with translated("asking"):
            raise TypeError


async def test_being_cancelled_is_not_taken_for_a_lost_channel() -> None:
    async def ask() -> None:
        async with translated("asking"):
            await asyncio.Event().wait()

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
