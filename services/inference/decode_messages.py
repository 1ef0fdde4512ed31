"""What a worker and its decoding child say to each other. The pixels lie in memory that they share."""

from contracts.http.models import ManifestInput
from services.inference.child_messages import Head


class Question(Head):
    """Decode the images in the body, one behind the other with these sizes, into the form that the model wants."""

    wanted: ManifestInput
    sizes: tuple[int, ...]


class Verdict(Head):
    """What became of one image: its pixels lie in its place, or `code` says why not.

    Width and height are those of the picture before it was resized.
    """

    code: str | None = None
    detail: str = ""
    width: int = 0
    height: int = 0
    decode_s: float = 0.0
    resize_s: float = 0.0


class Reply(Head):
    """One verdict per image. Pixels are (height, width, channels) of the model, one image behind the other.

    `worked_s` is the processor's time that it all took.
    """

    verdicts: tuple[Verdict, ...]
    worked_s: float = 0.0
