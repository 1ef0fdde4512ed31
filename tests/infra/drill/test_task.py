"""The drill's questions have the answers that it says they have."""

import hashlib

import pytest

from infra.drill import make_model, task
from services.inference.decode import decode
from services.kit.errors import Refused
from services.kit.images import inspect

INLINE_BYTES = 64 * 1024


def test_the_model_is_the_one_that_its_script_makes() -> None:
    assert make_model.make() == task.model()


def test_images_are_distinct_and_lie_where_their_label_says() -> None:
    images = [task.image(number) for number in range(40)]
    assert len({hashlib.sha256(data).hexdigest() for data, _ in images}) == 40
    for number, (data, label) in enumerate(images):
        mean = decode(data, max_pixels=10**6).pixels.mean()
        assert task.LABELS[int(mean / 255 * len(task.LABELS))] == label == task.label_of(number)


def test_some_images_travel_by_reference() -> None:
    sizes = [len(task.image(number)[0]) > INLINE_BYTES for number in range(100)]
    assert sum(sizes) == 100 / task.LARGE_EVERY


def test_poison_passes_the_door_and_cannot_be_decoded() -> None:
    assert inspect(task.poison(7), max_pixels=10**6).media_type == "image/png"
    assert task.poison(7) != task.poison(8)
    with pytest.raises(Refused, match="image_corrupt"):
        decode(task.poison(7), max_pixels=10**6)
