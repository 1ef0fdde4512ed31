"""A bus in memory, for tests: honest in everything but durability."""

from services.kit.bus.embedded import EmbeddedBus
from services.kit.bus.rows import MemoryRows


class MemoryBus(EmbeddedBus):
    """The bus of `memory://`: its messages end with the process."""

    def __init__(self) -> None:
        super().__init__(MemoryRows())
