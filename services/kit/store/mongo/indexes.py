"""The indexes: one per question of the port, and the server's own deletion (TTL).

An index that changes gets a new name: what exists under a name is taken to be what stands here. The lists' indexes
carry the fields of the filters at their end, so that a filter that few match is decided in the index; the partial
ones stay as small as the work that waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from services.kit.errors import ConfigError
from services.kit.store.mongo.connection import Connection
from services.kit.store.mongo.driver import Client
from services.kit.store.mongo.errors import UNAUTHORIZED

log = structlog.get_logger(__name__)

_BUILD_S = 600.0
"""An index on a collection that is full already is built under this deadline, not that of calls."""
_LISTED = {"index.listed": True}
_TTL = IndexModel([("expires_on", ASCENDING)], name="expires_on", expireAfterSeconds=0)


def _index(
    name: str, *fields: str, newest_first: bool = False, unique: bool = False, only: Mapping[str, object] | None = None
) -> IndexModel:
    backwards = ("index.created_us", "died_us", "id") if newest_first else ()
    keys = [(field, DESCENDING if field in backwards else ASCENDING) for field in fields]
    if only is None:
        return IndexModel(keys, name=name, unique=unique)
    return IndexModel(keys, name=name, unique=unique, partialFilterExpression=only)


def _exists(field: str) -> Mapping[str, object]:
    return {field: {"$exists": True}}


_FILTERS = ("index.state", "index.label", "index.unanswered", "index.expires_us")
_QUERIES = (
    _TTL,
    _index("by_time", "tenant", "index.created_us", "id", *_FILTERS, newest_first=True, only=_LISTED),
    _index(
        "by_detector",
        "tenant",
        "index.detector_id",
        "index.created_us",
        "id",
        *_FILTERS,
        newest_first=True,
        only=_LISTED,
    ),
    _index("by_image", "tenant", "index.image_sha256", "id", only=_exists("index.image_sha256")),
    _index(
        "waiting",
        "index.waiting",  # without a field that the question names in front, the server would not consider it
        "tenant",
        "kind",
        "lane",
        "index.created_us",
        "id",
        "index.updated_us",
        only=_exists("index.waiting"),
    ),
    _index("passed", "tenant", "kind", "lane", "index.created_us", only=_exists("index.passed")),
    _index("due", "index.due_us", only=_exists("index.due_us")),
    _index("held", "tenant", "index.held_for", "index.created_us", "id", only=_exists("index.held_for")),
)
_CLAIMS = (
    _TTL,
    _index("by_key", "tenant", "index.key", unique=True, only=_exists("index.key")),
    _index("by_image", "tenant", "index.image_sha256", "id"),
)
_BLOBS = (_TTL, _index("by_expiry", "index.expires_us"))
_CHUNKS = (_index("files_id_1_n_1", "files_id", "n", unique=True),)
_RECORDS = (
    _index("by_name", "tenant", "index.unique_name", unique=True, only=_exists("index.unique_name")),
    _index("by_id", "id"),
    _index("by_time", "tenant", "index.created_us", "id", newest_first=True, only=_LISTED),
)

_SEARCH_ROWS = (_TTL, _index("of", "of"))

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "queries": _QUERIES,
    "claims": _CLAIMS,
    "images": _BLOBS,
    "images.chunks": _CHUNKS,
    "model_files": _BLOBS,
    "model_files.chunks": _CHUNKS,
    "search_parts": _SEARCH_ROWS,
    "search_chunks": _SEARCH_ROWS,
    "detectors": _RECORDS,
    "models": _RECORDS,
    "tokens": _RECORDS,
    "entries": _RECORDS,
    "sources": _RECORDS,
    "ephemeris": (_index("by_day_with_minutes", "tenant", "source", "day", "minutes"),),
    "data_products": (
        _index("by_url", "tenant", "source", "url", unique=True),
        _index("by_time", "tenant", "start_us", "source", "url", "end_us", "type"),
    ),
    "dead_letters": (
        _index("by_time", "died_us", "id", newest_first=True),
        _index("by_query", "query_id", "died_us", "id", newest_first=True),
        _index("by_reason", "reason", "died_us", "id", newest_first=True),
    ),
    "dead_letters.chunks": _CHUNKS,
}


async def ensure_indexes(connection: Connection) -> None:
    """Make the indexes that are missing; nothing happens when all are there.

    Raises:
        ConfigError: some are missing and this user may not make them.
    """
    missing = await asyncio.gather(*(_missing(connection, name) for name in INDEXES))
    wanted = {name: indexes for name, indexes in zip(INDEXES, missing, strict=True) if indexes}
    for name, indexes in wanted.items():
        try:
            await connection.patiently(_creation(name, indexes), _BUILD_S)
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                reason = "and this user may not make them: open the store once as a user who may"
            else:
                reason = f"and MongoDB refuses to make them (code {error.code})"
            raise ConfigError(f"indexes are missing in MongoDB ({', '.join(_names(wanted))}) {reason}") from error
    if wanted:
        log.info("store.indexes_made", indexes=_names(wanted))


async def _missing(connection: Connection, name: str) -> list[IndexModel]:
    try:
        found = await connection.attempt(lambda client: client.rows(name).index_information())
    except OperationFailure as error:
        if error.code == UNAUTHORIZED:
            raise ConfigError(f"the user of the store may not list the indexes of {name} in MongoDB") from error
        raise
    return [index for index in INDEXES[name] if index.document["name"] not in found]


def _creation(name: str, indexes: Sequence[IndexModel]) -> Callable[[Client], Awaitable[list[str]]]:
    return lambda client: client.rows(name).create_indexes(indexes)


def _names(wanted: Mapping[str, Sequence[IndexModel]]) -> list[str]:
    return [f"{name}.{index.document['name']}" for name, indexes in wanted.items() for index in indexes]
