"""What both clients share of the HTTP library: where to connect, as whom, how long, and what its errors mean."""

import ipaddress
import os
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import httpx2

from sightline.calls import Call, Reply, is_text
from sightline.errors import Refused
from sightline.flows import NotSent, Send, Unfinished

DEFAULT_URL = "http://127.0.0.1:8470"
DEFAULT_TIMEOUT_S = 30.0
_CONNECT_S = 5.0
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Address:
    """The platform's origin and the caller's token, which no text shows."""

    url: str
    token: str | None = field(repr=False)

    @property
    def loopback(self) -> bool:
        """True when the platform is on this machine, where no proxy leads."""
        host = httpx2.URL(self.url).host
        try:
            return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return False


def address_of(url: str | None, token: str | None) -> Address:
    """Return where and as whom to call; what is not given comes from SIGHTLINE_URL and SIGHTLINE_TOKEN.

    Raises:
        ValueError: not an HTTP address, or not a token. The message holds neither a token nor a password.
    """
    text = (url or os.environ.get("SIGHTLINE_URL") or DEFAULT_URL).strip().rstrip("/")
    try:
        urlsplit(text)  # stricter than the HTTP library about brackets
        parsed = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError):
        raise ValueError("the platform's address is not a URL") from None
    if parsed.userinfo:
        raise ValueError("the platform's address holds a user or password; use SIGHTLINE_TOKEN instead")
    if parsed.scheme not in {"http", "https"} or not parsed.host or any(map(str.isspace, text)):
        raise ValueError(f"the platform's address looks like {DEFAULT_URL}, not like {text!r}")
    given = (token if token is not None else os.environ.get("SIGHTLINE_TOKEN", "")).strip()
    if given and not (given.isascii() and given.isprintable() and " " not in given):
        raise ValueError("the token holds characters that no token has; see SIGHTLINE_TOKEN")
    return Address(text, given or None)


def options_of(address: Address) -> dict[str, Any]:
    """Return what the HTTP library's client is made with."""
    headers = {"User-Agent": f"sightline/{version('sightline')}", "Accept": "application/json, */*;q=0.1"}
    if address.token:
        headers["Authorization"] = f"Bearer {address.token}"
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)  # a long poll holds its connection
    return {"base_url": address.url, "headers": headers, "trust_env": not address.loopback, "limits": limits}


def request_of(send: Send) -> dict[str, Any]:
    """Return a step as the HTTP library's arguments; raise Refused for what cannot be sent."""
    call: Call[Any] = send.call
    for name, value in call.params:
        if not is_text(value):
            raise Refused("invalid_parameter", f"{name}: it is not text")
    timeout = httpx2.Timeout(send.timeout_s, connect=min(send.timeout_s, _CONNECT_S), read=send.timeout_s + call.wait_s)
    request: dict[str, Any] = {
        "method": call.method,
        "url": call.path,
        "params": list(call.params),
        "headers": dict(call.headers),
        "timeout": timeout,
    }
    if call.files is not None:
        request["files"] = dict(call.files)
    else:
        request["content"] = call.content
    return request


def reply_of(response: httpx2.Response) -> Reply:
    """Return a response, its body read."""
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )


def failure_of(error: httpx2.RequestError, address: Address) -> NotSent | Unfinished:
    """Return what an error of the HTTP library means: was the request possibly received?"""
    reason = str(error) or type(error).__name__
    if isinstance(error, _NOT_SENT):
        return NotSent(f"cannot reach {address.url}: {reason}")
    if isinstance(error, httpx2.TimeoutException):
        return Unfinished(f"no answer from {address.url} in time")
    return Unfinished(f"the connection to {address.url} ended early: {reason}")
