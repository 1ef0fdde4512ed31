"""Cutting lists into pages, the same way in every adapter."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from services.kit.store.port import Cursor, Page

T = TypeVar("T")


def cut_page(items: Sequence[T], limit: int, position: Callable[[T], Cursor]) -> Page[T]:
    """Make a page of what was found when up to `limit + 1` were asked for: the one too many says that more follow."""
    if len(items) <= limit:
        return Page(items, None)
    kept = items[:limit]
    return Page(kept, position(kept[-1]))
