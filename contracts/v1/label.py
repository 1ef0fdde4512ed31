"""A person's answer."""

from typing import Annotated

from pydantic import StringConstraints

from contracts.base import Label, Payload, Probability, QueryId, Text, Timestamp
from contracts.v1.image_query import Boxes, Reading


class LabelAdded(Payload):
    """A person (or a machine on a person's behalf) said what the right answer is; accepted in every state."""

    query_id: QueryId
    label_id: Annotated[str, StringConstraints(pattern=r"^lbl_[0-9A-Za-z]{27}$")]
    label: Label
    boxes: Boxes = ()
    text: Reading | None = None
    confidence: Probability = 1.0
    labelled_by: Text = ""
    labelled_at: Timestamp
