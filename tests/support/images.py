"""Images of every kind that a door meets: good ones of a given seed and size, and bad ones of every sort."""

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"></svg>\n'
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
TEXT = b"This is not a picture at all, whatever its name says.\n"
HDR_BOMB = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n"
"""53 bytes that make a careless decoder ask for 10.8 GB."""


def make_pixels(seed: int = 0, *, width: int = 64, height: int = 48) -> np.ndarray:
    """Smooth random colours (height, width, 3), the same for the same seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def make_jpeg(
    seed: int = 0, *, width: int = 64, height: int = 48, progressive: bool = False, size_bytes: int = 0
) -> bytes:
    """A JPEG; bytes after its end fill it up to `size_bytes`."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return _encode(".jpg", make_pixels(seed, width=width, height=height), options).ljust(size_bytes, b"\0")


def make_png(seed: int = 0, *, width: int = 64, height: int = 48) -> bytes:
    """A PNG with eight bits of red, green and blue."""
    return _encode(".png", make_pixels(seed, width=width, height=height), [])


def make_webp(seed: int = 0, *, width: int = 64, height: int = 48, lossless: bool = False) -> bytes:
    """A WebP."""
    quality = 101 if lossless else 80
    return _encode(".webp", make_pixels(seed, width=width, height=height), [cv2.IMWRITE_WEBP_QUALITY, quality])


def make_gif() -> bytes:
    """A GIF."""
    return _by_pillow("GIF")


def make_tiff() -> bytes:
    """A TIFF."""
    return _by_pillow("TIFF")


def make_bmp() -> bytes:
    """A BMP."""
    return _by_pillow("BMP")


def png_claiming(width: int, height: int) -> bytes:
    """A small, well-formed PNG whose header claims any size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(bytes(1000)))
        + _chunk(b"IEND", b"")
    )


def jpeg_claiming(width: int, height: int) -> bytes:
    """A JPEG whose frame header claims any size up to 65,535 each way."""
    data = make_jpeg()
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def truncated(data: bytes, *, keep: float = 0.6) -> bytes:
    """The first part of `data`."""
    return data[: int(len(data) * keep)]


def corrupt_middle(data: bytes, *, seed: int = 1) -> bytes:
    """`data` with its middle fifth replaced by noise."""
    start, length = len(data) * 2 // 5, len(data) // 5
    noise = np.random.default_rng(seed).integers(0, 256, length, dtype=np.uint8).tobytes()
    return data[:start] + noise + data[start + length :]


def damaged_jpeg(seed: int = 0) -> bytes:
    """A JPEG that is whole in structure and damaged in its pixels: only a decoder can tell."""
    data = bytearray(make_jpeg(seed, width=640, height=480))
    start = data.index(b"\xff\xda") + 14
    for at in range(start + (len(data) - start) // 3, start + (len(data) - start) // 2):
        if data[at] != 0xFF and data[at - 1] != 0xFF:
            data[at] = (data[at] * 31 + 7) % 255
    return bytes(data)


def _encode(suffix: str, pixels: np.ndarray, options: list[int]) -> bytes:
    done, buffer = cv2.imencode(suffix, pixels, options)
    assert done
    return bytes(buffer.tobytes())


def _by_pillow(name: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(make_pixels()).save(buffer, name)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
