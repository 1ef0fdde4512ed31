"""Images from whatever the caller holds."""

import io
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import Refused
from sightline.images import MAX_BYTES, read_image


def test_paths_bytes_and_files_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"image")
    for source in (path, str(path), b"image", bytearray(b"image"), memoryview(b"image"), io.BytesIO(b"image")):
        assert read_image(source) == b"image"


def test_an_array_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"cv2\.imencode"):
        read_image(np.zeros((4, 4, 3), np.uint8))  # type: ignore[arg-type]


def test_a_text_file_is_refused() -> None:
    with pytest.raises(TypeError, match="binary"):
        read_image(io.StringIO("image"))  # type: ignore[arg-type]


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="not an image"):
        read_image(7)  # type: ignore[arg-type]


def test_what_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(Refused) as refused:
        read_image(path)
    assert refused.value.code == "body_too_large"


def test_a_missing_file_is_the_usual_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "absent.jpg")
