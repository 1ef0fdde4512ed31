"""What is wrong with data that somebody brought: the file, the line, the column and the rule."""

from pathlib import Path

from sightline.errors import SightlineError

_LONGEST = 40


class BadData(SightlineError):  # noqa: N818 - reads as what happened
    """Data that cannot be taken. Nothing of it was sent anywhere.

    `line` counts from 1; for a format without lines it is the row, and `unit` says so.
    """

    def __init__(
        self, file: str | Path, rule: str, *, line: int | None = None, column: str = "", unit: str = "line"
    ) -> None:
        where = [str(file)]
        if line is not None:
            where.append(f"{unit} {line}")
        if column:
            where.append(f"column {column}")
        super().__init__(f"{', '.join(where)}: {rule}")
        self.file = str(file)
        self.line = line
        self.column = column
        self.rule = rule


def shown(cell: object) -> str:
    """Return what stands in a cell as a person may be shown it."""
    text = cell if isinstance(cell, str) else str(cell)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
