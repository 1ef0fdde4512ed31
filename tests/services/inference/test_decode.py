from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from contracts.http.models import ManifestInput
from services.inference.decode import decode, fit, reduction
from services.kit.errors import Refused
from services.kit.images import ImageFacts
from tests.support import images

MOST = 1_000_000


def by_pillow(picture: Image.Image, kind: str, *, orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    buffer = BytesIO()
    picture.save(buffer, kind, exif=exif)
    return buffer.getvalue()


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    """20 high, 40 wide, blue green red."""
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :20], picture[:, 20:] = left, right
    return picture


@pytest.mark.parametrize("data", [images.make_jpeg(3), images.make_png(3), images.make_webp(3, lossless=True)])
def test_every_taken_format_comes_out_as_it_went_in(data: bytes) -> None:
    picture = decode(data, max_pixels=MOST).pixels
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - images.make_pixels(3)).mean() < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_the_exif_orientation_is_applied_in_every_format(kind: str, orientation: int, corner: tuple[int, int]) -> None:
    array = np.zeros((32, 64, 3), np.uint8)
    array[:16, :16] = 255  # white in the upper left corner, as stored
    picture = decode(by_pillow(Image.fromarray(array), kind, orientation=orientation), max_pixels=MOST).pixels
    assert picture.shape == ((64, 32, 3) if orientation in (6, 8) else (32, 64, 3))
    assert picture[corner].mean() > 200
    assert picture.mean() < 100


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("L", (8, 6), 100),
        Image.new("LA", (8, 6), (100, 7)),
        Image.new("RGBA", (8, 6), (100, 100, 100, 7)),
        Image.new("RGB", (8, 6), (100, 100, 100)).quantize(4),
        Image.fromarray(np.full((6, 8), 100 * 257, np.uint16)),
    ],
    ids=["gray", "gray with alpha", "alpha", "palette", "16 bits"],
)
def test_gray_alpha_palettes_and_16_bits_become_three_channels_of_8_bits(picture: Image.Image) -> None:
    decoded = decode(by_pillow(picture, "PNG"), max_pixels=MOST).pixels
    assert decoded.shape == (6, 8, 3)
    assert decoded.dtype == np.uint8
    assert (decoded == 100).all()


def test_16_bit_colour_with_alpha_becomes_8_bit_colour() -> None:
    array = np.full((6, 8, 4), (10 * 257, 20 * 257, 30 * 257, 65535), np.uint16)
    data = bytes(cv2.imencode(".png", array)[1].tobytes())
    assert decode(data, max_pixels=MOST).pixels[0, 0].tolist() == [10, 20, 30]


def test_cmyk_is_decoded() -> None:
    decoded = decode(by_pillow(Image.new("RGB", (8, 6), (255, 0, 0)).convert("CMYK"), "JPEG"), max_pixels=MOST).pixels
    assert decoded[3, 3, 2] > 240
    assert decoded[3, 3, 0] < 15


