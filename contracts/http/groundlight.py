"""The bodies of the Groundlight surface: what the PyPI client `groundlight` sends, and what it can read.

Every key of a response is sent, null where there is nothing: the client takes a missing key for an error.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from contracts.base import Probability, Text
from contracts.http.base import Json, Request, Resource
from contracts.http.detectors import DetectorName, Question

Mode = Literal["BINARY", "MULTI_CLASS", "COUNT", "BOUNDING_BOX", "TEXT"]
ResultType = Literal["binary_classification", "multi_classification", "counting", "bounding_box", "text_recognition"]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
STILL_PROCESSING = "STILL_PROCESSING"
"""The source of a result that is only a placeholder."""
CONSTANT_PIPELINES = frozenset({"never-review", "never-review-multi", "constant-text-pred"})
"""Values of `pipeline_config` that give always the same answer, for tests of client programs."""


class Group(Resource):
    """The group of a user: here the tenant."""

    id: int
    name: str


class Me(Resource):
    """Who calls."""

    email: str
    username: str
    group: Group
    is_superuser: bool = False


class ApiToken(Resource):
    """A token. Without a lifetime the client uses it as it is and makes no others from it."""

    name: str
    raw_key_snippet: str
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    token_ttl: int | None = None


class Geometry(Resource):
    """A box in fractions of the image's width and height; x and y are its centre."""

    left: float
    top: float
    right: float
    bottom: float
    x: float
    y: float


class Roi(Resource):
    """A region of interest."""

    label: str
    score: float
    geometry: Geometry


class Result(Resource):
    """What all results have. `confidence` is null until there is an answer."""

    confidence: Probability | None
    source: str
    result_type: ResultType
    from_edge: bool = False


class LabelResult(Result):
    """The result of a binary, multiclass or bounding box detector."""

    label: str


class CountResult(Result):
    """The result of a counting detector; null is UNCLEAR."""

    count: int | None
    greater_than_max: bool = False


class TextResult(Result):
    """The result of a text detector; null is UNCLEAR."""

    text: str | None
    truncated: bool = False


class ImageQuery(Resource):
    """An image query. `result` is null only in the answer to an asynchronous submission."""

    metadata: Json
    id: str
    type: Literal["image_query"] = "image_query"
    created_at: datetime
    query: str
    detector_id: str
    result_type: ResultType
    result: LabelResult | CountResult | TextResult | None
    patience_time: float
    confidence_threshold: float
    rois: tuple[Roi, ...] | None
    text: str | None
    done_processing: bool


class ImageQueryPage(Resource):
    """A page by number; the addresses are absolute."""

    count: int
    next: str | None
    previous: str | None
    results: tuple[ImageQuery, ...]


class Detector(Resource):
    """A detector."""

    id: str
    type: Literal["detector"] = "detector"
    created_at: datetime
    name: str
    query: str
    group_name: str
    confidence_threshold: float
    patience_time: float
    metadata: Json
    mode: Mode
    mode_configuration: Json
    status: Literal["ON", "OFF"]
    escalation_type: Literal["STANDARD", "NO_HUMAN_LABELING"]


class DetectorPage(Resource):
    """A page by number; the addresses are absolute."""

    count: int
    next: str | None
    previous: str | None
    results: tuple[Detector, ...]


