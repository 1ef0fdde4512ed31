"""From stretches to the packed days that the platform takes."""

import json
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from contracts.http.ephemeris import DAY_MINUTES, MOST_DAYS, EphemerisUpload, PackedDay, PackedMetadata
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.stretch import Floats, Stretch

MOST_BYTES = 6 * 1024 * 1024
"""Of JSON in one request: the platform takes 8 MiB, and the last bytes of a limit are nobody's."""
_FIRST_DAY = date(1970, 1, 1)


def uploads(stretches: Iterable[Stretch], *, file: str) -> Iterator[EphemerisUpload]:
    """Return the requests that put the minutes of stretches, which come in order and without a minute twice.

    Raises:
        BadData: a day of `file` is larger than a request may be.
    """
    days, size = list[PackedDay](), 0
    for parts in _by_day(stretches):
        day = _packed(parts)
        more = len(day.model_dump_json(exclude_none=True).encode())
        if more > MOST_BYTES:
            mebibytes = f"{more / 2**20:.1f} MiB, and a day may have {MOST_BYTES >> 20}"
            raise BadData(file, f"{day.day} makes {mebibytes}: its metadata are too long, or too many")
        if days and (len(days) == MOST_DAYS or size + more > MOST_BYTES):
            yield EphemerisUpload(days=tuple(days))
            days, size = [], 0
        days.append(day)
        size += more
    if days:
        yield EphemerisUpload(days=tuple(days))


def _by_day(stretches: Iterable[Stretch]) -> Iterator[list[Stretch]]:
    """Return the minutes of each day; a day may begin in one stretch and go on in the next."""
    open_day, parts = -1, list[Stretch]()
    for stretch in stretches:
        days = stretch.minutes // DAY_MINUTES
        starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(stretch)]
        for first, until in pairwise(starts):
            if first == until:
                continue
            if parts and days[first] != open_day:
                yield parts
                parts = []
            open_day = int(days[first])
            parts.append(stretch.part(slice(first, until)))
    if parts:
        yield parts


def _packed(parts: list[Stretch]) -> PackedDay:
    minutes = np.concatenate([part.minutes for part in parts])
    present = np.zeros(DAY_MINUTES, np.bool_)
    present[minutes % DAY_MINUTES] = True
    places = {place: _place(np.concatenate([part.places[place] for part in parts])) for place in parts[0].places}
    return PackedDay(
        day=_FIRST_DAY + timedelta(days=int(minutes[0]) // DAY_MINUTES),
        minutes=np.packbits(present).tobytes(),
        metadata=_metadata(parts),
        **places,
    )


def _place(values: Floats) -> bytes | None:
    if np.isnan(values).all():
        return None
    kept = values[:1] if (values == values[0]).all() else values
    return np.ascontiguousarray(kept.T, np.dtype("<f8")).tobytes()


def _metadata(parts: list[Stretch]) -> PackedMetadata | None:
    texts = [text for part in parts for text in part.all_texts]
    codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    if list(codes) == ["{}"]:
        return None
    found = tuple(json.loads(text) for text in codes)
    if len(codes) == 1:
        return PackedMetadata(texts=found)
    return PackedMetadata(texts=found, codes=np.array([codes[text] for text in texts], np.dtype("<u2")).tobytes())
