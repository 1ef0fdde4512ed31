"""Tables and sections in Markdown."""

from collections.abc import Iterable, Sequence


def section(title: str, content: str) -> str:
    """Return a section of the third level; nothing where there is no content."""
    return f"### {title}\n\n{content}" if content else ""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; nothing where there are no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(head), "|" + "---|" * len(head), *lines, ""]) if lines else ""


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
