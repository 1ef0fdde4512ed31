"""What a server must be, looked at once at start."""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from services.kit.errors import ConfigError, Unavailable
from services.kit.store.mongo.connection import Connection
from services.kit.store.mongo.errors import UNAUTHORIZED, is_authentication, translate

_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's word; the driver hands on the text of the error alone."""
_LEAST = (6, 0)


async def verify_server(connection: Connection) -> str:
    """Return the server's version when it can keep the store's promises.

    Raises:
        ConfigError: wrong user or password, a certificate that is not trusted, a standalone server, a version too old.
        Unavailable: it cannot be reached, says nothing, or has no primary now.
    """
    where = connection.where
    try:
        hello = await connection.command({"hello": 1}, "admin")
        _verify_kind(hello, where)
        build = await connection.command({"buildInfo": 1}, "admin")
        await connection.attempt(lambda client: client.rows("checks").find_one({"_id": "check"}))
    except (TimeoutError, ServerSelectionTimeoutError):
        reason = connection.reason()
        if _CERTIFICATE in reason:
            raise ConfigError(f"the certificate of MongoDB is not trusted: {reason}") from None
        raise Unavailable(f"MongoDB cannot be reached: {reason}") from None
    except OperationFailure as error:
        if is_authentication(error):
            raise ConfigError(
                f"MongoDB at {where} refuses the user or the password in the address of the store"
            ) from None
        raise _refusal(error) from None
    except ConfigurationError:
        raise ConfigError("the address of the store names nothing that MongoDB's driver can look up") from None
    except PyMongoError as error:
        raise translate(error, wrote=False) from None
    return verify_version(build, where)


def _refusal(error: OperationFailure) -> ConfigError | Unavailable:
    if error.code == UNAUTHORIZED:
        return ConfigError("the user of the store may not read in its database (or the address names no user)")
    translated = translate(error, wrote=False)
    return translated if isinstance(translated, Unavailable) else Unavailable(str(translated))


def _verify_kind(hello: Mapping[str, Any], where: str) -> None:
    if hello.get("msg") == "isdbgrid":  # a router of shards, each of which is a replica set
        return
    if hello.get("isreplicaset"):
        raise ConfigError(
            f'MongoDB at {where} was started with --replSet but not initiated: run "rs.initiate()" in its shell'
        )
    if "setName" not in hello:
        raise ConfigError(
            f"standalone MongoDB at {where}, which cannot confirm that a write survives: start it with --replSet NAME "
            'and run "rs.initiate()" in its shell'
        )
    if not hello.get("isWritablePrimary"):
        raise Unavailable("this member of the MongoDB replica set is not its primary now")


def verify_version(build: Mapping[str, Any], where: str) -> str:
    """Return the version that `buildInfo` of the server at `where` names.

    Raises:
        ConfigError: it is too old.
    """
    version = str(build.get("version", "unknown"))
    if tuple(build.get("versionArray", ()))[:2] < _LEAST:
        raise ConfigError(f"MongoDB {version} at {where} is too old: at least {'.'.join(map(str, _LEAST))} is needed")
    return version
