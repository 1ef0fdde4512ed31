"""Finding a model by what a request calls it: its ID, or its name."""

from contracts.ids import MODEL, is_id
from services.kit.errors import Refused
from services.kit.store.port import Store
from services.kit.store.records import ModelRecord

LONGEST_NAME = 200
"""No name is longer, so nothing longer is looked for."""


async def find_model(store: Store, tenant: str, reference: str) -> ModelRecord:
    """Return the model of that ID or name.

    Raises:
        Refused: model_not_found, a deleted one included.
    """
    record = None
    if is_id(reference, MODEL):
        record = await store.models.get(tenant, reference)
    elif len(reference) <= LONGEST_NAME:
        record = await store.models.by_name(tenant, reference)
    if record is None or record.removed_at is not None:
        raise Refused("model_not_found")
    return record
