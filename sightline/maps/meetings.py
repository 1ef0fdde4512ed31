"""What a map shows: bodies that stay or move, and their meetings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from contracts.http.searches import SearchPlaces
from sightline.maps.projection import Place


class Body(NamedTuple):
    """A source of data, by the name that the map has for it."""

    name: str
    moves: bool


class Meeting(NamedTuple):
    """Bodies near each other, where each was when they were closest."""

    distance_km: float
    bodies: tuple[tuple[Body, Place], ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is drawn. `unplaced` rows have no place in the ephemeris any more."""

    title: str
    subtitle: str
    meetings: Sequence[Meeting]
    unplaced: int = 0
    moving: Sequence[tuple[str, int]] = field(default=())
    """Spacecraft with how many meetings each has, the most first."""

    @property
    def places(self) -> Sequence[Place]:
        """Every place of every meeting."""
        return [place for meeting in self.meetings for _, place in meeting.bodies]


def story_of(rows: Sequence[Mapping[str, Any]], places: SearchPlaces) -> Story:
    """Return what a map of the rows of a conjunction search shows."""
    meetings = []
    counts: Counter[str] = Counter()
    for row, found in zip(rows, places.places, strict=True):
        bodies = [
            (_body(source), Place(*place))
            for source, place in zip(row["data_sources"], found, strict=True)
            if place is not None
        ]
        if len(bodies) == len(row["data_sources"]):
            meetings.append(Meeting(row["min_distance"], tuple(bodies)))
            counts.update({body.name for body, _ in bodies if body.moves})
    number, unplaced = len(meetings), len(rows) - len(meetings)
    return Story(
        title=f"{number:,} conjunction{'s' * (number != 1)}",
        subtitle=_span(rows),
        meetings=sorted(meetings, reverse=True),
        unplaced=unplaced,
        moving=counts.most_common(),
    )


def _body(source: Mapping[str, Any]) -> Body:
    moves = source["source_type"] not in {"ground", "event_list", "not_applicable"}
    return Body(source["display_name"] if moves else source["platform"], moves)


def _span(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    first, last = min(row["start"] for row in rows), max(row["end"] for row in rows)
    traces = ", ".join(sorted({row["conjunction_type"] for row in rows}))
    return f"{first[:10]} {first[11:16]} to {last[:10]} {last[11:16]} UTC, {traces}"
