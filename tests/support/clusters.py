"""Clusters of three on one machine, each member in a place of its own, so that the wires between them can be cut."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from infra.local.mongodb import MongoDB, found_set, url_of
from infra.local.places import Place
from infra.local.rabbitmq import RabbitMQ, vhost_of
from infra.passwords import make_key
from tests.support.servers import AMQP_CONFIG, session_folder

_TICK_S = 8
"""After so many seconds of silence nodes of RabbitMQ give each other up; 60 unless an operator says otherwise."""
_PARTITIONS = {"cluster_partition_handling": "pause_minority"}
_ANSWER_MS = 3000


class RabbitCluster:
    """Three nodes that pause where they find themselves in a minority, as docs/production.md tells operators."""

    def __init__(self, nodes: Sequence[RabbitMQ]) -> None:
        self.nodes = nodes

    def vhost(self, name: str) -> str:
        """Make a fresh virtual host and return the administrator's address in it, which names every member."""
        url = self.nodes[0].vhost(name)
        user = urlsplit(url).netloc.rpartition("@")[0]
        hosts = ",".join(urlsplit(node.url).netloc.rpartition("@")[2] for node in self.nodes)
        return urlunsplit(urlsplit(url)._replace(netloc=f"{user}@{hosts}"))

    def leader(self, url: str, queue: str) -> RabbitMQ:
        """The node that leads a quorum queue; asked of a node that answers."""
        asking = next(node for node in self.nodes if node.runs)
        listed = asking.ctl("list_queues", "-p", vhost_of(url), "name", "leader")
        leaders = dict(line.split("\t")[:2] for line in listed.splitlines() if "\t" in line)
        return next(node for node in self.nodes if leaders[queue] == node.node)


@contextmanager
def rabbit_cluster(places: Sequence[Place]) -> Iterator[RabbitCluster]:
    """Run a node in each place, all of one cluster."""
    secret = secrets.token_hex(16)
    arguments = {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"+S 1:1 +sbwt none -kernel net_ticktime {_TICK_S}"}
    with ExitStack() as stack:
        nodes = [
            RabbitMQ(
                session_folder("rabbitmq"),
                config={**AMQP_CONFIG, **_PARTITIONS},
                place=place,
                secret=secret,
                environment=arguments,
            )
            for place in places
        ]
        for node in nodes:
            stack.enter_context(closing(node))
            node.start()
        for node in nodes[1:]:
            node.join(nodes[0])
        yield RabbitCluster(nodes)


class MongoSet:
    """A replica set of three."""

    def __init__(self, members: Sequence[MongoDB], key: str) -> None:
        self.members = members
        self._key = key

    def database(self, name: str) -> str:
        """The administrator's address of a fresh database, which names every member."""
        addresses = ",".join(member.address for member in self.members)
        return url_of(address=addresses, password=self._key, database=f"{name}-{secrets.token_hex(4)}")

    def primary(self, among: Sequence[MongoDB] = ()) -> MongoDB | None:
        """The member that says it is primary, None while there is none."""
        return next((member for member in among or self.members if member.runs and self._leads(member)), None)

    def _leads(self, member: MongoDB) -> bool:
        address = url_of(address=member.address, password=self._key)
        try:
            with MongoClient[dict[str, object]](
                address, serverSelectionTimeoutMS=_ANSWER_MS, timeoutMS=_ANSWER_MS
            ) as client:
                return bool(client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False


@contextmanager
def mongo_set(places: Sequence[Place]) -> Iterator[MongoSet]:
    """Run a member in each place, the first of them primary."""
    key = make_key()
    with ExitStack() as stack:
        members = [MongoDB(session_folder("mongodb"), place=place, key=key) for place in places]
        for member in members:
            stack.enter_context(closing(member))
            member.launch()
        first, *others = (member.address for member in members)
        found_set(address=first, key=key, member=first, password=key, others=others)
        yield MongoSet(members, key)
