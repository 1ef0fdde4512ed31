import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from contracts.http.models import ManifestInput
from services.inference.decode_child import damage_in
from services.inference.decoder import Decode, Decoded, DecoderBroken
from services.inference.decoding import DecodePool
from services.kit.errors import Refused, Unavailable
from tests.support import images

WANTED = ManifestInput(width=32, height=24)
_BAD_OPENCV = """
import os
class error(Exception): ...
def setNumThreads(count): ...
def imdecode(*given): os.abort()
def __getattr__(name): return 1
"""
_FUSSY_OPENCV = """
import os, sys
sys.path.remove(os.path.dirname(__file__))
del sys.modules["cv2"]
import cv2
plain = cv2.imdecode
def imdecode(data, flags):
    return os.abort() if b"CRASH" in data.tobytes() else plain(data, flags)
cv2.imdecode = imdecode
"""


@asynccontextmanager
async def pool_of(threads: int = 1, *, max_pixels: int = 1_000_000, limit_s: float = 30.0) -> AsyncIterator[DecodePool]:
    async with AsyncExitStack() as stack:
        pool = DecodePool(threads, max_pixels=max_pixels, limit_s=limit_s)
        await pool.start(stack)
        yield pool


async def decode(pool: DecodePool, data: bytes, wanted: ManifestInput = WANTED) -> Decoded:
    (result,) = await decode_all(pool, [data], wanted)
    if isinstance(result, Refused):
        raise result
    return result


async def decode_all(
    pool: DecodePool, data: Sequence[bytes], wanted: ManifestInput = WANTED
) -> Sequence[Decoded | Refused]:
    def job(decode: Decode) -> Sequence[Decoded | Refused]:
        results = decode(data, wanted)  # the pixels are theirs only until the thread decodes again
        return [each if isinstance(each, Refused) else replace(each, pixels=each.pixels.copy()) for each in results]

    return await pool.run(job)


