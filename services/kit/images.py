"""Structural checks of images: what they are, how large, and whether they are whole. Nothing is decoded here.

JPEG and PNG are walked by hand, from segment to segment: that gives the size, finds the true end, and costs
microseconds. The container of a WebP is confirmed by libwebp (through Pillow), after its size was checked by hand.
What the pixels say is found out by whoever decodes them: a JPEG can be whole in structure and still not decode.
"""

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL.Image import DecompressionBombError
from PIL.WebPImagePlugin import WebPImageFile

from services.kit.errors import Refused

TAKEN = "send JPEG, PNG or WebP"

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_OTHER_FORMATS = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"#?R", "a Radiance HDR picture"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"BM", "a BMP"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a ZIP archive"),
)
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!DOCTYPE|!--)", re.IGNORECASE)
_SAME_TYPE = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_SAYS_NOTHING = frozenset({"", "image/*", "*/*", "application/octet-stream"})

_MOST_PARTS = 20_000
"""Segments or chunks of one image; real ones have tens, and walking millions of empty ones would cost seconds."""

# JPEG (ITU T.81, annex B). Inside a scan 0xFF is followed by 0x00 (a stuffed byte), by a restart marker, by another
# 0xFF (fill), or it is the next marker.
_FILL = re.compile(rb"\xff*")
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOS, _EOI, _TEM = 0xDA, 0xD9, 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})

_PNG_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Allowed bit depths by colour type."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the structure of an image says. Width and height are as stored, before any EXIF orientation."""

    media_type: str
    width: int
    height: int


def inspect(data: bytes, *, max_pixels: int) -> ImageFacts:
    """Return what `data` is, after checking that it is a whole JPEG, PNG or WebP of at most `max_pixels`.

    Bytes after the end of the image are accepted. Of an animation nothing but its size is looked at.

    Raises:
        Refused: image_empty, image_format, image_truncated, image_corrupt, image_too_large. Nothing else.
    """
    if not data:
        raise Refused("image_empty", f"there are no bytes; {TAKEN}")
    if data.startswith(b"\xff\xd8"):
        facts = ImageFacts("image/jpeg", *_walk_jpeg(data))
    elif data.startswith(_PNG_MAGIC):
        facts = ImageFacts("image/png", *_walk_png(data, max_pixels))
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        facts = ImageFacts("image/webp", *_open_webp(data, max_pixels))
    else:
        raise Refused("image_format", f"{_describe(data)}; {TAKEN}")
    _check_size(facts.width, facts.height, max_pixels)
    return facts


def check_declared(media_type: str | None, facts: ImageFacts) -> None:
    """Compare what a client declared with what the bytes are. Saying nothing in particular is fine.

    Raises:
        Refused: image_type_mismatch.
    """
    declared = (media_type or "").partition(";")[0].strip().lower()
    if declared in _SAYS_NOTHING or _SAME_TYPE.get(declared, declared) == facts.media_type:
        return
    raise Refused("image_type_mismatch", f"the bytes are {facts.media_type}; declare that, or application/octet-stream")


def _describe(data: bytes) -> str:
    for magic, name in _OTHER_FORMATS:
        if data.startswith(magic):
            return f"this is {name}"
    if _XML.match(data):
        return "this is SVG or other XML"
    head = data[:256]
    if all(byte >= 0x20 or byte in b"\t\r\n" for byte in head) and b"\x7f" not in head:
        return "this is text"
    return "the bytes are of no known image format"


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width == 0 or height == 0:
        raise Refused("image_corrupt", f"the image says that it is {width} x {height} pixels")
    if width * height > max_pixels:
        raise Refused(
            "image_too_large", f"{width} x {height} is {width * height} pixels, at most {max_pixels} are taken"
        )


