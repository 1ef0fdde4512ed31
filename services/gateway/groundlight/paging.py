"""Pages by number, which the client asks for, over lists that we walk by cursor."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, Field

from services.kit.errors import Refused
from services.kit.settings import Settings
from services.kit.store.port import Cursor, Page

T = TypeVar("T")
Read = Callable[[Cursor | None, int], Awaitable[Page[T]]]

MOST_COUNTED = 100_000
_DEEPEST = 10_000
"""How far a page by number may lie from the newest: everything before it is read on the way."""
_AT_ONCE = 200


class NumberedPage(BaseModel):
    """Which page, from 1, and how long pages are."""

    page: Annotated[int, Field(ge=1)] = 1
    page_size: Annotated[int, Field(ge=1, le=1000)] = 10

    @property
    def end(self) -> int:
        """The number of items up to and with this page."""
        return self.page * self.page_size


Numbered = Annotated[NumberedPage, Query()]


async def read_page(read: Read[T], wanted: NumberedPage) -> Sequence[T]:
    """Return the items of the page.

    Raises:
        Refused: invalid_parameter, it is too far from the newest.
    """
    if wanted.end > _DEEPEST:
        raise Refused("invalid_parameter", f"page: only the newest {_DEEPEST} can be listed by page number")
    items = await read_all(read, most=wanted.end)
    return items[wanted.end - wanted.page_size :]


async def read_all(read: Read[T], *, most: int = MOST_COUNTED) -> Sequence[T]:
    """Return the newest `most` items."""
    items: list[T] = []
    cursor: Cursor | None = None
    while len(items) < most:
        page = await read(cursor, min(_AT_ONCE, most - len(items)))
        items += page.items
        cursor = page.next
        if cursor is None:
            break
    return items


def neighbours(request: Request, settings: Settings, wanted: NumberedPage, count: int) -> tuple[str | None, str | None]:
    """Return the absolute addresses of the next and the previous page; the client refuses relative ones."""
    origin = str(settings.public_url or request.base_url).rstrip("/")

    def address(page: int) -> str:
        url = request.url.include_query_params(page=page, page_size=wanted.page_size)
        return f"{origin}{url.path}?{url.query}"

    return (
        address(wanted.page + 1) if wanted.end < count else None,
        address(wanted.page - 1) if wanted.page > 1 else None,
    )
