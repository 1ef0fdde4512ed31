"""Distinct JPEGs of about 28 kB, 640 x 480, that look like a noisy camera's to a decoder: nothing of them is flat.

They lie in one file of the cache, each with its length in front. `stamped` gives them other bytes and so another
SHA-256 without other pixels, so that every repetition of a measurement submits images that no store has seen.
"""

import struct
from pathlib import Path

import cv2
import numpy as np

from benchmarks.folders import cache

WIDTH, HEIGHT = 640, 480
_QUALITY = 76
_FINE_QUALITY = 92
_LENGTH = struct.Struct(">I")
_NOISE = 20.0
_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


def make(count: int) -> Path:
    """Return the file of `count` images, made when it is not in the cache: 2 ms each."""
    path = cache() / f"images-{count}.pack"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("wb") as sink:
            random = np.random.default_rng(28)
            noise = random.normal(0.0, _NOISE, (HEIGHT * 2, WIDTH * 2, 3))
            noise = cv2.GaussianBlur(noise, (0, 0), 1.5).astype(np.int16)
            for _ in range(count):
                data = _draw(random, noise)
                sink.write(_LENGTH.pack(len(data)) + data)
        part.replace(path)
    return path


def make_sized(size_bytes: int, count: int) -> Path:
    """Return a file of `count` images of about `size_bytes` each, larger ones with more pixels; from the cache."""
    path = cache() / f"images-of-{size_bytes}-{count}.pack"
    if not path.exists():
        random = np.random.default_rng(size_bytes)
        trial = _encoded(_soft(random, WIDTH, HEIGHT) + _noise(random, WIDTH, HEIGHT), _FINE_QUALITY)
        scale = (size_bytes / len(trial)) ** 0.5
        width, height = round(WIDTH * scale), round(HEIGHT * scale)
        noise = _noise(random, width, height)
        part = path.with_suffix(".part")
        with part.open("wb") as sink:
            for _ in range(count):
                data = _encoded(_soft(random, width, height) + noise, _FINE_QUALITY)
                sink.write(_LENGTH.pack(len(data)) + data)
        part.replace(path)
    return path


def load(path: Path) -> list[bytes]:
    """Return the images of a file of `make`."""
    data, at, images = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        images.append(data[at : at + size])
        at += size
    return images


def stamped(image: bytes, stamp: str) -> bytes:
    """Return the same picture with a comment in front (JPEG's COM segment)."""
    text = stamp.encode("ascii")
    return _START + _COMMENT + (len(text) + 2).to_bytes(2, "big") + text + image[len(_START) :]


def _draw(random: np.random.Generator, noise: np.ndarray) -> bytes:
    """Return a picture of soft patches of colour under a piece of `noise`."""
    top, left = random.integers(0, HEIGHT), random.integers(0, WIDTH)
    return _encoded(_soft(random, WIDTH, HEIGHT) + noise[top : top + HEIGHT, left : left + WIDTH], _QUALITY)


def _soft(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    patches = random.integers(20, 235, (9, 12, 3)).astype(np.uint8)
    return cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)


def _noise(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    noise = random.standard_normal((height, width, 3), dtype=np.float32) * np.float32(_NOISE)
    return cv2.GaussianBlur(noise, (0, 0), 1.5).astype(np.int16)


def _encoded(picture: np.ndarray, quality: int) -> bytes:
    _, encoded = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()
