"""Opening a file of ephemeris, whichever of the formats it has, and reading it as stretches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

from sightline.ephemeris.alignment import Alignment, OffMinute
from sightline.ephemeris.csv_file import CsvFile
from sightline.ephemeris.errors import BadData
from sightline.ephemeris.footprints import FieldModel, traced
from sightline.ephemeris.frames import to_vectors
from sightline.ephemeris.layout import Layout
from sightline.ephemeris.rows import Batch, Rows
from sightline.ephemeris.statement import Statement
from sightline.ephemeris.stretch import Floats, Stretch

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".txt", ".tsv")


class EphemerisFile(Protocol):
    """A file whose header is read."""

    layout: Layout
    statement: Statement
    row_name: str
    """What its rows are called: lines, where it has them."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def batches(self) -> Iterator[Batch]:
        """Return the rows."""
        ...


def opened(path: Path, said: Statement) -> EphemerisFile:
    """Return the file, its header read and checked against what is said of it.

    Raises:
        BadData: it cannot be read, or is not as it is said to be.
        OSError: it cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix in _PARQUET:
        from sightline.ephemeris.parquet_file import ParquetFile

        return ParquetFile(path, said)
    if suffix in _CSV:
        return CsvFile(path, said)
    raise BadData(path, f"a name that ends with {', '.join(_CSV + _PARQUET)} is needed")


def stretches(
    file: EphemerisFile,
    *,
    off_minute: OffMinute = "refuse",
    source: str | None = None,
    field: FieldModel | None = None,
) -> Iterator[Stretch]:
    """Return the rows; `source` is what a column of that name must say, `field` traces footprints that are not there.

    Raises:
        BadData: with the first cell that cannot be what its column is.
    """
    layout = file.layout
    rows = Rows(
        layout,
        unit=file.row_name,
        decimal=file.statement.decimal or ".",
        source=source,
        radius=field is not None,
    )
    alignment = Alignment(off_minute, file=layout.file, column=layout.epoch, unit=file.row_name)
    for stretch, radius_km in alignment.aligned(rows.timed(batch) for batch in file.batches()):
        yield stretch if field is None or radius_km is None else _traced(stretch, radius_km, field)


def _traced(stretch: Stretch, radius_km: Floats, field: FieldModel) -> Stretch:
    """Return a stretch with the places that it did not have."""
    vectors = to_vectors(stretch.places["location_geo"]) * radius_km[:, None]
    places = {**traced(vectors, stretch.minutes, field), **stretch.places}
    return Stretch(stretch.minutes, places, stretch.texts, stretch.lines)
