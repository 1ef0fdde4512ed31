"""Ephemeris in Parquet: read batch by batch, whatever the size of the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from sightline.ephemeris.errors import BadData
from sightline.ephemeris.layout import Layout, layout_of
from sightline.ephemeris.rows import Batch, Cells
from sightline.ephemeris.statement import Statement, statement_of

KEY = b"sightline.ephemeris"
"""The key of a file's metadata under which its statement stands."""
_BATCH = 65536


class ParquetFile:
    """A Parquet file, its schema read. Use it in a `with`.

    Raises:
        BadData: it is no Parquet, or its columns are wrong.
        OSError: it cannot be opened.
    """

    row_name = "row"

    def __init__(self, path: Path, said: Statement) -> None:
        self._name = str(path)
        path.open("rb").close()  # says what is wrong better than the library does
        try:
            self._file = parquet.ParquetFile(path)
        except (pa.ArrowException, OSError):
            raise BadData(self._name, "it is not Parquet, or it is cut short") from None
        try:
            schema = self._file.schema_arrow
            own = (schema.metadata or {}).get(KEY)
            if own is not None:
                said = said.joined(statement_of(own.decode(errors="replace"), self._name), self._name)
            self.statement = said
            self._check_zone(schema)
            self.layout: Layout = layout_of(schema.names, said, self._name)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def batches(self) -> Iterator[Batch]:
        """Return the rows.

        Raises:
            BadData: a value that no row may have, or a damaged file.
        """
        row = 1
        try:
            for batch in self._file.iter_batches(_BATCH, columns=list(self.layout.wanted)):
                lines = np.arange(row, row + batch.num_rows, dtype=np.int64)
                row += batch.num_rows
                times = batch.column(self.layout.epoch)
                cells: dict[str, Cells] = {
                    name: self._cells(name, batch.column(name), lines)
                    for name in self.layout.wanted
                    if name != self.layout.epoch or not pa.types.is_timestamp(times.type)
                }
                micros = None
                if pa.types.is_timestamp(times.type):
                    self._check_nulls(times, lines)
                    micros = times.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
                yield Batch(lines, cells, micros)
        except (pa.ArrowException, OSError) as error:
            raise BadData(self._name, f"the file is damaged: {error}", line=row, unit="after row") from None

    def _cells(self, name: str, column: pa.Array, lines: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Cells:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column, kind = column.dictionary_decode(), kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
            return ["" if text is None else text for text in column.to_pylist()]
        if pa.types.is_boolean(kind):
            return ["" if value is None else str(value).lower() for value in column.to_pylist()]
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
            raise BadData(self._name, f"a column of {kind} is nothing that is read here", column=name)
        numbers = column.cast(pa.float64(), safe=False)
        if pc.any(pc.is_nan(numbers)).as_py():
            line = int(lines[np.flatnonzero(pc.is_nan(numbers).fill_null(False).to_numpy(zero_copy_only=False))[0]])
            raise BadData(
                self._name, "NaN: leave the value null where there is no place", line=line, column=name, unit="row"
            )
        values: Cells = numbers.to_numpy(zero_copy_only=False)
        return values

    def _check_nulls(self, times: pa.Array, lines: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
        if times.null_count:
            line = int(lines[np.flatnonzero(times.is_null().to_numpy(zero_copy_only=False))[0]])
            raise BadData(self._name, "a record needs a time", line=line, column=self.layout.epoch, unit="row")

    def _check_zone(self, schema: pa.Schema) -> None:
        if self.statement.time_scale in {None, "UTC"}:
            return
        for field in schema:
            if pa.types.is_timestamp(field.type) and field.type.tz is not None:
                rule = f"its times have a zone, so they are UTC, and {self.statement.time_scale} was stated"
                raise BadData(self._name, rule, column=field.name)
