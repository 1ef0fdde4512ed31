"""What tests of the RabbitMQ adapter need beside the bus: places, users and an administrator's hands."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit

import aio_pika
from aiormq.abc import AbstractChannel

from infra.local.rabbitmq import vhost_of
from infra.rabbitmq.users import grants
from services.kit.bus.rabbit.permissions import Permissions
from tests.support.servers import amqp_server


@contextmanager
def empty_place(name: str = "rabbit") -> Iterator[str]:
    """The administrator's address of a virtual host of one's own."""
    server = amqp_server()
    url = server.vhost(name)
    try:
        yield url
    finally:
        server.remove_vhost(url)


@contextmanager
def user_of(url: str, permissions: Permissions, name: str = "user") -> Iterator[str]:
    """The same place as a new user, who may do what `permissions` say."""
    server = amqp_server()
    name = f"{name}-{secrets.token_hex(4)}"
    user = {"name": name, "password": "secret", "tags": []}
    server.define({"users": [user], **grants(vhost_of(url), {name: permissions})})
    try:
        parts = urlsplit(url)
        yield urlunsplit(parts._replace(netloc=f"{name}:secret@{parts.netloc.rpartition('@')[2]}"))
    finally:
        server.ctl("delete_user", name)


@contextmanager
def memory_alarm() -> Iterator[None]:
    """A broker that has no memory left and reads nothing from publishers."""
    server = amqp_server()
    server.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        server.ctl("set_vm_memory_high_watermark", "0.4")


@contextmanager
def suspended(url: str, queue: str) -> Iterator[None]:
    """A broker on which the leader of one quorum queue answers nobody."""
    server = amqp_server()
    leader = (
        f'{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost_of(url)}">>, queue, <<"{queue}">>)), '
        "Leader = amqqueue:get_pid(Queue)"
    )
    server.ctl("eval", f"{leader}, sys:suspend(Leader).")
    try:
        yield
    finally:
        server.ctl("eval", f"{leader}, sys:resume(Leader).")


@asynccontextmanager
async def raw_channel(url: str) -> AsyncIterator[AbstractChannel]:
    """A channel of the driver's, for what an operator or a hostile client would do."""
    connection = await aio_pika.connect(url, timeout=10)
    try:
        assert connection.transport is not None
        yield await connection.transport.connection.channel()
    finally:
        await connection.close()
