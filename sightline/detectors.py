"""The calls about detectors."""

from collections.abc import Sequence
from typing import Any, TypedDict

from contracts.http.detectors import Detector, DetectorCreate, DetectorPage, DetectorUpdate, Mode
from sightline.calls import Call, json_body, read_nothing, reader, segment

_JSON = {"Content-Type": "application/json"}


class DetectorOptions(TypedDict, total=False):
    """What may be said of a new detector. A binary one (the default) has the labels NO and YES.

    One that counts or boxes needs `class_name`. Without `model` the installation's default is bound, if there is one.
    """

    mode: Mode
    labels: Sequence[str]
    class_name: str
    max_objects: int
    max_characters: int
    group: str
    confidence_threshold: float
    patience_s: float
    model: str | None
    lane: str
    metadata: Any


class DetectorChanges(TypedDict, total=False):
    """What may be changed; what is left out stays. `model` None unbinds: a person must answer then."""

    name: str
    query: str
    confidence_threshold: float
    patience_s: float
    enabled: bool
    model: str | None
    lane: str
    metadata: Any


def create(name: str, query: str, options: DetectorOptions) -> Call[Detector]:
    """Make a detector."""
    body = json_body(DetectorCreate, {"name": name, "query": query, **options})
    return Call(method="POST", path="/v1/detectors", headers=_JSON, content=body, read=reader(Detector))


def get(detector: str) -> Call[Detector]:
    """Read one, by ID or name."""
    return Call(method="GET", path=f"/v1/detectors/{segment(detector)}", read=reader(Detector))


def update(detector: str, changes: DetectorChanges) -> Call[Detector]:
    """Change one, by ID or name."""
    return Call(
        method="PATCH",
        path=f"/v1/detectors/{segment(detector)}",
        headers=_JSON,
        content=json_body(DetectorUpdate, changes),
        read=reader(Detector),
    )


def delete(detector: str) -> Call[None]:
    """Remove one, by ID or name; its queries stay."""
    return Call(method="DELETE", path=f"/v1/detectors/{segment(detector)}", read=read_nothing)


def page(cursor: str | None) -> Call[DetectorPage]:
    """Read one page of the list, newest first."""
    params = (("cursor", cursor),) if cursor is not None else ()
    return Call(method="GET", path="/v1/detectors", params=params, read=reader(DetectorPage))
