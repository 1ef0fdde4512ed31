"""What a worker and the child that runs suspects say to each other."""

from contracts.http.models import Manifest
from services.inference.child_messages import Head


class Run(Head):
    """Run the model on the one image in the body, in its input's layout.

    The body begins with the model's file, `model_bytes` long; with 0 it is the model of the question before.
    """

    manifest: Manifest
    model_bytes: int


class Ran(Head):
    """The body is the outputs, of this shape and NumPy type; or it is empty and `code` says why."""

    code: str | None = None
    detail: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
