"""Data products in a file: read and checked to the end, by the rules of the platform, before any is sent."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from contracts.http.aurorax import SourceInfo
from contracts.http.metadata import metadata_text
from contracts.http.source_records import DataProductUpload
from sightline.ephemeris.errors import BadData, shown

_NEEDED = ("data_product_type", "start", "end", "url")
_TRIPLE = ("program", "platform", "instrument_type")
_KNOWN = (*_NEEDED, "metadata", "source", *_TRIPLE)
_JSON_LINES = {".jsonl", ".ndjson"}

_Row = dict[str, Any]


def read_products(path: Path, source: SourceInfo) -> list[DataProductUpload]:
    """Return the data products of a CSV with a header, or of JSON lines, one per address.

    Raises:
        BadData: the first thing that is wrong, with its line and column.
        OSError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in _JSON_LINES:
        raise BadData(path, "it needs a name that ends with .csv, or with .jsonl or .ndjson for JSON lines")
    products: dict[str, tuple[int, DataProductUpload]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for line, row in _csv_rows(path, file) if suffix == ".csv" else _json_rows(path, file):
                product = _checked(path, line, row, source)
                first, same = products.setdefault(product.url, (line, product))
                if same != product:
                    raise BadData(path, f"line {first} has the same and other values", line=line, column="url")
        except UnicodeDecodeError:
            raise BadData(path, "it is not text in UTF-8") from None
    if not products:
        raise BadData(path, "there is no data product in it")
    return [product for _, product in products.values()]


def _csv_rows(path: Path, file: IO[str]) -> Iterator[tuple[int, _Row]]:
    """Yield the rows with the line that each begins on; an empty cell is one that is not there."""
    reader = csv.reader(file, strict=True)
    line = 1
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(header):
                    raise BadData(path, f"{len(cells)} cells for {len(header)} columns", line=line)
                row: _Row = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
                if "metadata" in row:
                    row["metadata"] = _json(path, line, row["metadata"], "metadata")
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadData(path, f"it is no row of CSV: {error}", line=line) from None


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if name not in _KNOWN:
            rule = f"{shown(name)} is none of {', '.join(_KNOWN)}, with commas between"
            raise BadData(path, rule, line=1)
        if header.count(name) > 1:
            raise BadData(path, "it is there twice", line=1, column=name)
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise BadData(path, f"there is no column {missing[0]}", line=1)


def _json_rows(path: Path, file: IO[str]) -> Iterator[tuple[int, _Row]]:
    for line, text in enumerate(file, 1):
        if text.strip():
            row = _json(path, line, text, "")
            if not isinstance(row, dict):
                raise BadData(path, "it is no JSON object", line=line)
            yield line, row


def _json(path: Path, line: int, text: str, column: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise BadData(path, f"it is not JSON: {error}", line=line, column=column) from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> _Row:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _checked(path: Path, line: int, row: _Row, source: SourceInfo) -> DataProductUpload:
    """Return a row as the platform takes it. What names a source, as the rows of a search do, must name this one."""
    names = {name: getattr(source, name) for name in _TRIPLE}
    told = row.pop("data_source", names)
    if not isinstance(told, Mapping) or any(told.get(name) != names[name] for name in _TRIPLE):
        raise BadData(path, f"it is another source than {source.identifier}", line=line, column="data_source")
    if row.get("source") == f"{source.program}/{source.platform}":
        del row["source"]  # searches called a source so before they named its instrument
    for name, right in {**names, "source": "/".join(names.values())}.items():
        if row.get(name, right) != right:
            raise BadData(path, f"{shown(row[name])} is another source than {right}", line=line, column=name)
    row.pop("source", None)
    try:
        product = DataProductUpload.model_validate({**row, **names})
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False, include_url=False)[0]
        rule = problem["msg"].removeprefix("Value error, ")
        raise BadData(path, rule, line=line, column=".".join(str(part)[:50] for part in problem["loc"])) from None
    try:
        metadata_text(product.metadata)
    except ValueError as error:
        raise BadData(path, str(error), line=line, column="metadata") from None
    return product
