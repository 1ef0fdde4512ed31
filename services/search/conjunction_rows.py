"""The rows of a conjunction search as the client reads them; there may be millions, so they are written by columns."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from contracts.http.aurorax import SourceInfo
from services.search.engine.conjunctions import TRACES, Conjunctions
from services.search.engine.tracks import Integers
from services.search.naming import removed
from services.search.rendering import source_json


def render(table: Conjunctions, names: Mapping[int, SourceInfo]) -> Iterator[bytes]:
    """Yield each row as JSON."""
    known = {source: _name(source, names) for source in set(table.sources.ravel().tolist())}
    blocks = [[known[source] for source in column] for column in table.sources.T.tolist()]
    times = [
        f'"conjunction_type":"{TRACES[trace]}","start":"{start}","end":"{end}"'
        for trace, start, end in zip(table.trace.tolist(), _times(table.start_s), _times(table.end_s), strict=True)
    ]
    pairs = [
        _events(blocks[pair.first], blocks[pair.second], times, least, greatest)
        for pair, least, greatest in zip(
            table.pairs, table.pair_min_km.T.tolist(), table.pair_max_km.T.tolist(), strict=True
        )
    ]
    columns = (
        times,
        _times(table.closest_s),
        _times(table.farthest_s),
        table.min_km.tolist(),
        table.max_km.tolist(),
        map(",".join, zip(*blocks, strict=True)),
        map(",".join, zip(*pairs, strict=True)),
    )
    for time, closest, farthest, least, greatest, sources, events in zip(*columns, strict=True):
        yield (
            f'{{{time},"closest_epoch":"{closest}","farthest_epoch":"{farthest}",'
            f'"min_distance":{least},"max_distance":{greatest},"data_sources":[{sources}],"events":[{events}]}}'
        ).encode()


def _events(
    first: Sequence[str], second: Sequence[str], times: Sequence[str], least: Sequence[float], most: Sequence[float]
) -> Iterator[str]:
    for one, other, time, smallest, largest in zip(first, second, times, least, most, strict=True):
        yield (f'{{"e1_source":{one},"e2_source":{other},{time},"min_distance":{smallest},"max_distance":{largest}}}')


def _times(seconds: Integers) -> Sequence[str]:
    """Return times in the one form that the client parses."""
    texts: list[str] = np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()
    return texts


def _name(source: int, names: Mapping[int, SourceInfo]) -> str:
    return source_json(names.get(source) or removed(source)).decode()
