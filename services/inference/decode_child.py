"""A process that decodes images, one after the other, until its standard input ends.

libjpeg goes on after most kinds of damage and says so on the standard error stream alone; here that stream is a file
of our own, read after each image. That, the limit on memory, and that a crash costs one image are why this is a
process and not a thread.
"""

import os
import re
import sys
import tempfile
import time
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from contracts.http.models import ManifestInput
from services.inference.child import restrict
from services.inference.child_messages import READY, pack, read_question
from services.inference.decode_messages import Question, Reply, Verdict
from services.inference.preprocess import pixel_bytes
from services.inference.shared_pixels import SharedPixels
from services.kit.errors import Refused

if TYPE_CHECKING:
    from services.inference.decode import Picture

_BASE_BYTES = 512 * 1024 * 1024
_BYTES_PER_PIXEL = 16
"""Picture, rotated copy, and the coefficients of a progressive CMYK JPEG. Measured: 0.9 GB in all for 49 megapixels."""

_DAMAGE = re.compile(
    rb"(?i)premature end|bad huffman code|found marker 0x|inconsistent progression|invalid progressive"
)
_EXTRANEOUS = re.compile(rb"(\d+) extraneous bytes before marker")
_HARMLESS_BYTES = 16
"""Some cameras pad a scan with a few bytes; a decoder that has lost its place leaves many."""


class Complaints:
    """The standard error stream of this process as a file, so that what C libraries print is known."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the process
        os.dup2(self._file.fileno(), 2)

    def take(self) -> bytes:
        """Return what was printed since the last call, at most the first 4 KiB."""
        if not os.fstat(self._file.fileno()).st_size:
            return b""
        self._file.seek(0)
        text = self._file.read(4096)
        self._file.seek(0)  # the descriptor 2 shares this position
        self._file.truncate()
        return text


def damage_in(complaints: bytes) -> str | None:
    """Return what a decoder's complaint says of the image, None when it is harmless."""
    found = _DAMAGE.search(complaints)
    extraneous = _EXTRANEOUS.search(complaints)
    if found is None and (extraneous is None or int(extraneous[1]) <= _HARMLESS_BYTES):
        return None
    return complaints.decode("ascii", errors="replace").splitlines()[0][:200]


def serve(source: BinaryIO, sink: BinaryIO, complaints: Complaints, shared: SharedPixels, *, max_pixels: int) -> None:
    """Answer questions until there are no more."""
    worked_s = time.process_time()
    while (asked := read_question(source, Question)) is not None:
        question, body = asked
        wanted, rest = question.wanted, memoryview(body)
        places = shared.view(len(question.sizes) * pixel_bytes(wanted))
        verdicts = []
        for number, size in enumerate(question.sizes):
            place = places[number * pixel_bytes(wanted) :][: pixel_bytes(wanted)]
            verdicts.append(_answer(bytes(rest[:size]), wanted, place, complaints, max_pixels=max_pixels))
            rest = rest[size:]
        before_s, worked_s = worked_s, time.process_time()
        sink.write(pack(Reply(verdicts=tuple(verdicts), worked_s=worked_s - before_s), 0))
        sink.flush()


def _answer(
    data: bytes, wanted: ManifestInput, place: memoryview, complaints: Complaints, *, max_pixels: int
) -> Verdict:
    from services.inference.decode import fit

    try:
        began = time.perf_counter()
        picture = _decode_undamaged(data, wanted, complaints, max_pixels=max_pixels)
        decoded = time.perf_counter()
        fitted = fit(picture.pixels, wanted)
        np.frombuffer(place, np.uint8).reshape(fitted.shape)[...] = fitted
    except Refused as refused:
        return Verdict(code=refused.code, detail=refused.detail)
    except MemoryError:
        return Verdict(code="image_too_large", detail="there is not enough memory to decode it")
    return Verdict(
        width=picture.width,
        height=picture.height,
        decode_s=decoded - began,
        resize_s=time.perf_counter() - decoded,
    )


def _decode_undamaged(data: bytes, wanted: ManifestInput, complaints: Complaints, *, max_pixels: int) -> "Picture":
    from services.inference.decode import decode

    complaints.take()
    picture = decode(data, max_pixels=max_pixels, wanted=wanted)
    damage = damage_in(complaints.take())
    if damage is not None:
        raise Refused("image_corrupt", damage)
    return picture


def main() -> None:
    """Serve on standard input and output; given are the most pixels of an image and the memory for what comes out."""
    max_pixels, shared = int(sys.argv[1]), SharedPixels(int(sys.argv[2]))
    restrict(memory_bytes=_BASE_BYTES + _BYTES_PER_PIXEL * max_pixels)
    complaints = Complaints()
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # whatever a library prints must not get between our answers
        from services.inference import decode  # noqa: F401 - loading OpenCV now keeps the first image from waiting

        sink.write(READY)
        sink.flush()
        serve(sys.stdin.buffer, sink, complaints, shared, max_pixels=max_pixels)


if __name__ == "__main__":
    main()
