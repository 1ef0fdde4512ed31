"""Ephemeris into a file that `sightline ephemeris import` reads without another word."""

import csv
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np

from contracts.http.ephemeris import PLACES, Place
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.statement import EPOCH, METADATA, Statement, place_fields
from sightline.ephemeris.stretch import Floats, Stretch
from sightline.ephemeris.summary import EPOCH as FIRST

_SAID = Statement(frame="GEO", unit="degrees", time_scale="UTC")
_DIGITS = 6
"""Of a degree: a tenth of a metre."""


def written(path: Path, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Write stretches as they go by; the name says the format, and no file is left when something is wrong.

    Raises:
        BadData: the name is of no format, or there is a file already.
        OSError: it cannot be written.
    """
    writers = {".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in writers:
        raise BadData(path, f"a name that ends with {' or '.join(writers)} is needed")
    if path.exists():
        raise BadData(path, "there is a file already; remove it first")
    part = path.with_name(f"{path.name}.part")
    try:
        yield from writers[path.suffix.lower()](part, stretches)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _csv(path: Path, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    with path.open("x", encoding="utf-8", newline="") as file:
        file.write("# frame: GEO\n# unit: degrees\n# time scale: UTC\n")
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([EPOCH, *_columns(), METADATA])
        for stretch in stretches:
            columns = [cells for place in PLACES for cells in _cells(stretch, place)]
            rows.writerows(zip(_times(stretch), *columns, stretch.all_texts, strict=True))
            yield stretch


def _parquet(path: Path, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    import pyarrow as pa
    from pyarrow import parquet

    from sightline.ephemeris.parquet_file import KEY

    numbers = [(name, pa.float64()) for name in _columns()]
    fields = [(EPOCH, pa.timestamp("s", "UTC")), *numbers, (METADATA, pa.string())]
    schema = pa.schema(fields, metadata={KEY: _SAID.model_dump_json(exclude_none=True, exclude_defaults=True)})
    with parquet.ParquetWriter(path, schema) as file:
        for stretch in stretches:
            columns = [
                pa.array(values, pa.float64(), from_pandas=True)
                for place in PLACES
                for values in _values(stretch, place).T
            ]
            epochs = pa.array(stretch.minutes * 60, pa.int64()).cast(pa.timestamp("s", "UTC"))
            file.write_table(pa.Table.from_arrays([epochs, *columns, pa.array(stretch.all_texts)], schema=schema))
            yield stretch


def _columns() -> list[str]:
    return [name for place in PLACES for name in place_fields(place)]


def _values(stretch: Stretch, place: Place) -> Floats:
    missing = np.full((len(stretch), 2), np.nan)
    return np.asarray(np.round(stretch.places.get(place, missing), _DIGITS), np.float64)


def _cells(stretch: Stretch, place: Place) -> Iterator[list[str]]:
    for values in _values(stretch, place).T:
        yield ["" if np.isnan(value) else repr(value) for value in values.tolist()]


def _times(stretch: Stretch) -> list[str]:
    return [(FIRST + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S") for minute in stretch.minutes.tolist()]
