"""API tokens."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts.http.base import Request, Resource

Scope = Literal["queries:write", "queries:read", "labels:write", "detectors:write", "sources:write", "admin"]
SCOPES: tuple[Scope, ...] = (
    "queries:write",
    "queries:read",
    "labels:write",
    "detectors:write",
    "sources:write",
    "admin",
)
"""`detectors:write` makes and changes detectors, `sources:write` data sources and their records, as client programs do;
`admin` includes both."""


class Token(Resource):
    """A token as it is listed: never the secret."""

    key_id: str
    """The first 20 characters, which are public."""
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked: bool = False


class TokenCreated(Token):
    """The answer to a creation: the only time that the whole token is shown."""

    token: str


class TokenCreate(Request):
    """A new token of the caller's tenant."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = SCOPES[:-1]


class TokenPage(Resource):
    """A page of tokens, newest first."""

    items: tuple[Token, ...]
    next_cursor: str | None = None
