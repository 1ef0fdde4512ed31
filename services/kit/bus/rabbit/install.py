"""Puts the topology on a broker once, as an administrator, so that no service has to be allowed to."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from services.kit.bus.rabbit.address import parse_address
from services.kit.bus.rabbit.declaring import Topology
from services.kit.bus.rabbit.link import Link
from services.kit.bus.rabbit.topology import EXCHANGE_TYPES, QUEUE_LIMIT_BYTES, all_specs
from services.kit.errors import ConfigError


async def declare_topology(
    url: str,
    lanes: Sequence[str] = ("default",),
    *,
    ca_file: Path | None = None,
    queue_limit_bytes: int = QUEUE_LIMIT_BYTES,
) -> list[str]:
    """Declare every exchange, queue and binding; return the names. What is there already, as it should be, stays.

    Raises:
        ConfigError: the server refuses us, or has something of the name that is not the same.
        Unavailable: it cannot be reached.
    """
    link = Link(parse_address(url, ca_file), "consume")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(link.close)
        await link.open()
        topology = Topology(link, queue_limit_bytes)
        await topology.prepare(lanes)
        if not topology.may_declare:
            raise ConfigError("RabbitMQ lets this user declare nothing; use an administrator's address")
    return [*EXCHANGE_TYPES, *(spec.name for spec in all_specs(lanes))]
