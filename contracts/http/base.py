"""What the HTTP resources share."""

from typing import Any

from pydantic import BaseModel, ConfigDict

Json = Any
"""Opaque JSON of the client's."""


class Resource(BaseModel):
    """Base of every HTTP body. Clients ignore fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Request(BaseModel):
    """Base of every HTTP request body. An unknown field is an error: it would be silently without effect."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Problem(BaseModel):
    """An error as RFC 9457 `application/problem+json`; `code` is stable, `detail` says what, where, what to do."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
