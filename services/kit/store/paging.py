"""Cutting lists into pages, the same way in every adapter."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from services.kit.store.port import Cursor, Page
from services.kit.store.records import DataProduct
from services.kit.store.source_port import ProductCursor, ProductPage

T = TypeVar("T")


def cut_page(items: Sequence[T], limit: int, position: Callable[[T], Cursor]) -> Page[T]:
    """Make a page of what was found when up to `limit + 1` were asked for: the one too many says that more follow."""
    if len(items) <= limit:
        return Page(items, None)
    kept = items[:limit]
    return Page(kept, position(kept[-1]))


def cut_products(found: Sequence[DataProduct], limit: int) -> ProductPage:
    """Make a page of data products, as `cut_page` does; they are sorted in their own way."""
    if len(found) <= limit:
        return ProductPage(found, None)
    end = found[limit - 1]
    return ProductPage(found[:limit], ProductCursor(end.start, end.source, end.url))
