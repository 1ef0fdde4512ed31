"""What every producer of ephemeris yields: minutes and their places, in columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.http.ephemeris import Place

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
MINUTE_S = 60


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Some minutes of one source on end, as many as fit into memory with ease.

    `minutes` counts from 1970 (UTC). Each place has one row per minute: latitude and longitude in degrees, NaN where
    there is none. `texts` is the metadata of each minute as a JSON object, or one text for all of them. `lines` says
    where in its file each minute stands.
    """

    minutes: Integers
    places: Mapping[Place, Floats]
    texts: Sequence[str] = ("{}",)
    lines: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.minutes)

    @property
    def all_texts(self) -> Sequence[str]:
        """The text of each minute."""
        return self.texts if len(self.texts) == len(self) else list(self.texts) * len(self)

    def part(self, kept: Mask | slice) -> "Stretch":
        """Return those of its minutes."""
        texts = self.texts
        if len(texts) > 1:
            numbers = np.arange(len(texts))[kept]
            texts = [texts[number] for number in numbers]
        places = {place: values[kept] for place, values in self.places.items()}
        return Stretch(self.minutes[kept], places, texts, self.lines[kept] if len(self.lines) else self.lines)
