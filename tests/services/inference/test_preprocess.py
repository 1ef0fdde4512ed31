import numpy as np
import pytest

from contracts.http.models import ManifestInput
from services.inference.preprocess import empty_batch, input_bytes, input_shape, write_row

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


def row_of(wanted: ManifestInput) -> np.ndarray:
    batch = empty_batch(3, wanted)
    batch[...] = 99
    write_row(batch[1], PIXELS[:, :, : wanted.channels], wanted)
    assert (batch[0] == 99).all()
    assert (batch[2] == 99).all()
    return np.array(batch[1])


def test_values_are_normalised_per_channel_as_the_manifest_states() -> None:
    mean, std = (0.1, 0.2, 0.3), (1.0, 0.5, 0.25)
    row = row_of(ManifestInput(width=4, height=2, layout="nhwc", mean=mean, std=std))
    expected = (PIXELS / 255 - np.array(mean)) / np.array(std)
    assert row.dtype == np.float32
    assert np.allclose(row, expected, rtol=0, atol=1e-6)


def test_without_mean_and_std_values_are_0_to_1() -> None:
    row = row_of(ManifestInput(width=4, height=2, layout="nhwc"))
    assert np.allclose(row, PIXELS / 255, rtol=0, atol=1e-7)


def test_nchw_puts_channels_first() -> None:
    first = row_of(ManifestInput(width=4, height=2, layout="nchw"))
    last = row_of(ManifestInput(width=4, height=2, layout="nhwc"))
    assert first.shape == (3, 2, 4)
    assert (first == last.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_uint8_pixels_go_in_as_they_are(layout: str) -> None:
    row = row_of(ManifestInput.model_validate({"width": 4, "height": 2, "layout": layout, "dtype": "uint8"}))
    assert row.dtype == np.uint8
    assert sorted(row.ravel().tolist()) == sorted(PIXELS.ravel().tolist())


def test_gray_has_one_channel() -> None:
    wanted = ManifestInput(width=4, height=2, color="gray", mean=(0.5,), std=(0.5,))
    assert input_shape(wanted) == (1, 2, 4)
    assert np.allclose(row_of(wanted)[0], PIXELS[:, :, 0] / 255 * 2 - 1, atol=1e-6)


def test_the_size_of_one_image_is_known_before_a_batch_is_made() -> None:
    wanted = ManifestInput(width=4, height=2)
    assert input_bytes(wanted) == empty_batch(1, wanted).nbytes == 96
