"""Asks the service in this container whether it is ready: exit code 0 when it is, 1 with the answer when not.

    python -m services.kit.probe

For health checks in images without curl. Imports nothing but the standard library: it runs every few seconds.
"""

import http.client
import os
import sys

_ANSWER_S = 4.0
_DEFAULT_PORT = 8470


def main() -> None:
    """Ask `/readyz` on this machine's loopback, at the port of SIGHTLINE_PORT."""
    port = int(os.environ.get("SIGHTLINE_PORT") or _DEFAULT_PORT)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace")
    except OSError as error:
        sys.exit(f"nobody answers at port {port}: {error.strerror or error}")
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        sys.exit(said)


if __name__ == "__main__":
    main()
