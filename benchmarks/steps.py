"""Processor microseconds of single steps of a query's way, each alone in one thread: where the time goes.

`python -m benchmarks.steps`. What a step costs in its service is more: other threads, the caches of two processors and
the drivers come on top.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

import cv2
import numpy as np

from benchmarks import models
from contracts.base import Payload
from contracts.events import Event
from contracts.ids import DETECTOR, IMAGE_QUERY, new_id
from contracts.v1.image_query import Image, ImageAnswer, ImageQueryAnswered, ImageQuerySubmitted, Score
from services.inference.decode import decode, fit
from services.inference.engine import LoadedModel
from services.inference.onnx_engine import OnnxEngine
from services.inference.preprocess import Batch, empty_batch, write_row
from services.kit.bus.codec import decode as decode_message
from services.kit.bus.codec import encode, event_of
from services.kit.images import inspect
from services.kit.store.documents import QueryDocument
from services.result_store.facts import facts_of
from services.result_store.fold import fold

_ANSWERS = 16
_MAX_PIXELS = 50_000_000
_RETENTION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; microseconds of processor time per query."""

    service: str
    what: str
    cpu_us: float


def measure(data: bytes, *, seconds: float) -> list[Step]:
    """Measure every step for about `seconds`, with one image of the benchmark."""
    return [Step(service, what, _cpu_us(work, seconds, per)) for service, what, work, per in _steps(data)]


def _steps(data: bytes) -> Iterator[tuple[str, str, Callable[[], object], int]]:
    """Yield service, step, the work and for how many queries it is."""
    asked, answered = _asked(data), _answered()
    question, answers = encode(asked), encode(answered)
    yield "device", "hash the image and make the message", lambda: encode(_asked(data)), 1
    yield "any", "read a question's message", partial(decode_message, question), 1
    yield "submitter", "walk the JPEG's structure", partial(inspect, data, max_pixels=_MAX_PIXELS), 1
    for name in models.MODELS:
        yield from _inference_steps(name, data)
    yield "inference", f"make a message of {_ANSWERS} answers", lambda: encode(answered), _ANSWERS
    yield "result_store", f"read a message of {_ANSWERS} answers", partial(decode_message, answers), _ANSWERS
    submitted, answer = facts_of(asked)[0], facts_of(answered)[0]
    document = fold(None, submitted, retention=_RETENTION)
    assert document is not None
    yield "result_store", "fold the question", partial(fold, None, submitted, retention=_RETENTION), 1
    yield "result_store", "fold the answer", partial(fold, document, answer, retention=_RETENTION), 1
    yield "result_store", "document to JSON", document.model_dump_json, 1
    text = document.model_dump_json()
    yield "any", "document from JSON", partial(QueryDocument.model_validate_json, text), 1


def _inference_steps(name: str, data: bytes) -> Iterator[tuple[str, str, Callable[[], object], int]]:
    loaded = models.load(name)
    wanted = loaded.manifest.input
    array = np.frombuffer(data, np.uint8)
    picture = decode(data, max_pixels=_MAX_PIXELS, wanted=wanted).pixels
    row = empty_batch(1, wanted)[0]
    pixels = fit(picture, wanted)
    service = f"inference, {name}"
    yield service, "decode at full scale (not done)", partial(cv2.imdecode, array, cv2.IMREAD_COLOR), 1
    yield service, "check and decode", partial(decode, data, max_pixels=_MAX_PIXELS, wanted=wanted), 1
    yield service, "resize", partial(fit, picture, wanted), 1
    yield service, "normalise into the batch", partial(write_row, row, pixels, wanted), 1
    model = OnnxEngine(threads=1).load(loaded.data, loaded.manifest)
    for size in (1, 4):
        batch = empty_batch(size, wanted)
        batch[:] = row
        yield service, f"run the model, batch {size}", partial(_run, model, batch), size


def _run(model: LoadedModel, batch: Batch) -> object:
    return model.run(batch)


def _asked(data: bytes) -> Event[Payload]:
    now = datetime.now(UTC)
    question = ImageQuerySubmitted(
        query_id=new_id(IMAGE_QUERY, now),
        detector_id=new_id(DETECTOR, now),
        image=Image(sha256=sha256(data).hexdigest(), size_bytes=len(data), media_type="image/jpeg", data=data),
        submitted_at=now,
    )
    event: Event[Payload] = event_of(question, source="benchmark", tenant="default", at=now, subject=question.query_id)
    return event


def _answered() -> Event[Payload]:
    now = datetime.now(UTC)
    scores = tuple(Score(label=label, score=0.25) for label in models.load(models.SMALL).labels)
    answers = tuple(
        ImageAnswer(
            query_id=new_id(IMAGE_QUERY, now),
            answer_id=f"ans_{number:027}",
            label=scores[0].label,
            confidence=0.25,
            scores=scores,
            model_name="small",
            model_digest=sha256(b"").hexdigest(),
            answered_at=now,
            submitted_at=now,
        )
        for number in range(_ANSWERS)
    )
    event: Event[Payload] = event_of(ImageQueryAnswered(answers=answers), source="benchmark", tenant="default", at=now)
    return event


def _cpu_us(work: Callable[[], object], seconds: float, per: int) -> float:
    work()
    images_done, began = 0, time.process_time()
    while (used := time.process_time() - began) < seconds or not images_done:
        work()
        images_done += per
    return round(used / images_done * 1e6, 1)


if __name__ == "__main__":
    from benchmarks.command import run_part

    run_part("steps")
