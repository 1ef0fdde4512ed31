"""Where captured images come from: files by the video's own time, folders once each, live sources the newest."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.kit.errors import ConfigError, Unavailable
from services.submitter.capture import LiveSource, VideoFile, camera, stream
from services.submitter.capture_command import open_source
from services.submitter.folder import FolderWatch
from services.submitter.frames import Frame, Source
from tests.support.images import HDR_BOMB, TEXT, make_jpeg, make_pixels, make_png, make_webp, truncated
from tests.support.rtsp import make_stream, network_camera

FRAMES, RATE = 20, 10


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames at ten a second."""
    path = tmp_path_factory.mktemp("video") / "scene.mp4"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), RATE, (64, 48))
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), number * 12, np.uint8))
    writer.release()
    return path


async def taken(source: Source, interval_s: float, count: int = 10_000) -> list[Frame]:
    """Take up to `count` frames."""
    frames: list[Frame] = []
    async with asyncio.timeout(20), source, aclosing(source.frames(interval_s)) as coming:
        async for frame in coming:
            frames.append(frame)
            if len(frames) == count:
                break
    return frames


@pytest.mark.parametrize(
    ("interval_s", "indexes"),
    [
        (0.0, range(20)),
        (0.1, range(20)),
        (0.5, [0, 5, 10, 15]),
        (0.25, [0, 3, 5, 8, 10, 13, 15, 18]),
        (0.01, range(20)),
        (60.0, [0]),
    ],
)
async def test_a_video_gives_one_frame_per_interval_of_its_own_time(
    video: Path, interval_s: float, indexes: Sequence[int]
) -> None:
    frames = await taken(VideoFile(video), interval_s)
    assert [frame.index for frame in frames] == list(indexes)
    for frame in frames:
        pixels = cv2.imdecode(np.frombuffer(frame.data, np.uint8), cv2.IMREAD_COLOR)
        assert frame.media_type == "image/jpeg"
        assert pixels is not None
        assert abs(float(pixels.mean()) - frame.index * 12) < 4, "the frame is the one that its index names"


@pytest.mark.parametrize(
    "content", [b"", TEXT, HDR_BOMB, os.urandom(5000), b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:1/x.ts\n"]
)
async def test_a_file_that_is_no_video_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "not-a.mp4"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a video that can be read"):
        await taken(open_source(str(path)), 1)


async def test_a_video_that_is_cut_short_is_said(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(truncated(await asyncio.to_thread(video.read_bytes)))
    with pytest.raises(ConfigError, match="not a video"):
        await taken(open_source(str(path)), 1)


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not there"):
        open_source(str(tmp_path / "missing.mp4"))
    with pytest.raises(ConfigError, match="not there"):
        open_source("a\0\nb")
    with pytest.raises(ConfigError, match="too long"):
        open_source("x" * 5000)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="neither a file nor a folder"):
        open_source(str(tmp_path / "pipe"))
    (tmp_path / "gone.mp4").touch()
    source = open_source(str(tmp_path / "gone.mp4"))
    (tmp_path / "gone.mp4").unlink()
    with pytest.raises(ConfigError, match=r"cannot read .*No such file"):
        await taken(source, 1)


@pytest.mark.parametrize("name", ["7777", "camera:7777"])
async def test_a_camera_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(ConfigError, match="no camera 7777"):
        await taken(open_source(name), 1)


@pytest.mark.parametrize(
    "address", ["http://camera/live", "file:///etc/passwd", "ftp://camera/x", "concat://a|b", "rtsp://", "rtsp://[x/"]
)
def test_an_address_with_another_scheme_or_no_host_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        open_source(address)


async def test_a_stream_that_hangs_fails_in_time_and_keeps_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = f"rtsp://user:hunter2@127.0.0.1:{port}/live?token=hunter2"
        async with asyncio.timeout(15):
            with pytest.raises(Unavailable, match=r"no video within 0\.5 s") as caught:
                await taken(stream(address, open_timeout_s=0.5), 1)
    assert f"rtsp://127.0.0.1:{port}/live" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_stream_that_nobody_serves_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unavailable, match="no video"):
        await taken(stream(f"rtsp://127.0.0.1:{port}/live"), 1)


async def test_a_network_camera_is_watched_again_after_it_hung_up(tmp_path: Path) -> None:
    async with network_camera(make_stream(tmp_path / "live.ts")) as server:
        indexes = []
        async with asyncio.timeout(30), stream(server.url) as source, aclosing(source.frames(0.05)) as frames:
            async for frame in frames:
                assert frame.data.startswith(b"\xff\xd8")
                indexes.append(frame.index)
                if server.watched >= 2 and len(indexes) >= 5:
                    break
    assert indexes == sorted(set(indexes))


