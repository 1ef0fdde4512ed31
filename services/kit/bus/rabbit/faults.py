"""The driver's errors, told in ours."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq import exceptions as driver

from services.kit.errors import ConfigError, PlatformError, Unavailable

REFUSALS = (driver.ChannelNotFoundEntity, driver.ChannelAccessRefused, driver.ChannelPreconditionFailed)
ANSWER_S = 3.0
"""How long the broker may take to answer anything."""


def is_ours() -> bool:
    """Say whether the CancelledError in hand is meant for this task: the driver raises it for lost connections too."""
    return _cancellations() > 0


def is_fault_of_connection(error: Exception) -> bool:
    """Say whether the driver raised this for what happened to the connection or to the channel."""
    # Waiting when a channel is closed without a reason ends in an Exception and nothing more.
    return isinstance(error, CONNECTION_EXCEPTIONS) or type(error) is Exception


@asynccontextmanager
async def translated(doing: str, timeout_s: float = ANSWER_S, *, refusals: bool = False) -> AsyncIterator[None]:
    """Bound what is done inside in time and raise Unavailable for every fault of the connection.

    With `refusals`, what the broker answers to the question itself (not there, not allowed, other arguments) passes.
    """
    asked_to_end = _cancellations()
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise Unavailable(f"RabbitMQ did not answer within {timeout_s:g} s: {doing}") from None
    except asyncio.CancelledError:
        if is_ours():
            raise
        raise Unavailable(f"the connection to RabbitMQ was lost: {doing}") from None
    except Exception as error:
        _end_if_asked(asked_to_end)
        if not is_fault_of_connection(error) or (refusals and isinstance(error, REFUSALS)):
            raise
        raise Unavailable(f"{doing}: {text_of(error)}") from error
    _end_if_asked(asked_to_end)


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _end_if_asked(before: int) -> None:
    """Raise the cancellation that arrived since: the driver swallows one that meets it while it closes a channel."""
    if _cancellations() > before:
        raise asyncio.CancelledError


def text_of(error: BaseException) -> str:
    """Return what the broker or the driver said, in one line."""
    words = " ".join(str(argument) for argument in error.args if argument not in (None, 0)) or type(error).__name__
    return " ".join(words.split())[:300]


def connect_error(error: BaseException, where: object) -> PlatformError:
    """Return what a failed attempt to connect means for a person."""
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigError(f"the certificate of RabbitMQ at {where} is not trusted: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return ConfigError(f"no TLS with RabbitMQ at {where}: {cause.reason or 'the handshake failed'}")
    if isinstance(error, (driver.AuthenticationError, driver.ProbableAuthenticationError)):
        return ConfigError(f"RabbitMQ at {where} refuses this user or password")
    if isinstance(error, driver.InvalidFrameError) and "OpenOk" in text_of(error):
        # The driver drops the reason that the broker gave with its refusal.
        return ConfigError(f"RabbitMQ at {where} refuses the virtual host: it is not there, not ours, or full")
    if isinstance(error, (driver.IncompatibleProtocolError, driver.ProtocolSyntaxError)):
        return ConfigError(f"what listens at {where} does not speak AMQP 0-9-1")
    return Unavailable(f"RabbitMQ at {where} cannot be reached: {text_of(error)}")
