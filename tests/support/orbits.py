"""Files of positions for the import, and elements that the library Skyfield documents."""

from collections.abc import Callable, Sequence
from pathlib import Path

ISS = (
    "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082",
    "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473",
)
"""The space station in January 2014, as in Skyfield's page on Earth satellites."""
SAID = "# frame: GEO\n# unit: degrees\n# time scale: UTC\n"
HEADER = "epoch,lat,lon,metadata.state"

WriteCsv = Callable[..., Path]


def rows(count: int = 4, *, first: int = 0) -> list[str]:
    """Rows of a CSV, a minute apart."""
    return [
        f"2020-01-01T{n // 60:02}:{n % 60:02}:00,{n % 50 / 10},{n % 50 / 10},good" for n in range(first, first + count)
    ]


def write_csv(path: Path, lines: Sequence[str], *, header: str = HEADER, said: str = SAID) -> Path:
    """Write a file; its first row is line 5 where `said` has three lines."""
    path.write_text(said + "\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path
