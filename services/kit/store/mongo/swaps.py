"""Telling one's own swaps from those of others."""

import random
from collections.abc import Sequence

from services.kit.store.documents import QueryKey
from services.kit.store.port import Swap

_REMEMBERED = 10_000
"""Swaps of unknown outcome whose tokens are kept; of more than that the oldest are forgotten."""


class UnsettledSwaps:
    """The tokens of swaps whose outcome is not known, for when they are repeated."""

    def __init__(self) -> None:
        self._tokens: dict[QueryKey, tuple[Swap, int]] = {}

    def tokens(self, swaps: Sequence[Swap]) -> list[int]:
        """Return a token per swap: that of its first attempt if it repeats one, else a new one."""
        fresh = random.getrandbits(63)
        if not self._tokens:
            return [fresh] * len(swaps)
        return [self._of(swap, fresh) for swap in swaps]

    def remember(self, swaps: Sequence[Swap], tokens: Sequence[int]) -> None:
        """Keep the tokens of swaps that may have taken effect."""
        for swap, token in zip(swaps, tokens, strict=True):
            self._tokens[swap.document.key] = (swap, token)
        for key in list(self._tokens)[: max(0, len(self._tokens) - _REMEMBERED)]:
            del self._tokens[key]

    def forget(self, swaps: Sequence[Swap]) -> None:
        """Drop what is settled now."""
        if self._tokens:
            for swap in swaps:
                self._tokens.pop(swap.document.key, None)

    def _of(self, swap: Swap, fresh: int) -> int:
        first, token = self._tokens.get(swap.document.key, (None, fresh))
        return token if first == swap else fresh
