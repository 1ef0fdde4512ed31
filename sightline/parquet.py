"""The rows of a search as a Parquet file; needs pyarrow, the extra `parquet`.

Times are timestamps in UTC, distances and positions doubles, sources and events nested; metadata is JSON text, since
every source has keys of its own.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from contracts.v1.search import SearchType

_TIME = pa.timestamp("ms", tz="UTC")
_SOURCE = pa.struct(
    [
        ("identifier", pa.int64()),
        *((name, pa.string()) for name in ("program", "platform", "instrument_type", "source_type", "display_name")),
    ]
)
_PLACE = pa.struct([("lat", pa.float64()), ("lon", pa.float64())])
_DISTANCES = (("min_distance", pa.float64()), ("max_distance", pa.float64()))
_EVENT = pa.struct([("e1_source", _SOURCE), ("e2_source", _SOURCE), *_DISTANCES])
_SCHEMAS: Mapping[SearchType, pa.Schema] = {
    "conjunction": pa.schema(
        [
            ("conjunction_type", pa.string()),
            *((name, _TIME) for name in ("start", "end", "closest_epoch", "farthest_epoch")),
            *_DISTANCES,
            ("data_sources", pa.list_(_SOURCE)),
            ("events", pa.list_(_EVENT)),
        ]
    ),
    "ephemeris": pa.schema(
        [
            ("data_source", _SOURCE),
            ("epoch", _TIME),
            *((name, _PLACE) for name in ("location_geo", "location_gsm", "nbtrace", "sbtrace")),
            ("metadata", pa.string()),
        ]
    ),
    "data_product": pa.schema(
        [
            ("data_source", _SOURCE),
            ("data_product_type", pa.string()),
            ("start", _TIME),
            ("end", _TIME),
            ("url", pa.string()),
            ("metadata", pa.string()),
        ]
    ),
}
_AT_ONCE = 50_000


def write(path: Path, search_type: SearchType, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows, also none: the columns are there in any case.

    Raises:
        OSError: the file cannot be written.
    """
    schema = _SCHEMAS[search_type]
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, len(rows), _AT_ONCE):
            typed = [_typed(row, schema) for row in rows[first : first + _AT_ONCE]]
            writer.write_table(pa.Table.from_pylist(typed, schema))


def _typed(row: Mapping[str, Any], schema: pa.Schema) -> Mapping[str, Any]:
    return {field.name: _value(row[field.name], field) for field in schema}


def _value(value: Any, field: pa.Field) -> Any:
    if field.type == _TIME:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return json.dumps(value, ensure_ascii=False) if field.name == "metadata" else value
