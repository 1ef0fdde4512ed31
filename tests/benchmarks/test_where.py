"""A sample counts for the innermost frame that means something."""

import pytest

from benchmarks.where import shares_of

STACKS = (
    "main (kit/runtime.py:1);run (asyncio/runners.py:2);publish (aiormq/channel.py:3);dumps (json/encoder.py:4) 3",
    "main (services/kit/runtime.py:1);handle (services/inference/answering.py:5) 1",
    "main (services/inference/decode_child.py:1);decode (services/inference/decode.py:2) 4",
    "main (somewhere.py:1) 2",
    "_bootstrap (threading.py:1);_worker (concurrent/futures/thread.py:2) 90",
    "_bootstrap (threading.py:1);PeriodicExecutor._run (pymongo/periodic_executor.py:2);check (pymongo/a.py:3) 80",
)


def test_samples_are_shared_out_by_what_they_mean() -> None:
    assert shares_of(STACKS) == pytest.approx(
        {"decoding and resizing": 0.4, "AMQP driver": 0.3, "other": 0.2, "answering": 0.1}
    )


def test_no_samples_are_no_shares() -> None:
    assert shares_of([]) == {}
