"""The question about one image, and the answers of models to such questions."""

import json
from typing import Annotated, Self

from pydantic import AfterValidator, Field, Strict, StringConstraints, model_validator

from contracts.base import (
    DetectorId,
    Label,
    Payload,
    Probability,
    QueryId,
    Seconds,
    Sha256,
    Timestamp,
)

MAX_IMAGE_BYTES = 8 * 1024 * 1024
"""The largest image that may travel inside a message; a device without the Store sends inline up to this."""

MAX_ANSWERS = 64


def _json(text: str) -> str:
    """Return `text` when it is JSON that can be echoed: a device that publishes by itself passes no other check."""
    try:
        json.dumps(json.loads(text, parse_constant=_refuse), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # a lone surrogate fails to encode, as a ValueError
        raise ValueError("must be JSON without NaN, Infinity and lone surrogates") from None
    return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


class Image(Payload):
    """An image by value (`data`) or by reference (`data` absent: it lies in `images` under the tenant and `sha256`)."""

    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=1, le=64 * 1024 * 1024)]
    media_type: Annotated[str, StringConstraints(pattern=r"^image/[a-z0-9.+-]{1,40}$")]
    data: Annotated[bytes, Field(max_length=MAX_IMAGE_BYTES)] | None = None


class ImageQuerySubmitted(Payload):
    """A detector's question was asked about an image. Whoever publishes it has minted `query_id`."""

    query_id: QueryId
    detector_id: DetectorId
    image: Image
    submitted_at: Timestamp
    confidence_threshold: Probability = 0.9
    """An answer at or above it is confident; resolved by the submitter from the query or its detector."""
    patience_s: Seconds | None = None
    """Stored and echoed; it never ends a query."""
    metadata_json: Annotated[str, StringConstraints(max_length=4096), AfterValidator(_json)] | None = None
    """The client's own JSON as text, so that it comes back exactly."""
    expires_at: Timestamp | None = None
    """Work that would begin later than this is shed; None means never."""
    retain_until: Timestamp | None = None
    """When record and image may be removed; None leaves it to the installation."""
    replay: Annotated[int, Field(ge=0)] = 0
    """0 for the first asking; an explicit replay counts up, and its answers outrank earlier ones."""


class Timings(Payload):
    """Seconds that one answer spent in each stage; `queue_s` from submission to the worker's hand."""

    queue_s: Seconds = 0.0
    decode_s: Seconds = 0.0
    preprocess_s: Seconds = 0.0
    inference_s: Seconds = 0.0
    """The run of the batch this image was in, not divided by `batch_size`."""
    batch_size: Annotated[int, Field(ge=1)] = 1


class Score(Payload):
    """The model's probability for one class."""

    label: Label
    score: Probability


class Box(Payload):
    """An object in an image; the sides are fractions of the width and height as decoded."""

    label: Label
    score: Probability = 1.0
    left: Probability
    top: Probability
    right: Probability
    bottom: Probability

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.left > self.right or self.top > self.bottom:
            raise ValueError("left and top must not lie behind right and bottom")
        return self


Boxes = Annotated[tuple[Box, ...], Strict(strict=False), Field(max_length=1000)]
Reading = Annotated[str, StringConstraints(max_length=250)]
"""Text in an image."""


class ImageAnswer(Payload):
    """One model's answer to one image query.

    `answer_id` is a function of query, model digest and replay, so that work done twice gives one answer.
    """

    query_id: QueryId
    answer_id: Annotated[str, StringConstraints(pattern=r"^[a-z]+_[0-9A-Za-z]{8,64}$")]
    label: Label
    """One of the detector's labels; of one that counts the number, or GREATER_THAN_MAX; of one that reads TEXT."""
    confidence: Probability
    scores: Annotated[tuple[Score, ...], Strict(strict=False), Field(max_length=1000)] = ()
    boxes: Boxes = ()
    """What was found, for detectors that count or box."""
    text: Reading | None = None
    """What was read, for detectors of text."""
    text_cut: bool = False
    """True when more was read than the detector keeps."""
    model_name: Label
    model_digest: Sha256
    answered_at: Timestamp
    submitted_at: Timestamp
    replay: Annotated[int, Field(ge=0)] = 0
    attempt: Annotated[int, Field(ge=1)] = 1
    expires_at: Timestamp | None = None
    """Copied from the question: an answer later than this is dropped."""
    image_width: Annotated[int, Field(ge=1)] | None = None
    image_height: Annotated[int, Field(ge=1)] | None = None
    """Size in pixels as decoded, after the EXIF orientation was applied."""
    timings: Timings = Timings()


class ImageQueryAnswered(Payload):
    """Models answered 1 to 64 image queries of one tenant."""

    answers: Annotated[tuple[ImageAnswer, ...], Strict(strict=False), Field(min_length=1, max_length=MAX_ANSWERS)]