def test_bytes_after_the_end_are_left_alone() -> None:
    assert decode(images.make_jpeg(size_bytes=20_000), max_pixels=MOST).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image_empty"),
        (images.TEXT, "image_format"),
        (images.SVG, "image_format"),
        (images.PDF, "image_format"),
        (images.HDR_BOMB, "image_format"),
        (images.make_gif(), "image_format"),
        (images.make_tiff(), "image_format"),
        (images.png_claiming(30_000, 30_000), "image_too_large"),
        (images.jpeg_claiming(30_000, 30_000), "image_too_large"),
        (images.png_claiming(0, 10), "image_corrupt"),
        (images.png_claiming(900, 900), "image_corrupt"),
        (images.truncated(images.make_jpeg()), "image_truncated"),
        (images.truncated(images.make_png()), "image_truncated"),
        (images.truncated(images.make_webp()), "image_truncated"),
        (images.corrupt_middle(images.make_png()), "image_corrupt"),
        (images.corrupt_middle(images.make_webp(width=640, height=480)), "image_corrupt"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_its_code(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        decode(data, max_pixels=MOST)
    assert refused.value.code == code


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize(("side", "shape"), [(48, (60, 80, 3)), (100, (120, 160, 3)), (224, (240, 320, 3))])
def test_a_jpeg_decoded_at_reduced_scale_gives_the_model_nearly_the_same(
    side: int, shape: tuple[int, int, int], resize: str
) -> None:
    data = images.make_jpeg(7, width=640, height=480)
    wanted = ManifestInput.model_validate({"width": side, "height": side, "resize": resize})
    reduced = decode(data, max_pixels=MOST, wanted=wanted)
    assert reduced.pixels.shape == shape
    assert (reduced.width, reduced.height) == (640, 480)
    full = decode(data, max_pixels=MOST)
    difference = np.abs(fit(full.pixels, wanted).astype(int) - fit(reduced.pixels, wanted))
    assert difference.mean() < 1


@pytest.mark.parametrize(("orientation", "size"), [(1, (640, 480)), (3, (640, 480)), (6, (480, 640)), (8, (480, 640))])
def test_the_size_is_the_whole_turned_picture_s_at_any_scale(orientation: int, size: tuple[int, int]) -> None:
    data = by_pillow(Image.new("RGB", (640, 480), (9, 9, 9)), "JPEG", orientation=orientation)
    for side in (8, 100, 224, 600):
        picture = decode(data, max_pixels=MOST, wanted=ManifestInput(width=side, height=side))
        assert (picture.width, picture.height) == size
        assert min(picture.pixels.shape[:2]) >= min(side, 480)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (ImageFacts("image/jpeg", 640, 480), 2),
        (ImageFacts("image/jpeg", 1920, 1080), 4),
        (ImageFacts("image/jpeg", 8000, 6000), 8),
        (ImageFacts("image/jpeg", 448, 448), 2),
        (ImageFacts("image/jpeg", 450, 449), 1),  # at a half both sides are 225: was it turned?
        (ImageFacts("image/jpeg", 446, 446), 1),  # a half is too small
        (ImageFacts("image/jpeg", 60_000, 300), 1),
        (ImageFacts("image/png", 8000, 6000), 1),
        (ImageFacts("image/webp", 8000, 6000), 1),
    ],
)
def test_the_scale_is_the_smallest_that_is_not_below_the_model_s_size(facts: ImageFacts, expected: int) -> None:
    assert reduction(facts, ManifestInput(width=224, height=200)) == expected


BLUE, RED = (255, 0, 0), (0, 0, 255)


def test_stretch_ignores_the_aspect() -> None:
    fitted = fit(halves(BLUE, RED), ManifestInput(width=10, height=10, color="bgr"))
    assert fitted.shape == (10, 10, 3)
    assert fitted[5, 1].tolist() == list(BLUE)
    assert fitted[5, 8].tolist() == list(RED)


def test_letterbox_keeps_the_aspect_and_pads_with_0_on_both_sides() -> None:
    fitted = fit(halves(BLUE, RED), ManifestInput(width=40, height=40, color="bgr", resize="letterbox"))
    assert fitted.shape == (40, 40, 3)
    assert not fitted[:10].any()
    assert not fitted[30:].any()
    assert (fitted[10:30] == halves(BLUE, RED)).all()


def test_crop_keeps_the_aspect_and_takes_the_middle() -> None:
    picture = halves(BLUE, RED)
    picture[:, 10:30] = (0, 255, 0)
    fitted = fit(picture, ManifestInput(width=20, height=20, color="bgr", resize="crop"))
    assert (fitted == (0, 255, 0)).all()


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("shape", [(1, 60_000, 3), (60_000, 1, 3), (1, 1, 3)])
def test_the_thinnest_picture_fits_any_model(resize: str, shape: tuple[int, int, int]) -> None:
    wanted = ManifestInput.model_validate({"width": 224, "height": 100, "resize": resize})
    assert fit(np.full(shape, 9, np.uint8), wanted).shape == (100, 224, 3)


def test_shrinking_averages_areas() -> None:
    checkers = np.zeros((40, 40, 3), np.uint8)
    checkers[::2, ::2] = checkers[1::2, 1::2] = 200
    fitted = fit(checkers, ManifestInput(width=10, height=10))
    assert (fitted == 100).all()


@pytest.mark.parametrize(("color", "pixel"), [("bgr", [10, 20, 200]), ("rgb", [200, 20, 10])])
def test_colour_comes_in_the_order_of_the_manifest(color: str, pixel: list[int]) -> None:
    picture = np.full((4, 4, 3), (10, 20, 200), np.uint8)
    wanted = ManifestInput.model_validate({"width": 4, "height": 4, "color": color})
    assert fit(picture, wanted)[0, 0].tolist() == pixel


def test_gray_has_one_channel() -> None:
    fitted = fit(np.full((4, 4, 3), (0, 0, 255), np.uint8), ManifestInput(width=2, height=2, color="gray"))
    assert fitted.shape == (2, 2, 1)
    assert 70 <= fitted[0, 0, 0] <= 80  # red's share of what we see
