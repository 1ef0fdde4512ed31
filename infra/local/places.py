"""Where a server runs: on the loopback of this machine, or under an address of its own."""

from dataclasses import dataclass

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """An address, and the command that runs another one where the address is; none is needed where we are."""

    address: str = _LOOPBACK
    entering: tuple[str, ...] = ()

    @property
    def on_loopback(self) -> bool:
        """Whether others on this machine share the address."""
        return self.address == _LOOPBACK


HERE = Place()
