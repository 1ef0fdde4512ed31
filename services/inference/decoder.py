"""A decoding child process, the memory that it shares with us, and what becomes of images that bring it down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from contracts.http.models import ManifestInput
from services.inference.child_process import Child
from services.inference.decode_messages import Question, Reply, Verdict
from services.inference.preprocess import pixel_bytes
from services.inference.shared_pixels import SharedPixels
from services.kit.errors import PlatformError, Refused, Unavailable

log = structlog.get_logger(__name__)

_TRIES = 2
_TOGETHER_BYTES = 16 * 1024 * 1024
"""Images that a child is given at once: what they weigh lies in the memory that it has for the pixels of one."""
_OURS = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000002000000020802000000fdd49a730000000e4944415478da6368000306"
    "0805002a0e060108f60ca10000000049454e44ae426082"
)
"""A PNG of 2 x 2 pixels."""


class DecoderBroken(PlatformError):  # noqa: N818 - reads as what happened
    """Decoding fails whatever the image is: no image is to blame."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Pixels in the size and colour of a model, uint8 (height, width, channels); gone when the decoder is asked again.

    `width` and `height` are those of the picture, its orientation applied, before it was resized.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    decode_s: float
    resize_s: float


Decode = Callable[[Sequence[bytes], ManifestInput], Sequence[Decoded | Refused]]
"""Returns the pixels of each image, or what is wrong with it. Blocks; raises Unavailable when no child can start."""


class _Running(NamedTuple):
    """A child, and the memory in which its pixels lie."""

    child: Child
    shared: SharedPixels

    def close(self) -> None:
        self.child.close()
        self.shared.close()


class Decoder:
    """Decodes in a child of its own, which is started when it is needed. For one thread at a time.

    `problem` says why the last child could not be started, and `worked_s` how many seconds of a processor the children
    have worked.
    """

    def __init__(self, *, max_pixels: int, limit_s: float) -> None:
        self._max_pixels = max_pixels
        self._limit_s = limit_s
        self._running: _Running | None = None
        self.problem = ""
        self.worked_s = 0.0

    @property
    def pid(self) -> int | None:
        """The number of the child's process, None while there is none."""
        running = self._running  # which the thread that decodes may take away
        return None if running is None else running.child.pid

    def decode(self, images: Sequence[bytes], wanted: ManifestInput) -> Sequence[Decoded | Refused]:
        """Return the pixels of each image as `wanted`, or why it cannot be used. Blocks.

        A code is one of `services.inference.decode.decode`.

        Raises:
            DecoderBroken: no image can be used.
            Unavailable: no child can be started.
        """
        results = self._together(images, wanted)
        if any(isinstance(result, Refused) and result.code == "image_corrupt" for result in results):
            results = [_kept(result) for result in results]
            self._prove(wanted)
        return results

    def start(self) -> None:
        """Start the child, for which the first image waits otherwise. Blocks; raises Unavailable."""
        if self._running is None:
            self._running = self._started()

    def close(self) -> None:
        """End the child; the next image gets another."""
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def _prove(self, wanted: ManifestInput) -> None:
        """Tell a fault of an image from a fault of ours."""
        (ours,) = self._together([_OURS], wanted)
        if isinstance(ours, Refused):
            raise DecoderBroken(f"not even an image of ours can be decoded: {ours}")

    def _together(self, images: Sequence[bytes], wanted: ManifestInput) -> Sequence[Decoded | Refused]:
        """Ask once about all of them; when that fails, about each alone, so that only the culprit fails."""
        if len(images) > 1 and sum(map(len, images)) > _TOGETHER_BYTES:
            return [_kept(result) for image in images for result in self._together([image], wanted)]
        if len(images) > 1:
            try:
                return self._ask(images, wanted)
            except (EOFError, OSError):
                return [_kept(result) for image in images for result in self._together([image], wanted)]
        for _ in range(_TRIES):
            try:
                return self._ask(images, wanted)
            except TimeoutError:
                return [Refused("image_corrupt", f"decoding takes longer than {self._limit_s:g} s")]
            except (EOFError, OSError):
                pass  # it may have been killed from outside: the image gets a second chance
        log.error("inference.decoder_crashed", image_bytes=len(images[0]))
        return [Refused("image_corrupt", "the decoder crashes on it")]

    def _started(self) -> _Running:
        shared = SharedPixels()
        try:
            child = Child(
                "services.inference.decode_child",
                str(self._max_pixels),
                str(shared.descriptor),
                limit_s=self._limit_s,
                inherited=[shared.descriptor],
                OPENCV_IO_MAX_IMAGE_PIXELS=str(self._max_pixels),
            )
        except Unavailable as error:
            shared.close()
            self.problem = str(error)
            raise
        self.problem = ""
        return _Running(child, shared)

    def _ask(self, images: Sequence[bytes], wanted: ManifestInput) -> list[Decoded | Refused]:
        """Ask the child. After an error, of which TimeoutError is one, the next call gets another."""
        if self._running is None:
            self._running = self._started()
        child, shared = self._running
        size = pixel_bytes(wanted)
        shared.grow(len(images) * size)
        question = Question(wanted=wanted, sizes=tuple(len(image) for image in images))
        try:
            reply, _ = child.ask(question, *images, answer=Reply, limit_s=self._limit_s)
        except (EOFError, OSError):
            self.close()
            raise
        self.worked_s += reply.worked_s
        places = np.frombuffer(shared.view(len(images) * size), np.uint8)
        shaped = places.reshape(len(images), wanted.height, wanted.width, wanted.channels)
        return [_result(verdict, pixels) for verdict, pixels in zip(reply.verdicts, shaped, strict=True)]


def _result(verdict: Verdict, pixels: NDArray[np.uint8]) -> Decoded | Refused:
    if verdict.code is not None:
        return Refused(verdict.code, verdict.detail)
    return Decoded(pixels, verdict.width, verdict.height, verdict.decode_s, verdict.resize_s)


def _kept(result: Decoded | Refused) -> Decoded | Refused:
    """Return the result with pixels of its own, before the child is asked again."""
    return result if isinstance(result, Refused) else replace(result, pixels=result.pixels.copy())