async def code_of(pool: DecodePool, data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        await decode(pool, data)
    return refused.value.code


def noise_in_the_scan(data: bytes) -> bytes:
    """The middle of a JPEG replaced by noise without markers: its structure stays whole."""
    start, length = len(data) // 2, len(data) // 10
    noise = np.random.default_rng(5).integers(0, 255, length, dtype=np.uint8).tobytes()  # never 0xFF
    return data[:start] + noise + data[start + length :]


def process(number: int, *names: str) -> Path:
    return Path("/proc", str(number), *names)


async def test_many_images_at_once_come_out_right() -> None:
    async with pool_of(3) as pool:
        colours = [ManifestInput(width=8, height=8, color=color) for color in ("rgb", "bgr", "gray")]
        jobs = [(images.make_png(seed), wanted) for seed in range(20) for wanted in colours]
        results = await asyncio.gather(*(decode(pool, data, wanted) for data, wanted in jobs))
    for (_, wanted), result in zip(jobs, results, strict=True):
        assert result.pixels.shape == (8, 8, wanted.channels)
        assert (result.width, result.height) == (64, 48)
    for rgb, bgr in zip(results[0::3], results[1::3], strict=True):
        assert (rgb.pixels == bgr.pixels[:, :, ::-1]).all()
    assert len({result.pixels.tobytes() for result in results[0::3]}) == 20


@pytest.mark.parametrize(
    "data",
    [images.make_jpeg(width=320, height=240), images.make_jpeg(width=320, height=240, progressive=True)],
    ids=["baseline", "progressive"],
)
async def test_a_jpeg_whose_structure_is_whole_but_whose_pixels_are_damaged_is_corrupt(data: bytes) -> None:
    async with pool_of() as pool:
        assert await code_of(pool, noise_in_the_scan(data)) == "image_corrupt"
        assert await code_of(pool, images.truncated(data) + b"\xff\xd9") == "image_corrupt"  # half of it grey
        assert (await decode(pool, data)).width == 320  # the complaint about one is not held against the next


async def test_of_images_decoded_together_only_the_bad_ones_are_refused() -> None:
    small, large, damaged = images.make_jpeg(1), images.make_png(2), images.damaged_jpeg()
    async with pool_of() as pool:
        first, bad, last = await decode_all(pool, [small, damaged, large])
        alone = [await decode(pool, data) for data in (small, large)]
    assert isinstance(bad, Refused)
    assert bad.code == "image_corrupt"
    for together, single in zip((first, last), alone, strict=True):
        assert isinstance(together, Decoded)
        assert (together.pixels == single.pixels).all()


async def test_of_images_decoded_together_a_crash_costs_only_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cv2.py").write_text(_FUSSY_OPENCV)
    monkeypatch.syspath_prepend(tmp_path)
    async with pool_of() as pool:
        good = [images.make_jpeg(seed) for seed in range(3)]
        results = await decode_all(pool, [good[0], good[1] + b"CRASH", good[2]])
        alone = [await decode(pool, data) for data in (good[0], good[2])]
    crashed = results[1]
    assert isinstance(crashed, Refused)
    assert crashed.code == "image_corrupt"
    for together, single in zip((results[0], results[2]), alone, strict=True):
        assert isinstance(together, Decoded)
        assert (together.pixels == single.pixels).all()


async def test_images_that_weigh_too_much_together_are_decoded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.inference.decoder._TOGETHER_BYTES", 10)
    async with pool_of() as pool:
        results = await decode_all(pool, [images.make_jpeg(1), images.damaged_jpeg(), images.make_png(2)])
        last = await decode(pool, images.make_png(2))
    assert [isinstance(result, Refused) for result in results] == [False, True, False]
    assert isinstance(results[2], Decoded)
    assert (results[2].pixels == last.pixels).all()


async def test_images_decoded_together_get_a_second_chance_when_their_child_is_killed() -> None:
    async with pool_of() as pool:
        await decode(pool, images.make_jpeg())
        os.kill(pool.children[0], signal.SIGKILL)
        results = await decode_all(pool, [images.make_jpeg(seed) for seed in range(3)])
    assert [result.width for result in results if isinstance(result, Decoded)] == [64, 64, 64]


async def test_a_larger_model_after_a_smaller_one_gets_its_pixels() -> None:
    async with pool_of() as pool:
        small = await decode(pool, images.make_png(3), ManifestInput(width=8, height=8))
        large = await decode(pool, images.make_png(3), ManifestInput(width=640, height=480))
        assert large.pixels.shape == (480, 640, 3)
        assert large.pixels.any()
        assert ((await decode(pool, images.make_png(3), ManifestInput(width=8, height=8))).pixels == small.pixels).all()


async def test_the_limits_hold_in_the_child() -> None:
    async with pool_of(max_pixels=100 * 100) as pool:
        assert await code_of(pool, images.make_png(width=101, height=100)) == "image_too_large"
        assert await code_of(pool, images.HDR_BOMB) == "image_format"
        assert await code_of(pool, images.png_claiming(30_000, 30_000)) == "image_too_large"


async def test_an_image_gets_a_second_chance_when_its_child_is_killed() -> None:
    async with pool_of() as pool:
        await decode(pool, images.make_jpeg())
        (first,) = pool.children
        os.kill(first, signal.SIGKILL)
        assert (await decode(pool, images.make_jpeg())).width == 64
        assert pool.children != [first]


async def test_a_child_that_says_nothing_is_replaced() -> None:
    async with pool_of(limit_s=3.0) as pool:
        await decode(pool, images.make_jpeg())
        (first,) = pool.children
        os.kill(first, signal.SIGSTOP)
        assert await code_of(pool, images.make_jpeg()) == "image_corrupt"
        assert (await decode(pool, images.make_jpeg())).width == 64
        assert pool.children != [first]


async def test_where_no_child_can_be_started_it_is_said_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool_of() as pool:
        await decode(pool, images.make_jpeg())
        await pool.check()
        python = sys.executable
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        os.kill(pool.children[0], signal.SIGKILL)
        with pytest.raises(Unavailable):
            await decode(pool, images.make_jpeg())
        with pytest.raises(Unavailable, match="images cannot be decoded: decode_child cannot be started"):
            await pool.check()
        monkeypatch.setattr(sys, "executable", python)
        assert (await decode(pool, images.make_jpeg())).width == 64
        await pool.check()


async def test_a_decoder_that_crashes_on_everything_blames_no_image(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cv2.py").write_text(_BAD_OPENCV)
    async with pool_of() as pool:
        assert await code_of(pool, images.damaged_jpeg()) == "image_corrupt"
        monkeypatch.syspath_prepend(tmp_path)  # what the next child imports
        os.kill(pool.children[0], signal.SIGKILL)
        with pytest.raises(DecoderBroken):
            await decode(pool, images.make_jpeg())


async def test_the_child_knows_no_setting_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_TOKEN_PEPPER", "secret-of-ours")
    async with pool_of() as pool:
        await decode(pool, images.make_jpeg())
        (child,) = pool.children
        assert b"secret-of-ours" not in process(child, "environ").read_bytes()


async def test_one_decoder_does_what_is_little_work() -> None:
    async with pool_of(3) as pool:
        await asyncio.gather(*(decode(pool, images.make_jpeg(seed)) for seed in range(50)))
        assert len(pool.children) == 1


async def work_hard(pool: DecodePool) -> None:
    """Keep a decoder at work for long enough to be noticed."""
    large, wanted = images.make_jpeg(width=2000, height=2000), ManifestInput(width=1500, height=1500)
    results = await asyncio.gather(*(decode(pool, large, wanted) for _ in range(40)))
    assert {result.width for result in results} == {2000}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any work is much: the machine may be busy with other tests."""
    monkeypatch.setattr("services.inference.decoding._MOST_SHARE", 0.0)


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("impatient")
async def test_a_decoder_that_works_most_of_the_time_gets_help() -> None:
    async with pool_of(2, max_pixels=4_000_000) as pool:
        while len(pool.children) < 2:
            await work_hard(pool)


@pytest.mark.timeout(60)
async def test_a_decoder_that_hangs_gets_help() -> None:
    async with pool_of(2) as pool:
        await decode(pool, images.make_jpeg())
        (first,) = pool.children
        os.kill(first, signal.SIGSTOP)
        stuck = [asyncio.create_task(decode(pool, images.make_jpeg(seed))) for seed in range(2)]
        done, waiting = await asyncio.wait(stuck, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == len(waiting) == 1
        os.kill(first, signal.SIGCONT)
        await asyncio.gather(*stuck)


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("impatient")
async def test_where_no_other_decoder_can_be_started_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool_of(2, max_pixels=4_000_000) as pool:
        await decode(pool, images.make_jpeg())
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with capture_logs() as logged:
            while not logged:
                await work_hard(pool)
        assert [each["event"] for each in logged] == ["inference.decoder_not_started"]
        await pool.check()
        assert len(pool.children) == 1


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("impatient")
async def test_closing_ends_every_child() -> None:
    async with pool_of(2, max_pixels=4_000_000) as pool:
        while len(pool.children) < 2:
            await work_hard(pool)
        started = pool.children
    assert not [child for child in started if process(child).exists()]


@pytest.mark.parametrize(
    "complaint",
    [
        b"",
        b"libpng warning: iCCP: known incorrect sRGB profile\n",
        b"Corrupt JPEG data: 2 extraneous bytes before marker 0xd9\n",
        b"Warning: unknown JFIF revision number 2.01\n",
    ],
)
def test_what_cameras_do_every_day_is_no_damage(complaint: bytes) -> None:
    assert damage_in(complaint) is None


@pytest.mark.parametrize(
    "complaint",
    [
        b"Corrupt JPEG data: premature end of data segment\n",
        b"Corrupt JPEG data: bad Huffman code\n",
        b"Corrupt JPEG data: 1431 extraneous bytes before marker 0xd9\n",
        b"Corrupt JPEG data: found marker 0xd2 instead of RST1\n",
    ],
)
def test_a_decoder_that_lost_its_place_is_damage(complaint: bytes) -> None:
    assert damage_in(complaint) == complaint.decode().strip()
