"""Virtual environments with other people's clients, made once per machine outside the repository.

    python -m tests.support.clients

Each has a requirements file with hashes beside its tests. The tests make what is missing; `make test` does it before.
"""

from pathlib import Path

from infra.local import environments

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "tests" / "clients"


def python_of(client: str, version: str) -> Path:
    """Return the interpreter that has the client in that version, made now if it is missing."""
    requirements = REQUIREMENTS / client / "requirements" / f"{version}.txt"
    return environments.python_of(requirements, group="clients", name=f"{client}-{version}")


def main() -> None:
    """Make every environment that is missing."""
    for requirements in sorted(REQUIREMENTS.glob("*/requirements/*.txt")):
        print(python_of(requirements.parents[1].name, requirements.stem))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
