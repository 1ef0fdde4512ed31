"""Images of questions, stored while the questions wait for their answers: a reader waits for one command less."""

import asyncio
import contextlib
import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.bus.codec import decode
from services.kit.bus.port import Message
from services.kit.errors import PlatformError
from services.kit.store.port import Blobs
from services.kit.store.records import Blob
from services.result_store.fold import expiry_of

_MOST = 256
"""Put and not taken: a question whose connection was lost comes to somebody else."""


class Kept(NamedTuple):
    """What a question keeps in the store: these bytes of the tenant, until then."""

    tenant: str
    sha256: str
    expires_at: datetime | None


class Ahead:
    """Puts images before their questions are folded. Nobody depends on it: what is not there then is put then."""

    def __init__(self, images: Blobs, *, retention: timedelta) -> None:
        self._images = images
        self._retention = retention
        self._begun: dict[Kept, asyncio.Task[None]] = {}

    def begin(self, messages: Sequence[Message]) -> None:
        """Begin to put the images that lie in these questions; returns at once."""
        for message in messages:
            try:
                event = decode(message)
            except PlatformError:
                continue  # its consumer says so in its turn
            question = event.payload
            if not isinstance(question, ImageQuerySubmitted):
                continue
            kept = Kept(event.tenant, question.image.sha256, expiry_of(question, self._retention))
            blob = blob_of(question, kept)
            if blob is not None and kept not in self._begun:
                self._begun[kept] = task = asyncio.create_task(self._images.put(blob), name="image ahead")
                task.add_done_callback(_retrieve)
        for oldest in list(self._begun)[:-_MOST]:
            del self._begun[oldest]

    async def take(self, wanted: Collection[Kept]) -> frozenset[Kept]:
        """Return those of `wanted` that lie in the store now because of us; from here on they are the caller's."""
        begun = {kept: self._begun.pop(kept) for kept in wanted if kept in self._begun}
        there = set()
        for kept, task in begun.items():
            with contextlib.suppress(PlatformError):  # whoever puts it again hears of it
                await task
                there.add(kept)
        return frozenset(there)

    def uses(self, tenant: str, sha256: str) -> bool:
        """Say whether a question that nobody has taken yet has this image."""
        return any(kept.tenant == tenant and kept.sha256 == sha256 for kept in self._begun)


def blob_of(question: ImageQuerySubmitted, kept: Kept) -> Blob | None:
    """Return the image of a question, if it came with it and is what it says."""
    image = question.image
    if image.data is None or hashlib.sha256(image.data).hexdigest() != image.sha256:
        return None
    return Blob(
        tenant=kept.tenant,
        sha256=image.sha256,
        media_type=image.media_type,
        data=image.data,
        expires_at=kept.expires_at,
    )


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Take note of its error: nobody may come for it."""
    if not task.cancelled():
        task.exception()
