"""Fifty retrievers wait side by side, each for one ID that comes on standard input with the answer to expect."""

import sys
from concurrent.futures import ThreadPoolExecutor

from groundlight import Groundlight

gl = Groundlight()


def wait(line: str) -> bool:
    query_id, expected = line.split()
    return bool(gl.wait_for_confident_result(query_id, timeout_sec=30).result.label == expected)


with ThreadPoolExecutor(50) as pool:
    waits = [pool.submit(wait, line) for line in sys.stdin]
assert [one.result() for one in waits] == [True] * 50
