"""A camera on the network: an RTSP server that plays a video as MPEG-TS over the RTSP connection (RFC 2326, 2250)."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from tests.support.images import make_pixels

_PACKET = 7 * 188
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track0\r\n"


@dataclass(slots=True)
class NetworkCamera:
    """Where it is, and how often somebody began to watch. It hangs up at the end of its video."""

    url: str
    watched: int = 0


def make_stream(path: Path, *, frames: int = 60) -> bytes:
    """Write a video as MPEG-TS to `path` and return its bytes."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for number in range(frames):
        writer.write(make_pixels(number))
    writer.release()
    return path.read_bytes()


@asynccontextmanager
async def network_camera(video: bytes) -> AsyncIterator[NetworkCamera]:
    """Play `video` to everybody who asks, on a free port of the loopback."""
    camera = NetworkCamera("")
    playing: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, number = head.split(b" ", 1)[0].decode(), _header(head, "CSeq")
                writer.write(_answer(method, number, camera.url))
                if method == "PLAY":
                    camera.watched += 1
                    await _play(writer, video)
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        playing.add(task)
        task.add_done_callback(playing.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    async with server:
        camera.url = f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"
        yield camera
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


async def _play(writer: asyncio.StreamWriter, video: bytes) -> None:
    for number, start in enumerate(range(0, len(video), _PACKET)):
        packet = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, number * 900, 1) + video[start : start + _PACKET]
        writer.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
        await writer.drain()
        await asyncio.sleep(0.01)


def _answer(method: str, number: str, url: str) -> bytes:
    headers = {"CSeq": number}
    body = ""
    if method == "OPTIONS":
        headers["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
    elif method == "DESCRIBE":
        body = _SDP
        headers |= {"Content-Type": "application/sdp", "Content-Base": f"{url}/", "Content-Length": str(len(body))}
    elif method == "SETUP":
        headers |= {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "Session": "1"}
    else:
        headers["Session"] = "1"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"RTSP/1.0 200 OK\r\n{lines}\r\n{body}".encode()


def _header(head: bytes, name: str) -> str:
    for line in head.decode().split("\r\n"):
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return "0"