class _FromClient(Request):
    """Base of what the client sends. Versions add fields: unknown ones are left alone, unlike in our own API."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class DetectorRequest(_FromClient):
    """A new detector. `metadata` is base64 (URL-safe) of JSON."""

    name: DetectorName
    query: Question
    group_name: GroupName | None = None
    confidence_threshold: Probability = 0.9
    patience_time: Annotated[float, Field(ge=0, le=3600)] = 30.0
    pipeline_config: Annotated[str, StringConstraints(max_length=100)] | None = None
    metadata: Annotated[str, StringConstraints(max_length=2000)] | None = None
    mode: Mode = "BINARY"
    mode_configuration: dict[str, Json] | None = None
    priming_group_id: Annotated[str, StringConstraints(max_length=44)] | None = None


class DetectorPatch(_FromClient):
    """Fields to change."""

    name: DetectorName | None = None
    confidence_threshold: Probability | None = None
    patience_time: Annotated[float, Field(ge=0, le=3600)] | None = None
    status: Literal["ON", "OFF"] | None = None
    escalation_type: Literal["STANDARD", "NO_HUMAN_LABELING"] | None = None


class GeometryRequest(_FromClient):
    """A box of the client's; its centre follows from its sides."""

    left: Probability
    top: Probability
    right: Probability
    bottom: Probability


class RoiRequest(_FromClient):
    """A region that a person drew."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    score: Probability | None = None
    geometry: GeometryRequest


class LabelRequest(_FromClient):
    """A person's answer; a null label says nothing beside the regions."""

    label: Text | None
    image_query_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    rois: Annotated[tuple[RoiRequest, ...], Field(max_length=100)] | None = None


class LabelValue(Resource):
    """A label as it was taken. `detector_id` is a number in the client's model, so it stays null."""

    confidence: float
    class_name: str | None
    rois: tuple[Roi, ...] | None
    annotations_requested: tuple[str, ...] = ()
    created_at: datetime
    detector_id: None = None
    source: str = "USER"
    text: str | None


class DetectorGroup(Resource):
    """A group of detectors."""

    id: str
    name: str


class DetectorGroupRequest(_FromClient):
    """A new group."""

    name: GroupName


class Note(Resource):
    """A note about a detector."""

    detector_id: str
    content: str | None
    is_pinned: bool = False


class Notes(Resource):
    """The notes about a detector: the customer's own, and Groundlight's, of which there are none."""

    CUSTOMER: tuple[Note, ...]
    GL: tuple[Note, ...] = ()


class Usage(Resource):
    """This month's numbers; null is no limit."""

    iqs: int
    escalations: int = 0
    active_detectors: int
    iqs_limit: int | None = None
    escalations_limit: int | None = None
    active_detectors_limit: int | None = None


class Pipeline(Resource):
    """What answers a detector."""

    id: str
    pipeline_config: str
    is_active_pipeline: bool = True
    is_edge_pipeline: bool = False
    is_unclear_pipeline: bool = False
    is_oodd_pipeline: bool = False
    is_enabled: bool
    created_at: datetime
    trained_at: datetime | None
    type: str = "active"
    friendly_name: str | None
    model_binary_id: str | None
    training_in_progress: None = None
    metrics: dict[str, Json] = Field(default_factory=dict)
    eval_mlbinary_key: None = None
    eval_mlbinary_revision_number: None = None
    eval_mlbinary_friendly_name: None = None


class PipelinePage(Resource):
    """A page by number; the addresses are absolute."""

    count: int
    next: str | None
    previous: str | None
    results: tuple[Pipeline, ...]


class PrimingGroupRequest(_FromClient):
    """A new priming group: a name for the model of a pipeline."""

    name: GroupName
    source_ml_pipeline_id: Annotated[str, StringConstraints(min_length=1, max_length=44)]
    detector_mode: Mode
    canonical_query: Annotated[str, StringConstraints(max_length=300)] | None = None
    disable_shadow_pipelines: bool = False


class PrimingGroup(Resource):
    """A priming group."""

    id: str
    name: str
    detector_mode: Mode
    num_classes: int | None
    is_global: bool = False
    canonical_query: str | None = None
    active_pipeline_config: str | None = None
    priming_group_specific_shadow_pipeline_configs: None = None
    disable_shadow_pipelines: bool = False
    created_at: datetime


class PrimingGroupPage(Resource):
    """A page by number; the addresses are absolute."""

    count: int
    next: str | None
    previous: str | None
    results: tuple[PrimingGroup, ...]
