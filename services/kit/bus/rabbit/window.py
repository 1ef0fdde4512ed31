"""How much may wait for its confirmation at once."""

import asyncio
from collections import deque


class Window:
    """Lets so many messages in, of so many bytes together; who comes first gets in first.

    A message that alone is larger gets in when there is no other.
    """

    def __init__(self, *, messages: int, size_bytes: int) -> None:
        self._messages_left = messages
        self._bytes_left = self._most_bytes = size_bytes
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def enter(self, size: int) -> None:
        """Return once there is room for a message of so many bytes; whoever got in has to leave."""
        if not self._waiting and self._has_room(size):
            self._take(size)
            return
        admitted = asyncio.get_running_loop().create_future()
        place = admitted, size
        self._waiting.append(place)
        try:
            await admitted
        except asyncio.CancelledError:
            if not admitted.cancelled():
                self.leave(size)
            elif place in self._waiting:
                self._waiting.remove(place)
                self._admit()  # those behind it may need less room
            raise

    def leave(self, size: int) -> None:
        """Make room again."""
        self._messages_left += 1
        self._bytes_left += size
        self._admit()

    def _has_room(self, size: int) -> bool:
        return self._messages_left > 0 and (size <= self._bytes_left or self._bytes_left == self._most_bytes)

    def _take(self, size: int) -> None:
        self._messages_left -= 1
        self._bytes_left -= size

    def _admit(self) -> None:
        while self._waiting and self._has_room(self._waiting[0][1]):
            admitted, size = self._waiting.popleft()
            if not admitted.cancelled():
                self._take(size)
                admitted.set_result(None)
