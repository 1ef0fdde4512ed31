"""API tokens: make, list, revoke. The secret is shown once and kept only as a keyed hash."""

from collections.abc import Mapping
from datetime import datetime

from contracts.http.tokens import Token, TokenCreate, TokenCreated
from services.gateway.resources import to_token
from services.gateway.revision import revise
from services.kit.auth import hash_secret, key_id_of, new_token
from services.kit.clock import Clock
from services.kit.errors import Refused
from services.kit.store.port import Cursor, Page, Store
from services.kit.store.records import TokenRecord


class Tokens:
    """The tokens of every tenant."""

    def __init__(self, store: Store, clock: Clock, pepper: bytes) -> None:
        self._records = store.tokens
        self._clock = clock
        self._pepper = pepper

    async def create(self, tenant: str, wanted: TokenCreate) -> TokenCreated:
        """Make a token of the tenant; the only time that it can be read."""
        now = self._clock.now()
        token = new_token()
        record = TokenRecord(
            tenant=tenant,
            id=key_id_of(token),
            name=wanted.name,
            secret_hash=hash_secret(token, self._pepper),
            scopes=tuple(dict.fromkeys(wanted.scopes)),
            created_at=now,
            updated_at=now,
        )
        await self._records.insert(record)
        return TokenCreated(**dict(to_token(record)), token=token)

    async def revoke(self, tenant: str, key_id: str) -> None:
        """Revoke; processes that know the token believe it for a few seconds more.

        Raises:
            Refused: token_not_found, a revoked one included.
        """
        record = await self._records.get(tenant, key_id)
        if record is None or record.removed_at is not None:
            raise Refused("token_not_found")

        async def change(_current: TokenRecord) -> Mapping[str, datetime]:
            return {"removed_at": self._clock.now()}

        await revise(self._records, record, change, self._clock)

    async def page(self, tenant: str, cursor: Cursor | None, limit: int) -> Page[Token]:
        """List newest first, without revoked ones."""
        page = await self._records.page(tenant, cursor, limit)
        return Page([to_token(record) for record in page.items], page.next)