def _walk_jpeg(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG that has one frame, a scan, and an end after its last scan."""
    size: tuple[int, int] | None = None
    scanned = False
    for marker, at in _jpeg_segments(data):
        if marker in _FRAMES:
            if size is not None:  # a second, larger frame must not slip past the limit
                raise Refused("image_corrupt", "the JPEG has two frames")
            size = (_two(data, at + 5), _two(data, at + 3))
        elif marker == _SOS:
            if size is None:
                raise Refused("image_corrupt", "the JPEG has a scan before its frame")
            scanned = True
    if size is None or not scanned:
        raise Refused("image_corrupt", "the JPEG ends before its first scan")
    return size


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each segment's marker and the place of its length, up to the end marker."""
    at = 2
    for _ in range(_MOST_PARTS):
        marker, at = _marker(data, at)
        if marker == _EOI:
            return
        if marker == _TEM:
            continue
        length = _two(data, at)
        if length < 2 or (marker not in _TABLES and marker != _SOS and marker not in _FRAMES):
            raise Refused("image_corrupt", f"the JPEG has no valid segment at byte {at - 2}")
        yield marker, at
        at += length
        if marker == _SOS:
            end = _END_OF_SCAN.search(data, at)
            if end is None:
                raise Refused("image_truncated", "the JPEG has no end marker after its last scan")
            at = end.start()
    raise Refused("image_corrupt", f"the JPEG has more than {_MOST_PARTS} segments")


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at `at` and the place after it; any number of fill bytes may stand before it."""
    fill = _FILL.match(data, at)
    after = fill.end() if fill else at
    if after >= len(data):
        raise Refused("image_truncated", "the JPEG ends where its next segment should begin")
    if after == at:
        raise Refused("image_corrupt", f"the JPEG has no marker at byte {at}")
    return data[after], after + 1


def _two(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise Refused("image_truncated", "the JPEG ends inside a segment")
    return int.from_bytes(data[at : at + 2], "big")


def _walk_png(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return width and height of a PNG whose chunks are whole, from IHDR to IEND."""
    width, height = _png_header(data)
    _check_size(width, height, max_pixels)  # before the work of the checksums
    at, pixels_seen = len(_PNG_MAGIC), False
    view = memoryview(data)
    for _ in range(_MOST_PARTS):
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if len(kind) < 4 or end > len(data):
            raise Refused("image_truncated", "the PNG ends before its IEND chunk")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise Refused("image_corrupt", f"the checksum of the PNG's chunk at byte {at} is wrong")
        pixels_seen |= kind == b"IDAT"
        if kind == b"IEND":
            if not pixels_seen:
                raise Refused("image_corrupt", "the PNG has no IDAT chunk")
            return width, height
        at = end
    raise Refused("image_corrupt", f"the PNG has more than {_MOST_PARTS} chunks")


def _png_header(data: bytes) -> tuple[int, int]:
    if len(data) < 33:
        raise Refused("image_truncated", "the PNG ends inside its header")
    if data[8:16] != b"\0\0\0\rIHDR":
        raise Refused("image_corrupt", "the PNG does not begin with an IHDR chunk")
    if data[24] not in _PNG_DEPTHS.get(data[25], ()) or data[26] or data[27] or data[28] > 1:
        raise Refused("image_corrupt", "the PNG's header names no valid combination of depth and colour")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _open_webp(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return width and height of a WebP whose container libwebp accepts."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) or len(data) < 30:
        raise Refused("image_truncated", f"the WebP says that it has {end} bytes, {len(data)} are there")
    _check_size(*_webp_size(data), max_pixels)  # first: opening reserves memory for the whole canvas
    try:
        # Not by Image.open, which warns of images within our limit.
        with WebPImageFile(io.BytesIO(data[:end])) as image:
            return image.size
    except DecompressionBombError:  # the library's own limit; reached only where ours was set above it
        raise Refused("image_too_large", "the WebP has more pixels than the library takes") from None
    except (OSError, ValueError, SyntaxError, MemoryError):
        raise Refused("image_corrupt", "the WebP's container is not valid") from None


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return the size in the first chunk of a WebP (RFC 9649): extended, lossless or lossy."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise Refused("image_corrupt", "the WebP does not begin with a picture")
