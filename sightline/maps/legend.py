"""What the marks and colours of a map mean."""

import math

from sightline.maps.colors import FAINT, INK, SITE, SKY, color_of
from sightline.maps.marks import mark
from sightline.maps.meetings import Story
from sightline.maps.sheet import Point, Sheet

_WIDTH = 280.0
_BAR, _STEPS = 14.0, 120
_LINE = 22.0
_MOST_NAMES = 12


def draw(sheet: Sheet, at: Point, story: Story, farthest_km: float) -> None:
    """Draw the legend with its upper left corner at a point."""
    left, top = at
    sheet.text((left - 1, top), story.title, size=22, color=INK)
    top += 40
    sheet.text((left, top), story.subtitle.partition(" UTC, ")[0] + " UTC", size=12.5, color=INK)
    sheet.text((left, top + 20), story.subtitle.partition(" UTC, ")[2], size=12.5, color=FAINT)
    top = _distances(sheet, (left, top + 62), farthest_km)
    top = _marks(sheet, (left, top + 34), story)
    notes = [
        "Each mark is where a spacecraft, or its footprint, was when",
        "a conjunction was closest. Lines join who met.",
    ]
    if story.unplaced:
        notes.append(f"{story.unplaced:,} more have no place in the ephemeris now.")
    for number, words in enumerate(notes):
        sheet.text((left, top + 24 + 17 * number), words, size=11, color=FAINT)


def round_km(farthest_km: float) -> float:
    """Return the end of the scale for a farthest distance: its quarters are whole."""
    quarter = math.ceil(farthest_km / 4)
    return 4.0 * max(1, quarter if quarter < 5 else 5 * math.ceil(quarter / 5))


def _distances(sheet: Sheet, at: Point, farthest_km: float) -> float:
    left, top = at
    sheet.text((left, top), "least distance, km", size=12.5, color=INK)
    top += 22
    for step in range(_STEPS):
        x = left + _WIDTH * step / _STEPS
        right = x + _WIDTH / _STEPS + 0.5
        sheet.shape([(x, top), (right, top), (right, top + _BAR), (x, top + _BAR)], color_of((step + 0.5) / _STEPS))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        anchor = {0.0: "la", 1.0: "ra"}.get(share, "ma")
        x = left + _WIDTH * share
        sheet.text((x, top + _BAR + 5), f"{farthest_km * share:,.0f}", size=11, color=FAINT, anchor=anchor)
    return top + _BAR + 14


def _marks(sheet: Sheet, at: Point, story: Story) -> float:
    left, top = at
    sites = len({body.name for meeting in story.meetings for body, _ in meeting.bodies if not body.moves})
    if sites:
        sheet.shape([(left + 1, top + 11), (left + 7, top), (left + 13, top + 11)], SITE, edge=SKY)
        sheet.text((left + 26, top + 6), f"{sites} site{'s' * (sites != 1)}", size=12.5, color=INK, anchor="lm")
        top += _LINE
    for number, (name, count) in enumerate(story.moving[:_MOST_NAMES]):
        mark(sheet, number, (left + 7, top + 6), 5.0, color_of(0.45))
        sheet.text((left + 26, top + 6), name, size=12.5, color=INK, anchor="lm")
        sheet.text((left + _WIDTH, top + 6), f"{count:,}", size=12.5, color=FAINT, anchor="rm")
        top += _LINE
    if len(story.moving) > _MOST_NAMES:
        sheet.text(
            (left + 26, top + 6), f"and {len(story.moving) - _MOST_NAMES} more", size=12.5, color=FAINT, anchor="lm"
        )
        top += _LINE
    return top