class _Scene:
    """A camera without a device: it gives frames as fast as they are read, until it is pulled out.

    `reached` is called from the thread that reads.
    """

    def __init__(self, frames: int, reached: Callable[[int], None] = lambda _: None) -> None:
        self.frames = frames
        self.grabbed = 0
        self.reached = reached

    def grab(self) -> bool:
        self.grabbed += 1
        self.reached(self.grabbed)
        return self.grabbed <= self.frames

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, make_pixels(self.grabbed)

    def release(self) -> None:
        self.frames = 0


async def test_a_live_source_gives_the_newest_frame_and_skips_the_rest() -> None:
    passed = threading.Event()
    scene = _Scene(10**9, lambda grabbed: passed.set() if grabbed > 5000 else None)
    async with (
        asyncio.timeout(20),
        LiveSource("scene", lambda: scene) as source,
        aclosing(source.frames(0.0)) as frames,
    ):
        first = await anext(frames)
        assert await asyncio.to_thread(passed.wait, 20)  # nobody takes what comes
        second = await anext(frames)
    assert second.index >= max(first.index + 1, 5000)


async def test_a_camera_that_is_pulled_out_is_tried_again_until_it_is_back() -> None:
    attempts = [_Scene(3), None, None, _Scene(10**9)]
    tried = 0

    def plug() -> _Scene:
        nonlocal tried
        found = attempts[tried]
        tried += 1
        if found is None:
            raise ConfigError("there is no camera")
        return found

    source = LiveSource("scene", plug, first_pause_s=0.01)
    async with asyncio.timeout(20), source, aclosing(source.frames(0.0)) as frames:
        async for _ in frames:
            if tried == 4:
                break
    assert tried == 4


async def test_a_live_source_can_be_left_while_it_is_away() -> None:
    def unplugged() -> _Scene:
        if scenes:
            return scenes.pop()
        raise ConfigError("there is no camera")

    scenes = [_Scene(0)]
    with suppress(TimeoutError):
        async with LiveSource("scene", unplugged, first_pause_s=60) as source, asyncio.timeout(0.2):
            await anext(source.frames(0.0))


def test_a_camera_is_named_by_its_number() -> None:
    assert isinstance(open_source("0"), LiveSource)
    assert isinstance(camera(0), LiveSource)


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


async def test_a_folder_gives_what_lies_there_oldest_first_and_the_bytes_as_they_are(watched: Path) -> None:
    images = {"c.jpg": make_jpeg(1), "a.PNG": make_png(2), "b.webp": make_webp(3)}
    for number, (name, data) in enumerate(images.items()):
        (watched / name).write_bytes(data)
        os.utime(watched / name, (number, number))
    (watched / "notes.txt").write_bytes(make_jpeg(4))
    (watched / ".hidden.jpg").write_bytes(make_jpeg(4))
    (watched / "folder.jpg").mkdir()
    (watched / "nowhere.jpg").symlink_to(watched / "missing")
    os.mkfifo(watched / "pipe.jpg")
    frames = await taken(open_source(str(watched)), 0.01, 3)
    assert [frame.data for frame in frames] == list(images.values())
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.media_type for frame in frames] == ["image/jpeg", "image/png", "image/webp"]
    assert [frame.captured_at.timestamp() for frame in frames] == [0, 1, 2]


async def test_a_folder_gives_each_new_file_once_and_only_when_it_is_whole(watched: Path) -> None:
    whole, late = make_jpeg(1), make_jpeg(2)
    (watched / "bad.jpg").write_bytes(TEXT)
    (watched / "partial.jpg").write_bytes(late[: len(late) // 2])
    (watched / "huge.jpg").write_bytes(make_jpeg(3, size_bytes=8 * 1024 * 1024 + 1))
    (watched / "whole.jpg").write_bytes(whole)
    async with asyncio.timeout(20), FolderWatch(watched) as source, aclosing(source.frames(0.01)) as frames:
        assert (await anext(frames)).data == whole
        coming = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0.3)  # several polls
        assert not coming.done(), "nothing is given twice, and nothing that is not whole"
        (watched / "partial.jpg").write_bytes(late)
        assert (await coming).data == late
        (watched / "whole.jpg").write_bytes(make_jpeg(9))
        assert (await anext(frames)).data == make_jpeg(9), "a file that was written again is a new one"


async def test_a_folder_that_vanishes_is_said(watched: Path) -> None:
    source = FolderWatch(watched)
    await asyncio.to_thread(watched.rmdir)
    with pytest.raises(ConfigError, match="cannot read the folder"):
        await taken(source, 0.01)
