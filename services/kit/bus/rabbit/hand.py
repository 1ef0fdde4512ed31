"""What one consumer holds: deliveries that wait to be received, and those that wait to be settled."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from weakref import WeakSet

from aiormq.abc import AbstractChannel

from services.kit.bus.port import Delivery


class Tag:
    """A delivery as its channel knows it. `number` is 0 for a copy that only this process has.

    A tag is valid on its channel alone: once that is lost, so is the tag, and the broker delivers again.
    """

    __slots__ = ("__weakref__", "channel", "lost", "number")

    def __init__(self, channel: AbstractChannel, number: int) -> None:
        self.channel = channel
        self.number = number
        self.lost = False


class Hand:
    """The deliveries of one consumer, from their arrival to their end."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Delivery, Tag]] = deque()
        self._out: dict[Tag, Delivery] = {}
        self._busy: set[Tag] = set()
        self._lost: WeakSet[Tag] = WeakSet()

    @property
    def waiting(self) -> int:
        """How many have arrived and were not received."""
        return len(self._waiting)

    @property
    def out(self) -> int:
        """How many were received and are not settled."""
        return len(self._out) + len([tag for tag in self._busy if not tag.lost])

    def put(self, delivery: Delivery, tag: Tag) -> None:
        """Add one that has arrived."""
        self._waiting.append((delivery, tag))

    def put_again(self, delivery: Delivery, tag: Tag) -> None:
        """Offer one again that could not be settled, one attempt later, before all others."""
        self._busy.discard(tag)
        if not tag.lost:
            again = Tag(tag.channel, tag.number)
            self._waiting.appendleft((replace(delivery, attempt=delivery.attempt + 1, tag=again), again))

    def take(self, limit: int) -> Sequence[Delivery]:
        """Hand out up to `limit` of those that wait."""
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._out.update({tag: delivery for delivery, tag in taken})
        return [delivery for delivery, _ in taken]

    def holds(self, tag: object) -> bool:
        """Say whether `tag` is out, and not being settled."""
        return isinstance(tag, Tag) and tag in self._out

    def has_lost(self, tags: Iterable[object]) -> bool:
        """Say whether one of `tags` was out when its channel was lost."""
        return any(tag in self._lost for tag in tags if isinstance(tag, Tag))

    def begin(self, tags: Iterable[object]) -> list[Tag]:
        """Return those of `tags` that are out and not being settled yet; from now on they are."""
        begun = [tag for tag in dict.fromkeys(tags) if isinstance(tag, Tag) and tag in self._out]
        for tag in begun:
            del self._out[tag]
        self._busy.update(begun)
        return begun

    def busy(self, tag: Tag) -> None:
        """Note one that is being settled without having been received."""
        self._busy.add(tag)

    def end(self, tags: Iterable[Tag]) -> None:
        """Forget what is settled."""
        self._busy.difference_update(tags)

    def first_only(self, tags: Collection[Tag]) -> bool:
        """Say whether the channel has no other delivery unsettled up to the last of `tags`."""
        mine = set(tags)
        last = max(tag.number for tag in mine)
        others = [*(tag for _, tag in self._waiting), *self._out, *self._busy]
        return not any(0 < tag.number <= last for tag in others if tag not in mine)

    def lose(self) -> None:
        """Give up everything: the channel is gone."""
        self._lost.update(self._out)
        for tag in (*(tag for _, tag in self._waiting), *self._out, *self._busy):
            tag.lost = True
        self._waiting.clear()
        self._out.clear()
        self._busy.clear()

    def forget_lost(self) -> None:
        """Pass over what was lost from now on: nobody waits for it any more."""
        self._lost.clear()

    def give_up(self) -> tuple[list[tuple[Delivery, Tag]], list[Tag]]:
        """Empty the hand: return what nobody has seen, and the tags of what somebody has."""
        unseen, seen = list(self._waiting), [*self._out]
        self._waiting.clear()
        self._out.clear()
        return unseen, seen
