"""The calls about API tokens; they need the scope `admin`."""

from collections.abc import Sequence

from contracts.http.tokens import TokenCreate, TokenCreated, TokenPage
from sightline.calls import Call, json_body, read_nothing, reader, segment


def create(name: str, scopes: Sequence[str] | None) -> Call[TokenCreated]:
    """Make a token; the reply is the only place where it is ever shown."""
    values = {"name": name} if scopes is None else {"name": name, "scopes": tuple(scopes)}
    return Call(
        method="POST",
        path="/v1/tokens",
        headers={"Content-Type": "application/json"},
        content=json_body(TokenCreate, values),
        read=reader(TokenCreated),
    )


def revoke(key_id: str) -> Call[None]:
    """End a token, by its public key ID; effective within seconds."""
    return Call(method="DELETE", path=f"/v1/tokens/{segment(key_id)}", read=read_nothing)


def page(cursor: str | None) -> Call[TokenPage]:
    """Read one page of the list, newest first."""
    params = (("cursor", cursor),) if cursor is not None else ()
    return Call(method="GET", path="/v1/tokens", params=params, read=reader(TokenPage))
