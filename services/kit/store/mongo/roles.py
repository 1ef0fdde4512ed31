"""What each service does in MongoDB: roles of least privilege, as data.

`privileges(service, database)` is what `createRole` takes. `install` makes the indexes, and is needed again only when
a new version brings new ones.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

RoleName = Literal["gateway", "inference", "search", "result_store", "submitter", "install"]
ROLE_NAMES: tuple[RoleName, ...] = get_args(RoleName)
Actions = tuple[str, ...]

_FIND: Actions = ("find",)
_WRITE: Actions = ("find", "insert", "update")
_OWN: Actions = ("find", "insert", "update", "remove")
_LIST: Actions = ("listIndexes",)
_INSTALL: Actions = ("listIndexes", "createIndex", "createCollection")


def _blobs(name: str, actions: Actions) -> dict[str, Actions]:
    """A collection of blobs, and beside it its GridFS with the list of uploads under way."""
    return dict.fromkeys((name, f"{name}.files", f"{name}.chunks", f"{name}.pending"), actions)


_SEARCH_ROWS = ("search_parts", "search_chunks")

COLLECTIONS = (
    "checks",
    "queries",
    "claims",
    "detectors",
    "models",
    "tokens",
    "entries",
    "sources",
    "ephemeris",
    "data_products",
    *_SEARCH_ROWS,
    *_blobs("images", ()),
    *_blobs("model_files", ()),
    *_blobs("dead_letters", ()),
)
"""Every collection that there may be."""

# Every service authenticates, waits for results and caches detectors and models.
_EVERY_SERVICE: Mapping[str, Actions] = {"queries": _FIND, "detectors": _FIND, "models": _FIND, "tokens": _FIND}

ROLES: Mapping[RoleName, Mapping[str, Actions]] = {
    "gateway": {
        **_EVERY_SERVICE,
        "checks": _WRITE,
        "claims": _FIND,
        "detectors": _WRITE,
        "models": _WRITE,
        "tokens": _WRITE,
        "entries": _WRITE,
        "sources": _WRITE,
        "ephemeris": _OWN,
        "data_products": _OWN,
        **dict.fromkeys(_SEARCH_ROWS, _FIND),
        **_blobs("images", _FIND),
        **_blobs("model_files", _OWN),
        **_blobs("dead_letters", _FIND),
    },
    "inference": {**_EVERY_SERVICE, "checks": _FIND, **_blobs("images", _FIND), **_blobs("model_files", _FIND)},
    "search": {
        **_EVERY_SERVICE,
        "checks": _FIND,
        "sources": _FIND,
        "ephemeris": _FIND,
        "data_products": _FIND,
        **dict.fromkeys(_SEARCH_ROWS, _WRITE),
    },
    "result_store": {
        **_EVERY_SERVICE,
        "checks": _WRITE,
        "queries": _OWN,
        "claims": ("find", "remove"),
        "models": ("find", "update"),
        **dict.fromkeys(_SEARCH_ROWS, _OWN),
        **_blobs("images", _OWN),
        **_blobs("model_files", _OWN),
        **_blobs("dead_letters", _OWN),
    },
    "submitter": {
        **_EVERY_SERVICE,
        "checks": _WRITE,
        "sources": _FIND,
        "claims": ("find", "insert", "remove"),
        **_blobs("images", _OWN),
    },
    "install": {**dict.fromkeys(COLLECTIONS, _INSTALL), "checks": (*_INSTALL, *_FIND)},
}
"""The actions per collection; beyond them every role may list indexes, which the store compares at start."""


def privileges(role: RoleName, database: str) -> list[dict[str, Any]]:
    """Return the privileges of a role in one database, as `createRole` takes them."""
    allowed = ROLES[role]
    return [
        {
            "resource": {"db": database, "collection": name},
            "actions": sorted({*allowed.get(name, ()), *_LIST}),
        }
        for name in COLLECTIONS
    ]
