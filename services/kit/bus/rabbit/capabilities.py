"""What a RabbitMQ can do, by its version."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.kit.errors import ConfigError

OLDEST = (3, 10)
"""The first whose quorum queues expire messages and dead-letter at least once."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The differences between versions that this adapter acts on.

    All else is written so that it holds for every version: the arguments of queues above all, since a queue that one
    version declared is there after an upgrade. The delayed retry of 4.3 stays unused for that reason.
    """

    version: tuple[int, int]

    @property
    def returns_uncounted(self) -> bool:
        """True when a nack puts a message back without counting the delivery; a reject counts in every version."""
        return self.version >= (4, 3)


def read_capabilities(properties: Mapping[str, Any]) -> Capabilities:
    """Return the capabilities from the properties that the server sent.

    Raises:
        ConfigError: it is too old, or not a RabbitMQ.
    """
    version = re.match(r"(\d+)\.(\d+)", str(properties.get("version", "")))
    if version is None or properties.get("product") != "RabbitMQ":
        raise ConfigError("the bus speaks AMQP but is not a RabbitMQ")
    number = (int(version[1]), int(version[2]))
    if number < OLDEST:
        raise ConfigError(f"RabbitMQ {number[0]}.{number[1]} is too old: 3.10 or a later one is needed")
    return Capabilities(number)
