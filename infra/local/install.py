"""Installs Debian's RabbitMQ where tests or `make servers` need one and this machine lets us, and what tests take more.

`python -m infra.local.install` never fails: where nothing can be installed, what needs the server says so itself.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.local.errors import ServerMissingError
from infra.local.rabbitmq import find_programs

_ANSWER_S = 20
_PROGRAMS = {"--for-tests": {"openssl": "openssl"}, "--for-drill": {"strace": "strace", "ip": "iproute2"}}
"""Programs and their packages, by the option that asks for them."""


def main() -> None:
    """Install what is missing and will be used."""
    packages = []
    if not (_is_there() or os.environ.get("SIGHTLINE_TEST_AMQP_URL") or _docker_serves()):
        packages.append("rabbitmq-server")
    for option, programs in _PROGRAMS.items():
        if option in sys.argv:
            packages += [package for program, package in programs.items() if shutil.which(program) is None]
    if not packages or shutil.which("apt-get") is None or os.getuid() != 0:
        return
    installer = Path(__file__).with_name("install.sh")
    subprocess.run([str(installer), *packages], check=False)  # noqa: S603 (our own script)


def _is_there() -> bool:
    try:
        find_programs()
    except ServerMissingError:
        return False
    return True


def _docker_serves() -> bool:
    """Whether the tests will use a Docker engine; not asked for development, where one wants plain processes."""
    docker = shutil.which("docker")
    if "--for-tests" not in sys.argv or docker is None or os.environ.get("SIGHTLINE_TEST_SERVERS") == "local":
        return False
    asked = subprocess.run([docker, "info"], capture_output=True, timeout=_ANSWER_S, check=False)  # noqa: S603
    return asked.returncode == 0


if __name__ == "__main__":
    main()
