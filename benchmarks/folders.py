"""Where the benchmarks keep what they make: a cache under build/, which git ignores."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
LATEST = RESULTS / "latest.json"
REPORT = ROOT / "docs" / "performance.md"


def cache() -> Path:
    """The cache folder, made when missing. Removing it costs a minute of making everything again."""
    folder = ROOT / "build" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
