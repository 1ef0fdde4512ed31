"""The peer's only task: an image in, scores out. Runs in the peer's own environment, which has nothing of ours.

    celery --app benchmarks.peer.tasks worker

It decodes at the same reduced scale as the platform, makes the same tensor and runs the same file. The settings are
those that Celery's documentation names for quorum queues and for tasks that must not be lost. `PEER_SETTINGS` says the
rest as JSON; it holds passwords, which arguments would show to everybody.
"""

import json
import os
from functools import cache
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2
import numpy as np
import onnxruntime
from celery import Celery
from celery.signals import worker_ready
from numpy.typing import NDArray

_GIVEN = json.loads(os.environ["PEER_SETTINGS"])
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

app = Celery("peer", broker=_GIVEN["broker"], backend=_GIVEN["results"])
app.conf.update(
    # Quorum queues with confirms; the worker sees the type of its queue and takes prefetch by consumer.
    task_default_queue=_GIVEN["queue"],
    task_default_queue_type="quorum",
    broker_transport_options={"confirm_publish": True},
    broker_native_delayed_delivery_queue_type="quorum",
    broker_connection_retry_on_startup=True,
    # Acknowledged when done; what a lost worker had comes again.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=_GIVEN["prefetch_multiplier"],
    # The image's bytes as they are, which JSON could not.
    accept_content=["msgpack"],
    task_serializer="msgpack",
    result_accept_content=["json"],
    result_serializer="json",
    # Nothing that costs and is not needed.
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    task_track_started=False,
)


@cache
def _session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _GIVEN["threads"]
    options.inter_op_num_threads = 1
    cv2.setNumThreads(1)
    return onnxruntime.InferenceSession(_GIVEN["model"], options, providers=["CPUExecutionProvider"])


@cache
def _tables() -> list[NDArray[np.float32]]:
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    pairs = zip(_GIVEN["mean"], _GIVEN["std"], strict=True)
    return [np.asarray((levels - np.float32(mean)) / np.float32(std), np.float32) for mean, std in pairs]


def _answer(image: bytes) -> dict[str, Any]:
    """Return the label of the highest score, its confidence and all scores."""
    picture = cv2.imdecode(np.frombuffer(image, np.uint8), _REDUCED[_GIVEN["scale"]])
    if picture is None:
        raise ValueError("the image cannot be read")
    resized = cv2.resize(picture, (_GIVEN["width"], _GIVEN["height"]), interpolation=cv2.INTER_AREA)
    pixels = np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)
    batch = np.empty((1, 3, _GIVEN["height"], _GIVEN["width"]), np.float32)
    for channel, (table, row) in enumerate(zip(_tables(), batch[0], strict=True)):
        np.take(table, pixels[:, :, channel], out=row, mode="clip")
    (logits,) = _session().run(None, {"image": batch})[0]
    raised = np.exp(logits - logits.max())
    scores = (raised / raised.sum()).tolist()
    best = max(range(len(scores)), key=scores.__getitem__)
    named = dict(zip(_GIVEN["labels"], scores, strict=True))
    return {"label": _GIVEN["labels"][best], "confidence": scores[best], "scores": named}


answer = app.task(name="answer")(_answer)


def _say_ready(**_given: Any) -> None:
    os.write(1, b"ready\n")


worker_ready.connect(_say_ready, weak=False)
