"""Images of questions, stored while the questions wait for their answers: a reader waits for one command less.

Here is also known which images are about to be used, before any document says so: nobody may remove them.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from contracts.v1.image_query import ImageQuerySubmitted
from services.kit.bus.codec import decode
from services.kit.bus.port import Message
from services.kit.errors import PlatformError
from services.kit.store.port import Blobs
from services.kit.store.records import Blob
from services.result_store.fold import expiry_of

log = structlog.get_logger(__name__)

_MOST_BYTES = 2 * 1024 * 1024
"""Of messages whose images are put ahead at once: they are read here, once more than otherwise."""
_LONGEST_S = 10.0
"""A question that nobody has taken for so long went to another process when its connection was lost."""


class Kept(NamedTuple):
    """What a question keeps in the store: these bytes of the tenant, until then."""

    tenant: str
    sha256: str
    expires_at: datetime | None


@dataclass(slots=True, eq=False)
class Taken:
    """What a batch of questions keeps; `there` lies in the store already."""

    kept: frozenset[Kept]
    there: set[Kept] = field(default_factory=set)


class Ahead:
    """Puts images before their questions are folded. Nobody depends on it: what is not there then is put then."""

    def __init__(self, images: Blobs, *, retention: timedelta) -> None:
        self._images = images
        self._retention = retention
        self._begun: dict[Kept, tuple[float, asyncio.Task[None]]] = {}
        self._taken: set[Taken] = set()

    def begin(self, messages: Sequence[Message]) -> None:
        """Begin to put the images that lie in these questions; returns at once and raises nothing."""
        self._forget_old()
        size = 0
        for message in messages:
            size += len(message.body)
            if size > _MOST_BYTES:
                return
            try:
                self._begin(message)
            except PlatformError:
                pass  # its consumer says so in its turn
            except Exception:
                log.debug("result_store.not_ahead", exc_info=True)  # the same: here it would stop the consumer

    def _begin(self, message: Message) -> None:
        event = decode(message)
        question = event.payload
        if not isinstance(question, ImageQuerySubmitted):
            return
        kept = Kept(event.tenant, question.image.sha256, expiry_of(question, self._retention))
        blob = blob_of(question, kept)
        if blob is None or kept in self._begun:
            return
        task = asyncio.create_task(self._images.put(blob), name="image ahead")
        self._begun[kept] = asyncio.get_running_loop().time(), task
        task.add_done_callback(lambda task: self._end(kept, task))

    @asynccontextmanager
    async def taking(self, kept: Collection[Kept]) -> AsyncIterator[Taken]:
        """Take what questions keep into the caller's hands, until their documents are written."""
        taken = Taken(frozenset(kept))
        self._taken.add(taken)
        try:
            begun = {each: self._begun.pop(each)[1] for each in taken.kept if each in self._begun}
            for each, task in begun.items():
                with contextlib.suppress(PlatformError):  # whoever puts it again hears of it
                    await task
                    taken.there.add(each)
            yield taken
        finally:
            self._taken.discard(taken)

    def uses(self, tenant: str, sha256: str, *, besides: Taken) -> bool:
        """Say whether a question has this image that lingers or is being written, other than in the batch `besides`."""
        self._forget_old()
        others = [self._begun.keys(), *(taken.kept for taken in self._taken if taken is not besides)]
        return any(kept.tenant == tenant and kept.sha256 == sha256 for other in others for kept in other)

    def _end(self, kept: Kept, task: "asyncio.Task[None]") -> None:
        """Forget what could not be put: nobody may come for it, and its error holds the image."""
        if task.cancelled() or task.exception() is not None:
            begun = self._begun.get(kept)
            if begun is not None and begun[1] is task:
                del self._begun[kept]

    def _forget_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - _LONGEST_S
        for kept in [kept for kept, (began, _) in self._begun.items() if began < oldest]:
            del self._begun[kept]


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
