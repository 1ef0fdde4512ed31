"""Facts into documents, in batches: load, fold, swap; whoever loses a race loads and folds again.

A question is nearly always the first word of its query, so it is folded into nothing without a look: if there was
something, that is a lost race like any other.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from contracts.v1.image_query import ImageQuerySubmitted
from contracts.v1.label import LabelAdded
from contracts.v1.query import QueryErased
from contracts.v1.search import SearchSubmitted
from services.kit.errors import Unavailable
from services.kit.metrics import Metrics
from services.kit.store.documents import QueryDocument, QueryKey
from services.kit.store.port import Store, Swap
from services.result_store.ahead import Ahead, Kept, Taken, blob_of
from services.result_store.facts import Fact
from services.result_store.fold import expiry_of, fold

log = structlog.get_logger(__name__)

_ROUNDS = 20
"""Lost races after which the batch is left to the retry: more means that something writes without end."""

_Image = tuple[str, str]
"""Tenant and SHA-256."""


@dataclass(frozen=True, slots=True)
class _Change:
    before: QueryDocument | None
    after: QueryDocument


class Writer:
    """Writes query documents and their images."""

    def __init__(self, store: Store, metrics: Metrics, *, retention: timedelta) -> None:
        self._store = store
        self._metrics = metrics
        self._retention = retention
        self.ahead = Ahead(store.images, retention=retention)

    async def write(self, facts: Sequence[Fact]) -> list[QueryDocument]:
        """Fold `facts` in their order; return each document that changed, as it is now.

        Idempotent: the same facts again change nothing. Images are stored before the document that refers to them
        and removed before the document that forgets them; those that others used then are looked at again after it.

        Raises:
            Unavailable: the store is away; any part may have been written.
        """
        kept = [self._kept(fact.key, fact.what) for fact in facts if isinstance(fact.what, ImageQuerySubmitted)]
        async with self.ahead.taking(kept) as taken:
            return await self._write(facts, taken)

    async def _write(self, facts: Sequence[Fact], taken: Taken) -> list[QueryDocument]:
        waiting: dict[QueryKey, list[Fact]] = {}
        for fact in facts:
            waiting.setdefault(fact.key, []).append(fact)
        written: list[QueryDocument] = []
        shared: dict[_Image, list[str]] = {}
        new = {fact.key for fact in facts if _is_new(fact)}
        for _ in range(_ROUNDS):
            if not waiting:
                await self._forget_beside(facts)
                # Whoever used them may have been erased meanwhile, by somebody who saw us use them.
                await self._remove_images(shared, taken)
                return written
            perhaps = [key for key in waiting if key not in new]
            stored = await self._store.queries.load(perhaps) if perhaps else {}
            new = set()
            changes = self._fold(waiting, stored)
            await self._keep_images(changes, waiting, taken)
            shared |= await self._forget_images(changes, waiting, stored, taken)
            conflicts = await self._swap(changes)
            written += [change.after for key, change in changes.items() if key not in conflicts]
            waiting = {key: waiting[key] for key in conflicts}
        raise Unavailable(f"{len(waiting)} documents changed under every attempt to write them")

    async def _forget_beside(self, facts: Sequence[Fact]) -> None:
        """Remove the claims and rows of what is erased. The document's remains stay in their place."""
        erased = {fact.key for fact in facts if isinstance(fact.what, QueryErased)}
        await asyncio.gather(*(self._store.claims.delete(key) for key in erased))
        await asyncio.gather(*(self._store.search_rows.delete(key) for key in erased))

    def _kept(self, key: QueryKey, question: ImageQuerySubmitted) -> Kept:
        return Kept(key.tenant, question.image.sha256, expiry_of(question, self._retention))

    def _fold(
        self, waiting: dict[QueryKey, list[Fact]], stored: dict[QueryKey, QueryDocument]
    ) -> dict[QueryKey, _Change]:
        changes: dict[QueryKey, _Change] = {}
        for key, facts in waiting.items():
            before = after = stored.get(key)
            for fact in facts:
                after = fold(after, fact, retention=self._retention)
            if after is not None and after is not before:
                changes[key] = _Change(before, after)
        return changes

    async def _swap(self, changes: dict[QueryKey, _Change]) -> frozenset[QueryKey]:
        if not changes:
            return frozenset()
        swaps = [Swap(change.after, change.before.revision if change.before else 0) for change in changes.values()]
        conflicts = await self._store.queries.swap(swaps)
        for key, change in changes.items():
            ended_before = change.before is not None and change.before.ended
            if key not in conflicts and change.after.ended and not ended_before:
                self._metrics.ended.labels(change.after.state).inc()
        return conflicts

    async def _keep_images(
        self, changes: dict[QueryKey, _Change], waiting: dict[QueryKey, list[Fact]], taken: Taken
    ) -> None:
        steps = []
        for key, change in changes.items():
            request = change.after.image_request
            if request is None:
                continue
            kept = Kept(key.tenant, request.image.sha256, change.after.expires_at)
            for fact in waiting[key]:
                if isinstance(fact.what, ImageQuerySubmitted) and fact.what.image.sha256 == kept.sha256:
                    if kept not in taken.there:
                        steps.append(self._keep_image(fact.what, kept))
                elif isinstance(fact.what, LabelAdded):
                    steps.append(self._store.images.keep_until(key.tenant, kept.sha256, None))
        await asyncio.gather(*steps)

    async def _forget_images(
        self,
        changes: dict[QueryKey, _Change],
        waiting: dict[QueryKey, list[Fact]],
        stored: dict[QueryKey, QueryDocument],
        taken: Taken,
    ) -> dict[_Image, list[str]]:
        """Remove the images of what is erased, and of questions that are not taken: they may lie there already.

        Such a question came after its erasure, or is another one under a taken ID. Returned is what others use, with
        the erased queries that used it too.
        """
        # The store does not know these uses yet.
        used = {
            (key.tenant, change.after.image_request.image.sha256)
            for key, change in changes.items()
            if change.after.image_request is not None
        }
        users: dict[_Image, list[str]] = {}
        for key, facts in waiting.items():
            before = stored.get(key)
            after = changes[key].after if key in changes else before
            if after is None:
                continue
            images = {fact.what.image.sha256 for fact in facts if isinstance(fact.what, ImageQuerySubmitted)}
            erased = [key.id] if after.erased_at is not None else []
            if erased and before is not None and before.image_request is not None:
                images.add(before.image_request.image.sha256)
            elif after.image_request is not None:
                images.discard(after.image_request.image.sha256)
            for sha256 in images:
                users.setdefault((key.tenant, sha256), []).extend(erased)
        return await self._remove_images({image: users[image] for image in users if image not in used}, taken)

    async def _remove_images(self, images: dict[_Image, list[str]], taken: Taken) -> dict[_Image, list[str]]:
        """Remove each with the erased queries that used it; return those that others use, or are about to."""
        return {
            image: erased for image, erased in images.items() if not await self._remove_image(*image, erased, taken)
        }

    async def _keep_image(self, question: ImageQuerySubmitted, kept: Kept) -> None:
        if question.image.data is None:
            await self._store.images.keep_until(kept.tenant, kept.sha256, kept.expires_at)
        elif (blob := blob_of(question, kept)) is not None:
            await self._store.images.put(blob)
        else:
            log.warning("result_store.image_hash_mismatch", query_id=question.query_id)  # inference fails the query

    async def _remove_image(self, tenant: str, sha256: str, erased: Sequence[str], ours: Taken) -> bool:
        """Remove the image of erased queries unless another uses it, perhaps one whose question is still under way.

        Say whether it is gone.

        The submitter claims a query before it puts its image. So the claim is seen here, or the put comes after we
        have looked at the image and moves its expiry: then it stays. What is sent inline is put while its question
        lingers or is folded; a device's is claimed by nobody, so it is asked here which those are. Another result
        store's are not known.
        """
        seen = await self._store.images.get(tenant, sha256)
        if seen is None:
            return True
        if self.ahead.uses(tenant, sha256, besides=ours):  # its document may be written before we look at those
            return False
        for users in (self._store.claims, self._store.queries):
            if await users.uses_image(tenant, sha256, besides=erased):
                return False
        if self.ahead.uses(tenant, sha256, besides=ours):
            return False
        await self._store.images.delete(tenant, sha256, seen=seen)
        return True


def _is_new(fact: Fact) -> bool:
    """Say whether it is likely the first word of its query. What comes without its image may be asked again."""
    what = fact.what
    return isinstance(what, SearchSubmitted) or (isinstance(what, ImageQuerySubmitted) and what.image.data is not None)
