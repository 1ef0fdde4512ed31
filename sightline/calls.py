"""One HTTP call as a value: what to send, and how to read what comes back. Shared by both clients."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from contracts.http.aurorax import SurfaceError
from contracts.http.base import Problem
from sightline.errors import Conflict, NotAllowed, NotAuthenticated, NotFound, NotSightline, Refused, Unavailable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=BaseModel)

_ACCEPTED = 202
_BY_STATUS: Mapping[int, type[Refused]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: NotFound,
}


class Page(Protocol[T_co]):
    """A part of a list; `next_cursor` is None on the last one."""

    @property
    def items(self) -> tuple[T_co, ...]:
        """What is on this page."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T_co]):
    """A request and the reader of its reply. `wait_s` is how long the platform may take on purpose."""

    method: str
    path: str
    read: Callable[[Reply], T_co]
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    files: Mapping[str, Any] | None = None
    """Parts of a multipart body, as httpx2 takes them."""
    wait_s: float = 0.0


def segment(text: str) -> str:
    """Return `text` as one path segment.

    Raises:
        NotFound: nothing can have this name.
    """
    if text in {"", ".", ".."} or not is_text(text):
        raise NotFound("not_found", f"nothing is called {text!r}", status=404)
    return quote(text, safe="")


def is_text(text: str) -> bool:
    """Say whether `text` can be sent: bytes that were no UTF-8 leave half surrogates behind."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_body(model: type[BaseModel], values: Mapping[str, Any]) -> bytes:
    """Return the JSON of a request body that holds only `values`.

    Raises:
        Refused: invalid_parameter, as the platform would say it.
    """
    try:
        return model(**values).model_dump_json(exclude_unset=True).encode()
    except ValidationError as error:
        parts = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise Refused("invalid_parameter", "; ".join(parts)) from None


def json_text(value: Any, code: str) -> str:
    """Return opaque JSON as text, or raise Refused with `code`."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(code, str(error)) from None
    if not is_text(text):
        raise Refused(code, "it holds half of a surrogate pair, which is not text")
    return text


def reader(model: type[M]) -> Callable[[Reply], M]:
    """Return the reader of a reply that is one resource."""

    def read(reply: Reply) -> M:
        try:
            return model.model_validate_json(reply.body)
        except ValidationError:
            raise NotSightline(f"the answer is not a {model.__name__} (HTTP {reply.status})") from None

    return read


def read_bytes(reply: Reply) -> bytes:
    """Return the body as it is."""
    return reply.body


def read_done(reply: Reply) -> bool:
    """Say whether a wish is fulfilled (200, 204), not only accepted (202)."""
    return reply.status != _ACCEPTED


def read_nothing(reply: Reply) -> None:
    """Take any success for an answer."""
    del reply


def result_of(call: Call[T], reply: Reply) -> T:
    """Return what a call gave.

    Raises:
        Refused: the platform said no (or a subclass by status).
        Unavailable: a part is away.
        NotSightline: the reply is none of the platform's.
    """
    if 200 <= reply.status < 300:
        return call.read(reply)
    try:
        problem = _problem(reply)
    except ValidationError:
        raise NotSightline(_foreign(reply)) from None
    if reply.status >= 500:
        raise Unavailable(f"{problem.code}: {problem.detail or problem.title}", reached=True)
    refused = _BY_STATUS.get(reply.status, Refused)
    raise refused(problem.code, problem.detail or problem.title, status=reply.status)


def _problem(reply: Reply) -> Problem:
    """Return what went wrong, in the platform's own form or in that of the AuroraX surface."""
    try:
        return Problem.model_validate_json(reply.body)
    except ValidationError:
        error = SurfaceError.model_validate_json(reply.body)
        return Problem(title=error.error_code, status=reply.status, code=error.error_code, detail=error.error_message)


def _foreign(reply: Reply) -> str:
    if 300 <= reply.status < 400:
        return f"the address redirects to {reply.headers.get('location', 'somewhere')}; use that one"
    media_type = reply.headers.get("content-type", "no content type")
    return f"the address does not answer as Sightline does (HTTP {reply.status}, {media_type})"
