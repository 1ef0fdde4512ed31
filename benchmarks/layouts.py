"""The platform as it is measured: all in one process, or each service in its own on a broker and a database."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import installation, models, servers
from benchmarks.figures import Memory
from benchmarks.installation import Installation
from benchmarks.servers import Servers

_MB = 1_000_000


@contextmanager
def embedded() -> Iterator[Installation]:
    """The all-in-one process, its data in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder, installation.all_in_one(Path(folder)) as opened:
        yield opened


@contextmanager
def separate(
    given: Servers | None, *, workers: int = 1, pinned: bool = False, **settings: str
) -> Iterator[Installation]:
    """Each service a process, on the servers given or on our own; see `installation.separate`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_servers(given) as on,
        installation.separate(
            Path(folder),
            bus=on.bus,
            store=on.store,
            workers=workers,
            pinned=pinned,
            servers=on.processes,
            settings=settings,
        ) as opened,
    ):
        yield opened


def prepared(opened: Installation, names: Sequence[str]) -> dict[str, str]:
    """Bring models of the benchmark to it; return the detectors by the models' names."""
    return {name: opened.prepare(models.load(name)) for name in names}


def servers_of(opened: Installation) -> Servers:
    """Return the servers that it uses."""
    return Servers(bus=opened.bus, store=opened.store, processes=opened.servers)


def peak_memory(opened: Installation) -> Mapping[str, Any]:
    """Return the peak of each service up to now."""
    return {
        name: asdict(Memory(round(used.own_peak_bytes / _MB, 1), round(used.children_peak_bytes / _MB, 1)))
        for name, used in opened.usage().items()
    }


@contextmanager
def open_servers(given: Servers | None) -> Iterator[Servers]:
    """The servers given, or our own until the end."""
    if given is not None:
        yield given
    else:
        with servers.own_servers() as own:
            yield own
