"""The structural check of images: what is taken, what is refused and why, and that nothing else ever comes out."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.kit.errors import Refused
from services.kit.images import ImageFacts, check_declared, inspect
from tests.support.images import (
    HDR_BOMB,
    PDF,
    SVG,
    TEXT,
    corrupt_middle,
    jpeg_claiming,
    make_bmp,
    make_gif,
    make_jpeg,
    make_pixels,
    make_png,
    make_tiff,
    make_webp,
    png_claiming,
    truncated,
)

MAX_PIXELS = 50_000_000
GOOD = {
    "jpeg": (make_jpeg(), "image/jpeg"),
    "progressive jpeg": (make_jpeg(progressive=True), "image/jpeg"),
    "png": (make_png(), "image/png"),
    "webp": (make_webp(), "image/webp"),
    "lossless webp": (make_webp(lossless=True), "image/webp"),
}


def refusal(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Refused:
    """The refusal of `data`."""
    with pytest.raises(Refused) as caught:
        inspect(data, max_pixels=max_pixels)
    return caught.value


@pytest.mark.parametrize("name", GOOD)
def test_a_whole_image_is_taken_with_its_type_and_size(name: str) -> None:
    data, media_type = GOOD[name]
    assert inspect(data, max_pixels=MAX_PIXELS) == ImageFacts(media_type, 64, 48)


@pytest.mark.parametrize("name", GOOD)
def test_bytes_after_the_end_are_accepted(name: str) -> None:
    data, media_type = GOOD[name]
    assert inspect(data + b"PK\x03\x04 and a ZIP archive", max_pixels=MAX_PIXELS).media_type == media_type


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_grey_and_print_colours_are_taken(mode: str) -> None:
    buffer = BytesIO()
    Image.fromarray(make_pixels()).convert(mode).save(buffer, "JPEG")
    assert inspect(buffer.getvalue(), max_pixels=MAX_PIXELS) == ImageFacts("image/jpeg", 64, 48)


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "RGBA"])
def test_every_kind_of_png_is_taken(mode: str) -> None:
    buffer = BytesIO()
    (Image.new("I;16", (64, 48)) if mode == "I;16" else Image.fromarray(make_pixels()).convert(mode)).save(
        buffer, "PNG"
    )
    assert inspect(buffer.getvalue(), max_pixels=MAX_PIXELS) == ImageFacts("image/png", 64, 48)


@pytest.mark.parametrize("name", ["WEBP", "PNG"])
def test_an_animation_is_taken(name: str) -> None:
    frames = [Image.fromarray(make_pixels(seed)) for seed in range(3)]
    buffer = BytesIO()
    frames[0].save(buffer, name, save_all=True, append_images=frames[1:])
    assert inspect(buffer.getvalue(), max_pixels=MAX_PIXELS).width == 64


def test_a_jpeg_with_a_thumbnail_ends_at_its_own_end() -> None:
    exif = Image.Exif()
    exif[0x010E] = "\xff\xd9".join(["a comment"] * 3)
    buffer = BytesIO()
    Image.fromarray(make_pixels()).save(buffer, "JPEG", exif=exif, comment=b"\xff\xd9\xff\xda\xff\xc0" + make_jpeg())
    data = buffer.getvalue()
    assert inspect(data, max_pixels=MAX_PIXELS) == ImageFacts("image/jpeg", 64, 48)
    assert refusal(data[:-2]).code == "image_truncated"


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "image_empty", "no bytes"),
        (TEXT, "image_format", "text"),
        (SVG, "image_format", "SVG"),
        (PDF, "image_format", "PDF"),
        (make_gif(), "image_format", "GIF"),
        (make_tiff(), "image_format", "TIFF"),
        (make_bmp(), "image_format", "BMP"),
        (HDR_BOMB, "image_format", "Radiance"),
        (b"\x00\x01\x02\x03" * 10, "image_format", "no known"),
        (png_claiming(30_000, 30_000), "image_too_large", "30000 x 30000 is 900000000 pixels, at most 50000000"),
        (jpeg_claiming(65_535, 65_535), "image_too_large", "65535 x 65535"),
        (png_claiming(0, 0), "image_corrupt", "0 x 0"),
        (png_claiming(0, 5), "image_corrupt", "0 x 5"),
        (jpeg_claiming(0, 0), "image_corrupt", "0 x 0"),
        (jpeg_claiming(64, 0), "image_corrupt", "64 x 0"),
        (corrupt_middle(make_png()), "image_corrupt", "checksum"),
        (b"\xff\xd8\xff\xd9", "image_corrupt", "before its first scan"),
        (b"\xff\xd8\x00\x00", "image_corrupt", "no marker"),
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 100_000, "image_corrupt", "segments"),
        (make_jpeg()[:-2] + make_jpeg()[2:], "image_corrupt", "two frames"),
    ],
)
def test_a_bad_image_is_refused_and_says_why(data: bytes, code: str, word: str) -> None:
    error = refusal(data)
    assert error.code == code
    assert word in error.detail


@pytest.mark.parametrize("name", GOOD)
def test_an_image_cut_anywhere_is_refused(name: str) -> None:
    data, _ = GOOD[name]
    for keep in range(1, len(data)):
        assert refusal(data[:keep]).code in {"image_truncated", "image_format"}
    assert refusal(truncated(data)).code == "image_truncated"


@pytest.mark.parametrize("name", GOOD)
def test_the_limit_of_pixels_is_exact(name: str) -> None:
    data, _ = GOOD[name]
    assert inspect(data, max_pixels=64 * 48).height == 48
    assert refusal(data, max_pixels=64 * 48 - 1).code == "image_too_large"


def test_a_large_canvas_within_the_limit_neither_warns_nor_is_decoded() -> None:
    assert inspect(png_claiming(20_000, 20_000), max_pixels=10**9).width == 20_000


@pytest.mark.parametrize(
    "declared", [None, "", "application/octet-stream", "image/*", "image/jpeg", "IMAGE/JPEG; q=1", "image/jpg"]
)
def test_saying_nothing_or_the_truth_about_the_type_is_fine(declared: str | None) -> None:
    check_declared(declared, ImageFacts("image/jpeg", 1, 1))


@pytest.mark.parametrize("declared", ["image/png", "image/gif", "text/plain"])
def test_another_type_than_the_bytes_are_is_refused(declared: str) -> None:
    with pytest.raises(Refused) as caught:
        check_declared(declared, ImageFacts("image/jpeg", 1, 1))
    assert caught.value.code == "image_type_mismatch"
    assert "image/jpeg" in caught.value.detail


def outcome(data: bytes) -> ImageFacts | str:
    """What inspect says; anything but facts or a refusal escapes and fails the test."""
    try:
        return inspect(data, max_pixels=10**12)
    except Refused as error:
        return error.code


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF"]),
    st.binary(max_size=200),
)
def test_random_bytes_never_raise_anything_else(head: bytes, tail: bytes) -> None:
    outcome(head + tail)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 5000),
)
def test_mutated_images_never_raise_anything_else(name: str, edits: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(GOOD[name][0])
    for place, value in edits:
        data[place % len(data)] = value
    outcome(bytes(data[: len(data) - cut % 50]))
