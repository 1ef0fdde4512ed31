"""Images from bytes to pixels of the size and colour that a model wants. The only file here that knows OpenCV.

One rule for every format: the picture is as a person would see it, 8 bits of blue, green and red; the EXIF
orientation is applied, 16 bits become 8, gray becomes three equal channels, and an alpha channel is left out.
"""

import os
from dataclasses import dataclass

# OpenCV reads it once, when it is imported; whoever starts a process for decoding sets it before.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "50000000")

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.http.models import ManifestInput
from services.kit.errors import Refused
from services.kit.images import ImageFacts, inspect

cv2.setNumThreads(1)  # images are decoded side by side already

Pixels = NDArray[np.uint8]
REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
"""How OpenCV is asked for a smaller picture, the smallest first."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as (height, width, 3), blue, green, red, perhaps smaller than it was.

    `width` and `height` are those of the whole picture, its orientation applied.
    """

    pixels: Pixels
    width: int
    height: int


def decode(data: bytes, *, max_pixels: int, wanted: ManifestInput | None = None) -> Picture:
    """Return the picture. When it is `wanted` much smaller, a JPEG may come at a half, a quarter or an eighth.

    A damaged JPEG may come back with grey or shifted parts: only the decoder's complaints tell, see `decode_child`.

    Raises:
        Refused: what `services.kit.images.inspect` refuses; image_corrupt when the pixels cannot be read;
            image_too_large when there is not the memory to do so.
    """
    facts = inspect(data, max_pixels=max_pixels)
    scale = 1 if wanted is None else reduction(facts, wanted)
    pixels = _pixels(data, facts.media_type, scale)
    stored = (facts.height, facts.width)
    height, width = stored if pixels.shape[:2] == _reduced(stored, scale) else stored[::-1]
    if pixels.shape[:2] != _reduced((height, width), scale):
        raise Refused("image_corrupt", f"the {facts.media_type} has another size than it says")
    return Picture(pixels, width, height)


def reduction(facts: ImageFacts, wanted: ManifestInput) -> int:
    """Return by how much the decoder may shrink the picture: 8, 4, 2 or 1.

    What it gives is never smaller than what the model takes. libjpeg averages squares of pixels as it decodes, which
    is what shrinking does anyway, at a fraction of the work.
    """
    stored, least = (facts.height, facts.width), max(wanted.width, wanted.height)
    if facts.media_type != "image/jpeg":
        return 1
    for scale in REDUCED:
        reduced = _reduced(stored, scale)
        # Where only rounding makes the sides equal, nobody could tell afterwards whether the picture was turned.
        if min(reduced) >= least and (reduced[0] != reduced[1] or stored[0] == stored[1]):
            return scale
    return 1


def _reduced(size: tuple[int, int], scale: int) -> tuple[int, int]:
    return -(-size[0] // scale), -(-size[1] // scale)


def _pixels(data: bytes, media_type: str, scale: int) -> Pixels:
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), REDUCED.get(scale, cv2.IMREAD_COLOR))
    except MemoryError:
        raise Refused("image_too_large", "there is not enough memory to decode it") from None
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise Refused("image_too_large", "there is not enough memory to decode it") from None
        raise Refused("image_corrupt", f"the decoder refuses the {media_type}") from None
    if picture is None or picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise Refused("image_corrupt", f"the pixels of the {media_type} cannot be read")
    return np.asarray(picture, np.uint8)


def fit(picture: Pixels, wanted: ManifestInput) -> Pixels:
    """Return `picture` as (height, width, channels) of the model's size and colour.

    `stretch` ignores the aspect. `letterbox` keeps it and fills the rest with 0, the picture in the middle. `crop`
    keeps it and takes the largest region in the middle. Shrinking averages areas, enlarging is bilinear.
    """
    if wanted.resize == "crop":
        picture = _middle(picture, wanted.width, wanted.height)
    if wanted.resize == "letterbox":
        resized = _letterbox(picture, wanted.width, wanted.height)
    else:
        resized = _resize(picture, wanted.width, wanted.height)
    if wanted.color == "bgr":
        return resized
    if wanted.color == "gray":
        return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY), np.uint8)[:, :, np.newaxis]
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)


def _resize(picture: Pixels, width: int, height: int) -> Pixels:
    shrinks = width <= picture.shape[1] and height <= picture.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _letterbox(picture: Pixels, width: int, height: int) -> Pixels:
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner_width = min(width, max(1, round(picture.shape[1] * scale)))
    inner_height = min(height, max(1, round(picture.shape[0] * scale)))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner_height, left : left + inner_width] = _resize(picture, inner_width, inner_height)
    return canvas


def _middle(picture: Pixels, width: int, height: int) -> Pixels:
    """Return the largest region of the aspect width : height; cut first, so that a thin picture never grows huge."""
    had_height, had_width = picture.shape[:2]
    keep_width = min(had_width, max(1, round(had_height * width / height)))
    keep_height = min(had_height, max(1, round(had_width * height / width)))
    left, top = (had_width - keep_width) // 2, (had_height - keep_height) // 2
    return picture[top : top + keep_height, left : left + keep_width]
