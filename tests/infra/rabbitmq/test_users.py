"""The broker's users: what each may do, and that nothing else is allowed, tried on a real broker."""

import json
import stat
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPConnectionError
from aiormq.exceptions import ChannelAccessRefused

from infra.passwords import PasswordFolder
from infra.rabbitmq.users import TOPOLOGY, definitions, user_permissions
from services.kit.bus.rabbit.install import declare_topology
from services.kit.bus.rabbit.permissions import roles
from services.kit.bus.rabbit.topology import EXCHANGES, all_specs
from tests.support.servers import AmqpServer
from tests.support.users import AmqpUsers, amqp_users

DEVICE = "north.camera-1"


@pytest.fixture(scope="module")
def users(amqp: AmqpServer) -> AmqpUsers:
    return amqp_users(amqp, devices=[DEVICE])


def test_there_is_a_user_for_every_service_and_every_device() -> None:
    table = user_permissions([DEVICE])
    assert set(table) == {TOPOLOGY, f"device.{DEVICE}", *(set(roles()) - {"device"})}


@pytest.mark.parametrize("name", ["", "a/b", "North", "a.b.c", "*"])
def test_a_device_that_names_no_tenant_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="device"):
        user_permissions([name])


def test_passwords_are_made_once_kept_private_and_printed_only_as_hashes(tmp_path: Path) -> None:
    passwords = PasswordFolder(tmp_path / "passwords")
    text = json.dumps(definitions("/", user_permissions(), passwords))
    for role in user_permissions():
        file = tmp_path / "passwords" / role
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert passwords.password(role) == file.read_text().strip()
        assert passwords.password(role) not in text


async def test_topology_declares_and_every_service_may_enter(users: AmqpUsers) -> None:
    await declare_topology(users.users[TOPOLOGY])
    for url in users.users.values():
        async with await aio_pika.connect(url):
            pass


async def test_a_wrong_password_is_refused(users: AmqpUsers) -> None:
    wrong = users.device(DEVICE).replace("@", "x@")
    with pytest.raises(AMQPConnectionError):
        await aio_pika.connect(wrong)


async def test_a_device_publishes_submissions_and_can_do_nothing_else(users: AmqpUsers) -> None:
    await declare_topology(users.admin)
    message = aio_pika.Message(b"", user_id=f"device.{DEVICE}")
    async with await aio_pika.connect(users.device(DEVICE)) as connection:
        channel = await connection.channel()
        entry = await channel.get_exchange(EXCHANGES["in"], ensure=False)
        await entry.publish(message, "image_query.submitted.v1.default")
    for attempt in (_publish_fact, _declare, _read, _bind):
        async with await aio_pika.connect(users.device(DEVICE)) as connection:
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                await attempt(channel)


async def _publish_fact(channel: AbstractChannel) -> None:
    facts = await channel.get_exchange(EXCHANGES["facts"], ensure=False)
    await facts.publish(aio_pika.Message(b""), "image_query.answered.v1.default")


async def _declare(channel: AbstractChannel) -> None:
    await channel.declare_queue("mine", durable=True)


async def _read(channel: AbstractChannel) -> None:
    queue = await channel.get_queue(_some_queue(), ensure=False)
    await queue.get()


async def _bind(channel: AbstractChannel) -> None:
    queue = await channel.get_queue(_some_queue(), ensure=False)
    await queue.bind(EXCHANGES["in"], "#")


def _some_queue() -> str:
    return next(iter(all_specs(("default",)))).name
