"""The driver's errors in our own terms. Server messages are never passed on: they quote values."""

from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from services.kit.errors import Conflict, PlatformError, Refused, Unavailable, Unknown

DUPLICATE_KEY = 11000
UNCONFIRMED = "MongoDB wrote it but did not confirm in time that it is durable"
TOO_LARGE = "MongoDB takes up to 16 MiB in one document"
UNAUTHORIZED = 13
_AUTHENTICATION_FAILED = frozenset({18, 8000})  # 8000 is Atlas
_TOO_LARGE = frozenset({10334, 17280, 17419, 17420})


class Forbidden(Unavailable):
    """The user of the store lacks a privilege. A change of its role mends it, so that it is worth trying again."""


def translate(error: PyMongoError, *, wrote: bool) -> PlatformError:
    """Return our own error for one of a read, or of a write (`wrote`) that may have taken effect all the same."""
    found: PlatformError
    match error:
        case ServerSelectionTimeoutError() | WaitQueueTimeoutError():
            found = Unavailable("MongoDB cannot be reached")  # it was never sent
        case WriteConcernError():
            found = Unknown(UNCONFIRMED)
        case DocumentTooLarge():
            found = Refused("body_too_large", TOO_LARGE)
        case DuplicateKeyError():
            found = Conflict("it exists already")
        case BulkWriteError():
            found = _translate_bulk(error)
        case OperationFailure() if not isinstance(error, ExecutionTimeout):
            found = translate_code(error.code)
        case InvalidOperation():
            found = Unavailable("the store is closed")
        case _:
            detail = f"no usable answer of MongoDB ({type(error).__name__})"
            found = Unknown(detail) if wrote else Unavailable(detail)
    return found


def translate_code(code: int | None) -> PlatformError:
    """Return our own error for a refusal of the server."""
    if code in _TOO_LARGE:
        return Refused("body_too_large", TOO_LARGE)
    if code == UNAUTHORIZED:
        return Forbidden("the user of the store lacks a privilege (services/kit/store/mongo/roles.py lists them)")
    if code in _AUTHENTICATION_FAILED:
        return Unavailable("MongoDB refuses the user or the password in the address of the store")
    return Unavailable(f"MongoDB refused it with code {code}")


def is_authentication(error: BaseException) -> bool:
    """Say whether the server refused who we are."""
    return isinstance(error, OperationFailure) and error.code in _AUTHENTICATION_FAILED


def _translate_bulk(error: BulkWriteError) -> PlatformError:
    details = error.details or {}
    for refused in details.get("writeErrors", ()):
        if refused.get("code") != DUPLICATE_KEY:
            return translate_code(refused.get("code"))
    return Unknown(UNCONFIRMED)
