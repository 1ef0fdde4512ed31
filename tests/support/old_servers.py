"""Servers that are too old, as far as a client asks before it goes away: nobody packs real ones any more."""

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import bson

_RABBITMQ = "3.9.29"
_MONGODB = "5.0.31"
_OP_MSG = 2013


@contextmanager
def old_rabbitmq() -> Iterator[int]:
    """A RabbitMQ 3.9 that greets, and lets everybody in; yields its port."""
    with _serving(_speak_amqp) as port:
        yield port


@contextmanager
def old_mongodb() -> Iterator[int]:
    """The primary of a replica set of MongoDB 5.0 without a document; yields its port."""
    with _serving(_speak_mongodb) as port:
        yield port


@contextmanager
def _serving(speak: Callable[[StreamRequestHandler], None]) -> Iterator[int]:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            try:
                speak(self)
            except (ConnectionError, struct.error):
                return  # it has heard enough

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _speak_amqp(peer: StreamRequestHandler) -> None:
    peer.rfile.read(8)
    properties = _table({"product": "RabbitMQ", "version": _RABBITMQ})
    _send_method(peer, 10, bytes([0, 9]) + properties + _long(b"PLAIN") + _long(b"en_US"))
    _read_frame(peer)  # start-ok
    _send_method(peer, 30, struct.pack(">HIH", 0, 131072, 0))
    _read_frame(peer)  # tune-ok
    _read_frame(peer)  # open
    _send_method(peer, 41, b"\0")
    _read_frame(peer)  # close
    _send_method(peer, 51, b"")


def _send_method(peer: StreamRequestHandler, method: int, arguments: bytes) -> None:
    payload = struct.pack(">HH", 10, method) + arguments  # 10 is the class of connections
    peer.wfile.write(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")


def _read_frame(peer: StreamRequestHandler) -> None:
    _, _, size = struct.unpack(">BHI", peer.rfile.read(7))
    peer.rfile.read(size + 1)


def _table(fields: dict[str, str]) -> bytes:
    rows = b"".join(bytes([len(name)]) + name.encode() + b"S" + _long(text.encode()) for name, text in fields.items())
    return _long(rows)


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _speak_mongodb(peer: StreamRequestHandler) -> None:
    while True:
        size, request, _, code = struct.unpack("<iiii", peer.rfile.read(16))
        body = peer.rfile.read(size - 16)
        # The first greeting comes in the older form, whose document begins after the collection's name.
        asked = bson.decode(body[5:] if code == _OP_MSG else body[body.index(b"\0", 4) + 9 :])
        said = bson.encode({"ok": 1.0, **_answer(peer, asked)})
        if code == _OP_MSG:
            head, said = struct.pack("<iiii", 21 + len(said), 1, request, _OP_MSG), b"\0\0\0\0\0" + said
        else:
            head, said = struct.pack("<iiii", 36 + len(said), 1, request, 1), struct.pack("<iqii", 8, 0, 0, 1) + said
        peer.wfile.write(head + said)


def _answer(peer: StreamRequestHandler, asked: dict[str, Any]) -> dict[str, Any]:
    if "buildInfo" in asked:
        return {"version": _MONGODB, "versionArray": [*map(int, _MONGODB.split(".")), 0]}
    if "find" in asked:
        return {"cursor": {"id": 0, "ns": "sightline.checks", "firstBatch": []}}
    host, port = peer.request.getsockname()
    here = f"{host}:{port}"
    greeting = {
        "isWritablePrimary": True,
        "setName": "rs0",
        "setVersion": 1,
        "hosts": [here],
        "primary": here,
        "me": here,
    }
    limits = {"maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000}
    return {**greeting, **limits, "helloOk": True, "minWireVersion": 0, "maxWireVersion": 13}
