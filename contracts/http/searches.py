"""What our own API tells of searches beyond the surface that their client reads."""

from contracts.http.base import Resource

Place = tuple[float, float] | None
"""Latitude and longitude in degrees; None where there is none."""


class SearchPlaces(Resource):
    """Where the sources of each conjunction were when they were closest, in the order of the rows.

    Each row has a place per source, in the order of its `data_sources` and in its own trace.
    """

    places: tuple[tuple[Place, ...], ...]
