"""The one table of query kinds.

A new kind is a row here, its messages in `contracts.topics`, a worker service, and a branch of the fold.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.base import Payload
from contracts.ids import IMAGE_QUERY, SEARCH, is_id
from contracts.topics import IMAGE_QUERIES, SEARCH_ASSEMBLIES, SEARCH_PARTS, SEARCH_PLANS, Queue
from contracts.v1.image_query import ImageQuerySubmitted
from contracts.v1.search import SearchSubmitted

KindName = Literal["image_query", "search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of query: the prefix of its IDs, its question, and the queues whose dead letters mean no answer."""

    name: KindName
    id_prefix: str
    submitted: type[Payload]
    work: tuple[Queue, ...]


KINDS: tuple[Kind, ...] = (
    Kind(name="image_query", id_prefix=IMAGE_QUERY, submitted=ImageQuerySubmitted, work=(IMAGE_QUERIES,)),
    Kind(
        name="search",
        id_prefix=SEARCH,
        submitted=SearchSubmitted,
        work=(SEARCH_PLANS, SEARCH_PARTS, SEARCH_ASSEMBLIES),
    ),
)


def kind_of(query_id: str) -> Kind | None:
    """Return the kind whose IDs look like `query_id`, None when it is no query's."""
    return next((kind for kind in KINDS if is_id(query_id, kind.id_prefix)), None)
