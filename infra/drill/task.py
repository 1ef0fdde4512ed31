"""A task whose answers are known: ten levels of grey, and a small model that tells them apart.

Two sorts of image are planted to fail: one that cannot be decoded, and one that ends the process in which the model
sees it. `levels.onnx` is made by `make_model.py`; using it takes no `onnx`.
"""

import io
import platform
import random
import struct
import zlib
from pathlib import Path

from PIL import Image

from contracts.http.models import Manifest, ManifestInput, ManifestOutput

LABELS = tuple(f"level {number}" for number in range(10))
SIDE = 8
MODEL = Path(__file__).with_name("levels.onnx")
_SMALL, _LARGE = (64, 48), (640, 480)
LARGE_EVERY = 10
"""One question in so many has an image of more than 64 KiB: it goes through the store, not in the message."""
_LARGE_AT = 3
_NOISE = 17
CORRUPT, LETHAL = "image_corrupt", "worker_crashed"
"""What is planted, by the reason with which it must fail."""
LETHAL_HERE = platform.machine().lower() in {"x86_64", "amd64"}
"""Other processors divide the smallest integer by -1 without complaint."""
_QUALITY = 92


def manifest() -> Manifest:
    """Return the manifest of the model."""
    return Manifest(
        input=ManifestInput(width=SIDE, height=SIDE, color="gray"),
        output=ManifestOutput(labels=LABELS, activation="softmax"),
    )


def model() -> bytes:
    """Return the model: its logits fall with the squared distance of the mean from each level."""
    return MODEL.read_bytes()


def label_of(number: int) -> str:
    """Return the right answer to the image `number`."""
    return LABELS[number % len(LABELS)]


def image(number: int) -> tuple[bytes, str]:
    """Return the JPEG `number` and its right label; no two numbers give the same bytes."""
    base = int(255 * (number % len(LABELS) + 0.5) / len(LABELS)) - _NOISE // 2
    width, height = _LARGE if number % LARGE_EVERY == _LARGE_AT else _SMALL
    table = bytes(base + byte % _NOISE for byte in range(256))
    grey = random.Random(number).randbytes(width * height).translate(table)
    encoded = io.BytesIO()
    Image.frombytes("L", (width, height), grey).save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue(), label_of(number)


def question(number: int, planted: str = "") -> bytes:
    """Return the image of a question, or what is `planted` in its place; all are distinct by number."""
    return {CORRUPT: corrupt, LETHAL: lethal}[planted](number) if planted else image(number)[0]


def corrupt(number: int) -> bytes:
    """Return a PNG that is whole in its structure and whose pixels nobody can decode."""
    header = struct.pack(">IIBBBBB", *_SMALL, 8, 0, 0, 0, 0)
    broken = b"not a deflate stream " + struct.pack(">Q", number)
    chunks = ((b"IHDR", header), (b"IDAT", broken), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def lethal(number: int) -> bytes:
    """Return a white JPEG: the model ends its process, wherever it is run on it."""
    encoded = io.BytesIO()
    Image.new("L", _SMALL, 255).save(encoded, "JPEG", comment=f"question {number}".encode())
    return encoded.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
