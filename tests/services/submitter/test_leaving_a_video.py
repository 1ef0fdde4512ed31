"""A video file that is left while a thread reads it: a capture that is released under its reader aborts the process."""

import asyncio
import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

from services.submitter.capture import VideoFile

ROOT = Path(__file__).parents[3]
VIDEO = ROOT / "examples" / "door" / "door.mp4"
TIMES = 60


async def take_all() -> None:
    async with VideoFile(VIDEO) as source, aclosing(source.frames(3.0)) as frames:
        async for _ in frames:
            pass


async def leave_in_the_middle() -> None:
    for number in range(TIMES):
        taking = asyncio.create_task(take_all())
        await asyncio.wait({taking}, timeout=0.01 + 0.1 * number / TIMES)  # sooner and later in a read
        taking.cancel()
        await asyncio.wait({taking})


async def test_a_video_can_be_left_in_the_middle_of_a_read() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(50):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-2000:]


if __name__ == "__main__":
    asyncio.run(leave_in_the_middle())
