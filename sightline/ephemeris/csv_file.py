"""Ephemeris in CSV: read line by line, whatever the size of the file."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

import numpy as np

from sightline.ephemeris.errors import BadData, shown
from sightline.ephemeris.layout import Layout, layout_of
from sightline.ephemeris.rows import Batch
from sightline.ephemeris.statement import Statement, checked

_BATCH = 8192
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAID = ("frame", "unit", "time scale", "time format", "delimiter", "decimal")
_LONGEST_LINE = 1_000_000


class CsvFile:
    """A CSV file, its header read. Use it in a `with`.

    Raises:
        BadData: the encoding, the lines before the header or the header are wrong.
        OSError: it cannot be opened.
    """

    row_name = "line"

    def __init__(self, path: Path, said: Statement) -> None:
        self._path = path
        self._name = str(path)
        self._file = self._opened()
        try:
            self._before, first = self._preamble()
            self.statement = said.joined(self._own_statement(), self._name)
            self._reader = csv.reader(self._lines(first), delimiter=self.statement.delimiter or ",", strict=True)
            self._header = self._read_header()
            self.layout: Layout = layout_of(
                self._header, self.statement, self._name, line=self._before + self._reader.line_num
            )
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
            BadData: a line that is no row of this file.
        """
        indexes = {name: self._header.index(name) for name in self.layout.wanted}
        while True:
            rows, lines = self._rows()
            if not lines:
                return
            columns = list(zip(*rows, strict=True))
            yield Batch(
                np.array(lines, np.int64),
                {name: [cell.strip() for cell in columns[index]] for name, index in indexes.items()},
            )

    def _rows(self) -> tuple[list[list[str]], list[int]]:
        rows, lines = list[list[str]](), list[int]()
        width = len(self._header)
        with self._explained():
            for row in self._reader:
                if len(row) != width:
                    if not any(row):
                        continue
                    rule = f"{len(row)} cells, and the header has {width}"
                    if self.statement.delimiter is None and len(row) > width:
                        rule += "; if commas are decimal ones, say --delimiter ';' --decimal ,"
                    raise BadData(self._name, rule, line=self.at())
                rows.append(row)
                lines.append(self.at())
                if len(rows) == _BATCH:
                    break
        return rows, lines

    def _opened(self) -> IO[str]:
        with self._path.open("rb") as raw:
            start = raw.read(4)
        if start.startswith(_UTF16):
            raise BadData(self._name, "it is UTF-16; save it as UTF-8", line=1)
        return self._path.open(encoding="utf-8-sig", newline="")

    def _preamble(self) -> tuple[int, str]:
        """Read the lines that begin with #; return how many there were and the line after them."""
        self._said: list[tuple[int, str]] = []
        with self._explained():
            for number, line in enumerate(self._file, 1):
                if not line.startswith("#"):
                    return number - 1, line
                self._said.append((number, line[1:].strip()))
        raise BadData(self._name, "it has no header")

    def _own_statement(self) -> Statement:
        said = Statement()
        for number, text in self._said:
            key, colon, value = text.partition(":")
            if colon and key.strip().lower() in _SAID:
                field = key.strip().lower().replace(" ", "_")
                said = said.joined(checked({field: value.strip()}, self._name, line=number), self._name)
        return said

    def _lines(self, first: str) -> Iterator[str]:
        yield first
        for line in self._file:
            if len(line) > _LONGEST_LINE:
                raise BadData(self._name, f"a line has more than {_LONGEST_LINE} characters")
            yield line

    def _read_header(self) -> Sequence[str]:
        with self._explained():
            header = [name.strip() for name in next(self._reader, [])]
        if len(header) == 1 and self.statement.delimiter is None:
            for other in (";", "\t", "|"):
                if other in header[0]:
                    rule = f"the columns are separated by {shown(other)}: say --delimiter"
                    raise BadData(self._name, rule, line=self._before + 1)
        return header

    def at(self) -> int:
        """Return the number of the line that was read last."""
        return self._before + self._reader.line_num

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the standard library says of a file into what a person should know."""
        try:
            yield
        except UnicodeDecodeError:
            raise BadData(self._name, "it is not UTF-8", line=_wrong_line(self._path)) from None
        except csv.Error as error:
            raise BadData(self._name, f"this is no CSV: {error}", line=self.at()) from None


def _wrong_line(path: Path) -> int:
    with path.open("rb") as raw:
        for number, line in enumerate(raw, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
