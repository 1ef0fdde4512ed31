"""Answers image queries: the handler of the queue IMAGE_QUERIES.

A batch is sorted by model, decoded side by side, run at once, and answered in few messages. One bad image costs only
itself: it is left out of the run, and when a run fails each image is run alone. A suspect, which may have killed a
worker, comes alone and is run in a child process. When the engine itself is broken no query fails for it: the handler
raises, and the consume loop keeps the queue.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from contracts.v1.image_query import MAX_ANSWERS, ImageAnswer, Timings
from services.inference import facts
from services.inference.engine import LoadedModel, ModelRejected, RunFailed, RunnableModel
from services.inference.isolation import WORKER_CRASHED, Isolation
from services.inference.library import ModelLibrary
from services.inference.modes import conclude
from services.inference.postprocess import READERS
from services.inference.preparing import Preparation, Prepared
from services.inference.preprocess import Batch, empty_batch, input_bytes
from services.inference.readings import Read, Reading, Unreadable
from services.inference.running import Runner
from services.inference.triage import Ask, Triage
from services.kit.bus.outcomes import Done, Outcome, Retry, Work
from services.kit.clock import Clock
from services.kit.errors import NotFound, PlatformError, Refused, Unavailable
from services.kit.metrics import Metrics

log = structlog.get_logger(__name__)

_MOST_BYTES = 128 * 1024 * 1024
"""Input of the parts of a batch that are worked on side by side."""
RUN_BYTES = 2_500_000
"""Input that one thread of a CPU takes at once, 4 images of 224 x 224 in float32: more makes the others wait."""

Result = ImageAnswer | Outcome


@dataclass(frozen=True, slots=True)
class _Ran:
    """What a run gave for one image, and the run that it was in."""

    read: Read
    inference_s: float
    batch_size: int


class Answering:
    """Answers batches of queries; may be called again before it has returned."""

    def __init__(
        self,
        *,
        triage: Triage,
        library: ModelLibrary,
        isolation: Isolation,
        preparation: Preparation,
        runner: Runner,
        clock: Clock,
        metrics: Metrics,
        batch_size: int,
        run_bytes: int = RUN_BYTES,
    ) -> None:
        self._triage = triage
        self._library = library
        self._isolation = isolation
        self._preparation = preparation
        self._runner = runner
        self._clock = clock
        self._metrics = metrics
        self._batch_size = batch_size
        self._run_bytes = run_bytes

    async def handle(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        """Return one outcome per query."""
        sorted_work = await asyncio.gather(*(self._triage.sort(work) for work in batch))
        results: list[Result | None] = [None if isinstance(item, Ask) else item for item in sorted_work]
        groups: dict[tuple[str, str, bool], list[tuple[int, Ask]]] = {}
        for index, item in enumerate(sorted_work):
            if isinstance(item, Ask):
                groups.setdefault((item.event.tenant, item.model.id, item.suspect), []).append((index, item))
        async with asyncio.TaskGroup() as tasks:
            for group in groups.values():
                tasks.create_task(self._answer_group(group, results))
        return self._outcomes(batch, results)

    async def _answer_group(self, group: Sequence[tuple[int, Ask]], results: list[Result | None]) -> None:
        """Answer the queries of one model into `results`, a run's worth at a time."""
        record = group[0][1].model
        try:
            if group[0][1].suspect:
                for index, ask in group:
                    results[index] = await self._answer_suspect(await self._isolation.get(record), ask)
                return
            model = await self._library.get(record)
        except (NotFound, ModelRejected, Unavailable) as error:
            log.error("inference.model_not_loaded", model_id=record.id, error=str(error))  # noqa: TRY400 - no trace
            if isinstance(error, ModelRejected):
                await self._library.check_engine()
            for index, ask in group:
                results[index] = self._without_model(ask, error)
            return
        size = self._run_size(len(group), model, input_bytes(record.manifest.input))
        parts = [group[at : at + size] for at in range(0, len(group), size)]
        room = asyncio.Semaphore(max(1, _MOST_BYTES // (size * input_bytes(record.manifest.input))))

        async def in_turn(part: Sequence[tuple[int, Ask]]) -> Sequence[Result]:
            async with room:
                return await self._answer_part(model, [ask for _, ask in part])

        # Side by side: while some parts run, the next are decoded.
        answered = await asyncio.gather(*(in_turn(part) for part in parts))
        for part, answers in zip(parts, answered, strict=True):
            for (index, _), answer in zip(part, answers, strict=True):
                results[index] = answer

    async def _answer_suspect(self, model: RunnableModel, ask: Ask) -> Result:
        try:
            (result,) = await self._answer_part(model, [ask])
        except Unavailable as error:
            # Not blameless: next time it may kill the worker again, and that must have an end.
            return Retry("isolation_unavailable", str(error), delay_s=error.after_s)
        return result

    def _run_size(self, count: int, model: LoadedModel, image_bytes: int) -> int:
        """Return how many of `count` images to run at once: an equal share for each thread, if the cache holds it."""
        share = -(-count // self._runner.at_once)
        return min(
            self._batch_size, max(1, model.signature.fixed_batch or 1, min(share, self._run_bytes // image_bytes))
        )

    async def _answer_part(self, model: RunnableModel, asks: Sequence[Ask]) -> Sequence[Result]:
        """Answer queries that fit into one run."""
        wanted = asks[0].model.manifest.input
        batch = empty_batch(len(asks), wanted)
        images = await self._preparation.prepare(asks[0].event.tenant, [ask.query.image for ask in asks], wanted, batch)
        good = [row for row, image in enumerate(images) if isinstance(image, Prepared)]
        ran: dict[int, _Ran | RunFailed] = {}
        if good:
            rows = batch if len(good) == len(asks) else batch[good]
            ran = dict(zip(good, await self._run(model, rows, asks[0]), strict=True))
        if any(isinstance(result, RunFailed) and result.code == "run_failed" for result in ran.values()):
            await self._library.check_engine()
        results: list[Result] = []
        for row, (ask, image) in enumerate(zip(asks, images, strict=True)):
            if isinstance(image, Prepared):
                results.append(self._result(ask, image, ran[row]))
            else:
                results.append(self._without_image(ask, image))
        return results

    async def _run(self, model: RunnableModel, batch: Batch, ask: Ask) -> Sequence[_Ran | RunFailed]:
        """Run all at once; when that fails, each alone, so that only the culprit fails."""
        try:
            return await self._run_once(model, batch, ask)
        except RunFailed as error:
            if len(batch) == 1:
                return [error]
            log.warning("inference.batch_failed", model_id=ask.model.id, images=len(batch), error=str(error))
        alone: list[_Ran | RunFailed] = []
        for row in range(len(batch)):
            try:
                alone += await self._run_once(model, batch[row : row + 1], ask)
            except RunFailed as error:
                alone.append(error)
                if error.code == "too_slow":  # the others wait for the same thread
                    return alone + [error] * (len(batch) - len(alone))
        return alone

    async def _run_once(self, model: RunnableModel, batch: Batch, ask: Ask) -> Sequence[_Ran]:
        manifest = ask.model.manifest
        read_all = READERS[manifest.task]
        runner = self._isolation.runner if ask.suspect else self._runner
        readings, seconds = await runner.run(
            model, np.ascontiguousarray(batch), lambda outputs: read_all(outputs, manifest)
        )
        return [_Ran(reading, seconds, len(batch)) for reading in readings]

    def _result(self, ask: Ask, image: Prepared, ran: _Ran | RunFailed) -> Result:
        if isinstance(ran, RunFailed):
            reason = WORKER_CRASHED if ran.code == WORKER_CRASHED else "model_failed"
            return self._fail(ask, reason, str(ran))
        reading = conclude(ran.read, ask.detector, ask.model.manifest.input, (image.width, image.height))
        if isinstance(reading, Unreadable):
            return self._fail(ask, reading.reason, reading.detail)
        return self._answer(ask, image, reading, ran)

    def _answer(self, ask: Ask, image: Prepared, reading: Reading, ran: _Ran) -> ImageAnswer:
        query = ask.query
        return ImageAnswer(
            query_id=query.query_id,
            answer_id=facts.answer_id(query.query_id, ask.model.digest, query.replay),
            label=reading.label,
            confidence=reading.confidence,
            scores=reading.scores,
            boxes=reading.boxes,
            text=reading.text,
            text_cut=reading.text_cut,
            model_name=ask.model.name,
            model_digest=ask.model.digest,
            answered_at=self._clock.now(),
            submitted_at=query.submitted_at,
            replay=query.replay,
            attempt=ask.attempt,
            expires_at=query.expires_at,
            image_width=image.width,
            image_height=image.height,
            timings=Timings(
                queue_s=ask.queue_s,
                decode_s=image.decode_s,
                preprocess_s=image.preprocess_s,
                inference_s=ran.inference_s,
                batch_size=ran.batch_size,
            ),
        )

    def _without_model(self, ask: Ask, error: NotFound | ModelRejected | Unavailable) -> Outcome:
        if isinstance(error, Unavailable):
            return Retry("store_unavailable", str(error), delay_s=error.after_s, blameless=True)
        if isinstance(error, ModelRejected):
            return self._fail(ask, "model_failed", str(error))
        return self._fail(ask, "model_missing", str(error)) if ask.last_attempt else Retry("model_missing", str(error))

    def _without_image(self, ask: Ask, error: PlatformError) -> Outcome:
        if isinstance(error, Refused):
            return self._fail(ask, error.code, error.detail)
        if isinstance(error, Unavailable):
            return Retry("image_unavailable", str(error), delay_s=error.after_s, blameless=True)
        if isinstance(error, NotFound):
            last = ask.last_attempt
            return self._fail(ask, "image_missing", str(error)) if last else Retry("image_missing", str(error))
        raise error

    def _fail(self, ask: Ask, reason: str, detail: str) -> Outcome:
        log.warning("inference.failed", query_id=ask.query.query_id, reason=reason)
        return Done([facts.failed(ask.event, reason, detail, attempts=ask.attempt, at=self._clock.now())], proves=False)

    def _outcomes(self, batch: Sequence[Work], results: Sequence[Result | None]) -> Sequence[Outcome]:
        """Gather the answers of a tenant and lane into one message, laid into the outcome of its first query."""
        outcomes: list[Outcome] = [
            result if not isinstance(result, ImageAnswer | None) else Done() for result in results
        ]
        gathered: dict[tuple[str, str], list[tuple[int, ImageAnswer]]] = {}
        for index, (work, result) in enumerate(zip(batch, results, strict=True)):
            if isinstance(result, ImageAnswer):
                gathered.setdefault((work.event.tenant, work.event.lane), []).append((index, result))
        for (tenant, lane), items in gathered.items():
            for at in range(0, len(items), MAX_ANSWERS):
                part = items[at : at + MAX_ANSWERS]
                event = facts.answered([answer for _, answer in part], tenant=tenant, lane=lane)
                outcomes[part[0][0]] = Done([event])
                self._metrics.answered.inc(len(part))
        return outcomes
