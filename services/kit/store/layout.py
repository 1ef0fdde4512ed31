"""Reading documents that an earlier version wrote.

A stored document keeps the layout that it was written in until it is swapped the next time; whoever reads it lifts
it. To change the layout: raise `documents.LAYOUT`, keep the old reader here as a function of the old JSON, and add
the new one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from services.kit.errors import Undecodable, UnknownVersion
from services.kit.store.documents import LAYOUT, QueryDocument

LIFTS: Mapping[int, Callable[[Mapping[str, Any]], QueryDocument]] = {1: QueryDocument.model_validate}
"""How to read each layout that was ever shipped."""


def lift(document: Mapping[str, Any]) -> QueryDocument:
    """Read a document in any layout; `document` is its decoded JSON.

    Raises:
        UnknownVersion: a newer version of Sightline wrote it.
        Undecodable: it is damaged.
    """
    layout, query_id = document.get("layout"), document.get("id")
    if isinstance(layout, int) and layout > LAYOUT:
        raise UnknownVersion(
            "document_layout",
            f"query {query_id} is stored in layout {layout} and this version reads up to {LAYOUT}: "
            "a newer version of Sightline wrote it, run that one",
        )
    reader = LIFTS.get(layout) if isinstance(layout, int) else None
    if reader is None:
        raise Undecodable("document_damaged", f"query {query_id} is stored in the unknown layout {layout!r}")
    try:
        return reader(document)
    except ValidationError as error:
        # The places only: the values are the client's.
        places = ", ".join(".".join(map(str, item["loc"])) for item in error.errors(include_input=False)[:5])
        raise Undecodable("document_damaged", f"query {query_id} in the store cannot be read: {places}") from None
