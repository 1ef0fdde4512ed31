"""Fifty robots ask side by side; each saves its ID as soon as it has it."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from groundlight import Groundlight

opened, closed = (Path(path).read_bytes() for path in sys.argv[1:3])
gl = Groundlight()
detector = gl.get_or_create_detector(name="door of robots", query="Is the door open?")


def ask(number: int) -> None:
    query = gl.ask_async(detector=detector, image=opened if number % 2 else closed)
    sys.stdout.write(f"{query.id} {'YES' if number % 2 else 'NO'}\n")
    sys.stdout.flush()


with ThreadPoolExecutor(50) as pool:
    list(pool.map(ask, range(50)))
