"""Prepares the broker and the database of infra/compose.yaml for services of least privilege, before these start.

    python -m infra.compose.prepare

The replica set, its administrator, one user per service, indexes, topology, the first token. Done again it changes only
what the secrets or a new version changed; compose does so at every `up`. Everybody's settings hold here too.
"""

import asyncio
import sys
from pathlib import Path

from pymongo.errors import PyMongoError

from contracts.http.tokens import SCOPES
from infra.compose.places import ADMINISTRATOR, DATABASE, MOUNTED, STORE
from infra.local import mongodb
from infra.local.errors import ServerFailedError
from infra.mongodb.users import create_users
from infra.passwords import PasswordFolder
from services.kit.auth import hash_secret, key_id_of, pepper_of
from services.kit.bus.rabbit.install import declare_topology
from services.kit.clock import SystemClock
from services.kit.errors import ConfigError, PlatformError
from services.kit.logging import configure, redact
from services.kit.settings import Settings, load
from services.kit.store.mongo.store import MongoStore
from services.kit.store.port import Store
from services.kit.store.records import TokenRecord

_TOKEN_NAME = "first"  # noqa: S105 - a name for people


async def prepare(settings: Settings, secrets: Path) -> None:
    """Prepare what `settings` and the files in `secrets` name; the administrator of MongoDB makes indexes and token.

    Raises:
        PlatformError, ServerFailedError, PyMongoError: it cannot be done now.
    """
    passwords = PasswordFolder(secrets / "mongodb")
    password = passwords.password(ADMINISTRATOR)
    key = (secrets / "mongodb-key").read_text().strip()
    mongodb.found_set(address=STORE, key=key, member=STORE, password=password)
    administrator = mongodb.url_of(address=STORE, password=password, database=DATABASE)
    create_users(administrator, passwords)
    async with MongoStore(administrator) as store:  # opening it makes the indexes
        await add_first_token(store, settings, (secrets / "token").read_text().strip())
    await declare_topology(settings.bus_url, settings.lanes, queue_limit_bytes=settings.queue_limit_bytes)


async def add_first_token(store: Store, settings: Settings, token: str) -> None:
    """Let the first token in, once: one that was revoked stays so.

    Raises:
        ConfigError: it was let in under another pepper, and would be refused now.
    """
    secret_hash = hash_secret(token, pepper_of(settings))
    known = await store.tokens.find(key_id_of(token))
    if known is not None:
        if known.secret_hash != secret_hash and known.removed_at is None:
            raise ConfigError(
                "the first token was made with another token-pepper: bring that one back, or remove `token` from the "
                "folder of secrets as well and run `python -m infra.compose.secret_files`"
            )
        return
    now = SystemClock().now()
    record = TokenRecord(
        tenant=settings.operator_tenant,
        id=key_id_of(token),
        name=_TOKEN_NAME,
        secret_hash=secret_hash,
        scopes=SCOPES,
        created_at=now,
        updated_at=now,
    )
    await store.tokens.insert(record)


def main() -> None:
    """Prepare; end with one line when it cannot be done."""
    try:
        settings = load()
        configure(settings.log_level, settings.log_format)
        asyncio.run(prepare(settings, MOUNTED))
    except (PlatformError, ServerFailedError, PyMongoError, OSError, ValueError) as error:
        sys.exit(f"prepare: {redact(str(error))}")
    print("prepared: users, indexes, queues and the first token")


if __name__ == "__main__":
    main()
