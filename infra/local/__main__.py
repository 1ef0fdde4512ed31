"""`make servers`: a RabbitMQ and a MongoDB for development, until Ctrl-C. What they stored goes with them."""

import signal
import socket
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

from infra.local import folders, processes
from infra.local.errors import ServerFailedError, ServerMissingError
from infra.local.mongodb import MongoDB
from infra.local.rabbitmq import RabbitMQ

_AMQP_PORT = 5672
_MONGODB_PORT = 27017
_WATCH_S = 1.0


def main() -> int:
    """Start both, print their addresses, wait for a signal; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _serve()
    except KeyboardInterrupt:
        return 0


def _serve() -> int:
    with ExitStack() as stack:
        try:
            folders.sweep()
            broker = stack.enter_context(closing(RabbitMQ(_folder(stack, "rabbitmq"), port=_usual(_AMQP_PORT))))
            store = stack.enter_context(closing(MongoDB(_folder(stack, "mongodb"), port=_usual(_MONGODB_PORT))))
            broker.start()
            store.start()
        except (ServerMissingError, ServerFailedError) as error:
            print(error, file=sys.stderr)
            return 1
        store_url = store.database("sightline", fresh=False)
        print(f"RabbitMQ {broker.version}: {broker.url}")
        print(f"MongoDB: {store_url}")
        print(f"\n  sightline up --bus '{broker.url}' --store '{store_url}'\n")
        print("Ctrl-C ends both.", flush=True)
        return _watch(broker, store)


def _watch(broker: RabbitMQ, store: MongoDB) -> int:
    """Return when a server ended by itself."""
    while broker.runs and store.runs:
        time.sleep(_WATCH_S)
    for server in (broker, store):
        if not server.runs:
            print(f"{type(server).__name__} ended by itself:\n{processes.tail([server.log])}", file=sys.stderr)
    return 1


def _folder(stack: ExitStack, kind: str) -> Path:
    folder = folders.make_folder(kind)
    stack.callback(folders.remove, folder)
    return folder


def _usual(port: int) -> int | None:
    """The port that everybody knows, when it is free."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return None
    return port


if __name__ == "__main__":
    sys.exit(main())
