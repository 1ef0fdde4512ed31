"""A person's answer to a query: what it means for the detector, and adding it."""

from dataclasses import dataclass, replace

from contracts.http.queries import GREATER_THAN_MAX, TEXT, UNCLEAR
from contracts.v1.label import LabelAdded
from services.gateway.facts import add_fact
from services.gateway.lookup import Found
from services.kit.errors import Refused, Unavailable
from services.kit.platform import Platform
from services.kit.store.records import DetectorRecord

_MOST_NAMED = 50
_LARGEST_COUNT = 1000


@dataclass(frozen=True, slots=True)
class Said:
    """A label in the detector's own spelling; `text` stands beside TEXT."""

    label: str
    text: str | None = None


async def detector_of(platform: Platform, found: Found) -> DetectorRecord | None:
    """Return the detector that was asked, None when nothing is known of it any more.

    Raises:
        Unavailable: which one it was is not known yet.
    """
    if found.detector_id is None:
        found = replace(found, claim=await platform.store.claims.find(found.key))
    if found.detector_id is None:
        raise Unavailable("the question itself has not been stored yet", after_s=1.0)
    return await platform.catalog.detector(found.key.tenant, found.detector_id)


def understand(detector: DetectorRecord | None, given: str) -> Said:
    """Return what a person's answer is for the detector.

    Raises:
        Refused: label_invalid.
    """
    if detector is not None and detector.mode == "text" and given != UNCLEAR:
        return Said(TEXT, _kept(detector, given))
    labels = (*(detector.labels if detector is not None else ()), UNCLEAR)
    if detector is not None and detector.mode == "count":
        labels = (GREATER_THAN_MAX, UNCLEAR)
        if given.isascii() and given.isdecimal() and int(given) <= _LARGEST_COUNT:
            return Said(str(int(given)))
    if given in labels:
        return Said(given)
    for label in labels:
        if label.casefold() == given.casefold():
            return Said(label)
    named = ", ".join(labels[:_MOST_NAMED])
    numbers = f"numbers up to {_LARGEST_COUNT}, " if detector is not None and detector.mode == "count" else ""
    raise Refused("label_invalid", f"the labels are: {numbers}{named}{', ...' if len(labels) > _MOST_NAMED else ''}")


async def add_label(platform: Platform, found: Found, added: LabelAdded) -> Found:
    """Publish the label unless it is there, and wait for the fold; return what is known then.

    Raises:
        Refused: query_erased.
        Unavailable: the bus is away, nothing happened; or Unknown.
    """
    if has_label(found, added.label_id):
        return found  # a repeat
    found = await add_fact(
        platform, found, added, lambda document: any(answer.id == added.label_id for answer in document.answers)
    )
    if found.document is not None and found.document.erased_at is not None:
        raise Refused("query_erased")
    return found


def has_label(found: Found, label_id: str) -> bool:
    """Say whether the label is in the document."""
    return found.document is not None and any(answer.id == label_id for answer in found.document.answers)


def _kept(detector: DetectorRecord, text: str) -> str:
    most = detector.max_characters
    if most is not None and len(text) > most:
        raise Refused("label_invalid", f"the detector keeps texts of at most {most} characters, this has {len(text)}")
    return text
