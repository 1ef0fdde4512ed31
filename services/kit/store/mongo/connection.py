"""One client with a deadline for every call, and errors in our own terms."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pymongo
from pymongo.errors import ConfigurationError, InvalidName, InvalidURI, PyMongoError

from services.kit.errors import ConfigError, Unavailable, Unknown
from services.kit.store.mongo.driver import POOL, Client, DriverName, Options, Row, connect
from services.kit.store.mongo.errors import translate

T = TypeVar("T")

DEFAULT_DATABASE = "sightline"
CALL_S = 5.0
"""Deadline of one call, retries of the driver included."""
_SELECT_S = 3.0
_BEYOND_S = 1.0
"""A call that waits for a free thread of motor is not under the driver's deadline yet; ours ends it."""
_FAREWELL_S = 1.0
"""Ending the sessions on the server is a courtesy: they expire by themselves."""
_BAD_ADDRESS = "the address of the store is not one that MongoDB's drivers take; percent-encode user and password"

# They stand above the address, so that nobody weakens them there.
_OPTIONS: Options = {
    "appname": "sightline",
    "maxPoolSize": POOL,
    "timeoutMS": int(CALL_S * 1000),
    "serverSelectionTimeoutMS": int(_SELECT_S * 1000),
    "connectTimeoutMS": int(_SELECT_S * 1000),
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "readPreference": "primary",
    "retryWrites": True,
    "retryReads": True,
}
_CHECKED_TLS: Options = {"tls": True, "tlsAllowInvalidCertificates": False, "tlsAllowInvalidHostnames": False}


def database_of(url: str) -> str:
    """Return the database that the path of the address names, or the default."""
    try:
        return urlsplit(url).path.lstrip("/") or DEFAULT_DATABASE
    except ValueError:
        raise ConfigError(_BAD_ADDRESS) from None


class Connection:
    """A client of one database, from `open` to `close`.

    A cancelled call goes on in the background until its deadline: cutting it off would cost a connection, and would
    not undo it.
    """

    def __init__(self, url: str, driver: DriverName, ca_file: Path | None = None) -> None:
        self._url = url
        self._driver = driver
        self._tls: Options = {} if ca_file is None else {**_CHECKED_TLS, "tlsCAFile": str(ca_file)}
        self._client: Client | None = None
        self._running: set[asyncio.Future[Any]] = set()

    @property
    def where(self) -> str:
        """The servers of the address, without user and password."""
        return urlsplit(self._url).netloc.rpartition("@")[2]

    def open(self) -> None:
        """Make the client; the first call connects.

        Raises:
            ConfigError: the address cannot be read.
        """
        try:
            self._client = connect(self._driver, self._url, database_of(self._url), {**_OPTIONS, **self._tls})
        except (ConfigurationError, InvalidURI, InvalidName, ValueError):
            # Their messages quote parts of the address, a badly encoded password among them.
            raise ConfigError(_BAD_ADDRESS) from None
        except OSError as error:
            raise ConfigError(f"cannot read the certificates that the store is trusted by: {error.strerror}") from None

    async def close(self) -> None:
        """Let calls in the background end, close the client. Calls after it raise Unavailable."""
        client, self._client = self._client, None
        if self._running:
            await asyncio.wait(self._running, timeout=CALL_S + _BEYOND_S)
        if client is not None:
            with pymongo.timeout(_FAREWELL_S):
                await client.close()

    async def run(self, work: Callable[[Client], Awaitable[T]], *, wrote: bool) -> T:
        """Do `work` within the deadline; `wrote` says that it may have taken effect when no answer comes.

        Raises:
            Unavailable, Unknown, Refused, Conflict: see `errors.translate`.
        """
        try:
            return await self.attempt(work)
        except TimeoutError:
            detail = f"no answer of MongoDB in {CALL_S:.0f} s"
            raise (Unknown(detail) if wrote else Unavailable(detail)) from None
        except PyMongoError as error:
            raise translate(error, wrote=wrote) from error

    async def attempt(self, work: Callable[[Client], Awaitable[T]], *, timeout_s: float = CALL_S) -> T:
        """Do `work` as `run` does, with the driver's own errors."""
        client = self._client
        if client is None:
            raise Unavailable("the store is closed")
        call = asyncio.ensure_future(work(client))
        self._running.add(call)
        call.add_done_callback(self._forget)
        try:
            async with asyncio.timeout(timeout_s + _BEYOND_S):
                return await asyncio.shield(call)
        except TimeoutError:
            call.cancel()  # one that waits for a thread must not begin after its caller has gone
            raise

    async def patiently(self, work: Callable[[Client], Awaitable[T]], timeout_s: float) -> T:
        """Do `work` under a deadline of its own, with the driver's own errors."""

        async def under_deadline(client: Client) -> T:
            with pymongo.timeout(timeout_s):
                return await work(client)

        return await self.attempt(under_deadline, timeout_s=timeout_s)

    async def command(self, command: Mapping[str, Any], database: str | None = None) -> Row:
        """Run a command, with the driver's own errors."""
        return await self.attempt(lambda client: client.command(command, database))

    def reason(self) -> str:
        """Say in a few words why no server can be reached."""
        errors = self._client.server_errors() if self._client else []
        # The driver adds its time-outs in brackets.
        return "; ".join(error.split(" (configured timeouts")[0] for error in errors) or "no server answers as primary"

    def _forget(self, call: "asyncio.Future[Any]") -> None:
        self._running.discard(call)
        if not call.cancelled():
            call.exception()  # one whose caller has gone is nobody's
