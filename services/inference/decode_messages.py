"""What a worker and its decoding child say to each other."""

from contracts.http.models import ManifestInput
from services.inference.child_messages import Head


class Question(Head):
    """Decode the body, and bring it into the form that the model wants."""

    wanted: ManifestInput


class Reply(Head):
    """The body is the pixels, (height, width, channels) of the model; or it is empty and `code` says why.

    Width and height are those of the picture before it was resized.
    """

    code: str | None = None
    detail: str = ""
    width: int = 0
    height: int = 0
    decode_s: float = 0.0
    resize_s: float = 0.0
