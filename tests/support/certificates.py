"""Certificates of our own making, by the `openssl` command."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.local.errors import ServerMissingError

_HANDSHAKE_S = 5.0
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Authority:
    """A certificate authority with its files in `folder`."""

    folder: Path

    @cached_property
    def ca_file(self) -> Path:
        """Its own certificate, which those who trust it are given."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "ca.pem"
        subject = ("-subj", "/CN=tests", "-days", "2", "-addext", "basicConstraints=critical,CA:TRUE")
        _openssl("req", "-x509", *_KEY, *subject, "-keyout", self.folder / "ca.key", "-out", file)
        return file

    def serving(self, *, name: str = "IP:127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """What a server shows that is called `name`; with negative `days` it has expired."""
        ca_file = self.ca_file
        stem = self.folder / f"{name.replace(':', '-')}{days}"
        key, request, chain = (stem.with_suffix(suffix) for suffix in (".key", ".csr", ".pem"))
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={name}\nbasicConstraints=critical,CA:FALSE\n")
        _openssl("req", "-new", *_KEY, "-subj", "/CN=server", "-keyout", key, "-out", request)
        signing = ("-CA", ca_file, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-days", str(days))
        _openssl("x509", "-req", "-in", request, *signing, "-extfile", extensions, "-out", chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context


@contextmanager
def handshaking(serving: ssl.SSLContext) -> Iterator[int]:
    """A listener that shakes hands with everybody and then hangs up; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, serving))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _shake_hands(listener: socket.socket, serving: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            connection.settimeout(_HANDSHAKE_S)
            serving.wrap_socket(connection, server_side=True).close()


def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise ServerMissingError("no openssl here, which makes certificates for the tests: apt-get install openssl")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
