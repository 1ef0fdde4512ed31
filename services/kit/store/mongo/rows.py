"""How documents lie in MongoDB.

A row has the model's own fields as the model's JSON has them: times are ISO text with microseconds, since a BSON date
has only milliseconds. Beside them stand:

    _id         "tenant/id". No ID contains a slash, so it is unambiguous, and it reads better in the shell than an
                embedded key, whose fields would have an order that matters.
    index       what the port's questions ask for; times are int64 microseconds, exact to sort by
    token       of a query: which swap wrote it
    expires_on  BSON date at which the server itself removes the row (TTL), absent or MaxKey when it is kept

Names of fields are ours; what comes from a client is only ever a value.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import encode
from bson.datetime_ms import DatetimeMS
from bson.max_key import MaxKey
from bson.raw_bson import RawBSONDocument
from pydantic import BaseModel
from pydantic_core import from_json

from services.kit.store.micros import to_micros
from services.kit.store.mongo.driver import Row
from services.kit.store.port import Cursor

KEPT_US = 2**63 - 1
"""`index.expires_us` of what never expires: the latest time there is."""
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999: the driver reads no later date."""


def key_of(tenant: str, name: str) -> str:
    """Return the `_id` of something of a tenant."""
    return f"{tenant}/{name}"


def by_key(tenant: str, name: str) -> Row:
    """Return the filter for something of a tenant."""
    return {"_id": {"$eq": key_of(tenant, name)}, "tenant": {"$eq": tenant}}


def expires_us(time: datetime | None) -> int:
    """Return the time in microseconds; None is the latest."""
    return KEPT_US if time is None else to_micros(time)


def expires_on(time: datetime | None) -> DatetimeMS | MaxKey:
    """Return the millisecond at which it has certainly expired; what is no date the server's deleter passes over."""
    return MaxKey() if time is None else DatetimeMS(min(-(-to_micros(time) // 1000), _LAST_MS))


def to_row(
    key: str, model: BaseModel, index: Mapping[str, Any], expires_at: datetime | None, **beside: int
) -> RawBSONDocument:
    """Return the row of a model, with fields of the adapter's own beside it.

    BSON's integers end at 64 bits and the contracts' do not: a model with a larger one lies there as JSON text.
    """
    row: Row = {"_id": key, **model.model_dump(mode="json"), "index": index, **beside}
    if expires_at is not None:
        row["expires_on"] = expires_on(expires_at)
    try:
        return RawBSONDocument(encode(row))
    except OverflowError:
        names = ("_id", "tenant", "id", "kind", "lane", "revision", "index", "expires_on", *beside)
        kept = {name: row[name] for name in names if name in row}
        return RawBSONDocument(encode(kept | {"json": model.model_dump_json()}))


def from_row(row: Row) -> Mapping[str, Any]:
    """Return the model's decoded JSON; the row's own fields may stand beside it."""
    if "json" not in row:
        return row
    decoded: Mapping[str, Any] = from_json(row["json"])
    return decoded


def before(cursor: Cursor | None, time_field: str) -> Row:
    """Return the filter of what lies behind the cursor in a list of newest first."""
    if cursor is None:
        return {}
    micros = to_micros(cursor.created_at)
    # The first bound limits the walk over the index, the rest decides among those of the same microsecond.
    return {
        time_field: {"$lte": micros},
        "$or": [{time_field: {"$lt": micros}}, {"id": {"$lt": cursor.id}}],
    }
