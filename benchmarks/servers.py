"""The broker and the database that the separate services use: given by address, or our own for this run."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from infra.local import folders
from infra.local.management import Management
from infra.local.mongodb import MongoDB
from infra.local.rabbitmq import RabbitMQ

_DATABASE = "sightline_benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Addresses, and the processes where they are ours."""

    bus: str
    store: str
    processes: Mapping[str, int] = field(default_factory=dict)
    management: Management | None = None

    def with_database(self, name: str) -> Self:
        """Return the same with a database of its own, named after this one."""
        parts = urlsplit(self.store)
        return replace(self, store=urlunsplit(parts._replace(path=f"{parts.path}-{name}")))


@contextmanager
def own_servers() -> Iterator[Servers]:
    """Run a RabbitMQ and a MongoDB on free ports; leaving ends them and removes what they stored.

    Raises:
        ServerMissingError: one of them is not installed; it says what to do.
    """
    with ExitStack() as stack:
        broker_folder, database_folder = folders.make_folder("rabbitmq"), folders.make_folder("mongodb")
        for folder in (broker_folder, database_folder):
            stack.callback(folders.remove, folder)
        broker, database = RabbitMQ(broker_folder), MongoDB(database_folder)
        for server in (broker, database):
            stack.callback(server.close)
            server.start()
        yield Servers(
            bus=broker.url,
            store=database.database(_DATABASE),
            processes={"broker": broker.pid, "database": database.pid},
            management=broker.management,
        )
