"""The verdict on an uploaded model, recorded."""

from contracts.v1.control import ModelChecked
from services.kit.errors import Conflict, Unavailable
from services.kit.store.port import Store
from services.kit.store.records import ModelRecord

_ROUNDS = 10


async def record_verdict(store: Store, tenant: str, checked: ModelChecked) -> ModelRecord | None:
    """Write the verdict into the model's record; return it, or None when it had one already. Idempotent."""
    for _ in range(_ROUNDS):
        record = await store.models.get(tenant, checked.model_id)
        if record is None or record.digest != checked.digest or record.status != "checking":
            return None
        judged = record.model_copy(
            update={
                "status": "ready" if checked.accepted else "rejected",
                "reason": checked.reason,
                "detail": checked.detail,
                "revision": record.revision + 1,
                "updated_at": checked.checked_at,
            }
        )
        try:
            await store.models.replace(judged)
        except Conflict:
            continue  # a change of name or description came between
        if not checked.accepted:
            await _forget_file(store, judged)
        return judged
    raise Unavailable(f"model {checked.model_id} changes too often to record its verdict")


async def _forget_file(store: Store, rejected: ModelRecord) -> None:
    """Remove the file of a rejected model unless another model of the tenant is the same file."""
    cursor = None
    while True:
        page = await store.models.page(rejected.tenant, cursor, 200)
        if any(m.digest == rejected.digest and m.status != "rejected" for m in page.items):
            return
        if page.next is None:
            break
        cursor = page.next
    await store.model_files.delete(rejected.tenant, rejected.digest)
