"""The demo: ask about frames of a video in one process, look the answers up by their IDs in another; then search.

This process is the submitting machine. It also starts the platform, and afterwards compares the answers with the truth.
"""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import cv2

from examples.door.contact_sheet import Answered, draw, read_frames
from examples.door.local_platform import child, started
from examples.space import demo as search
from services.kit.errors import PlatformError
from services.submitter.capture_command import run_capture
from services.submitter.capture_loop import Submitted
from sightline import Client, Conflict, Model, Query, SightlineError
from sightline.command.capture import save_id

FOLDER = Path(__file__).resolve().parent
MODEL, MANIFEST = FOLDER / "door.onnx", FOLDER / "door.manifest.json"
VIDEO, TRUTH = FOLDER / "door.mp4", FOLDER / "door.truth.json"
DETECTOR, QUESTION = "door", "Is the door open?"
NEEDED = 0.95
_RETRIEVE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Run:
    """Where one run of the demo leaves things."""

    ids: Path
    answers: Path
    picture: Path
    map: Path


def run(*, keep: bool, interval_ms: int, output: Path, bus: str | None, store: str | None) -> int:
    """Run the demo; return 0 if every query was answered, 95 % of the answers are right and the search found something.

    What it started is gone when this returns, also after Ctrl-C and SIGTERM; what it found stays in `output`.
    """
    began = time.monotonic()
    servers = {name: url for name, url in (("SIGHTLINE_BUS", bus), ("SIGHTLINE_STORE", store)) if url}
    try:
        output.mkdir(parents=True, exist_ok=True)
        files = _Run(*(output / name for name in ("ids.txt", "answers.jsonl", "answers.png", "conjunctions.png")))
        with _ended_by_sigterm(), ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sightline-demo-")))
            sources = search.fill(folder / "data", servers)
            url = stack.enter_context(started(folder, {**search.SETTINGS, **servers}))
            print(f"The platform is ready at {url} (in a process of its own, data in {folder}).")
            # The other machine is there before the first ID is: it looks each up within milliseconds.
            files.answers.unlink(missing_ok=True)
            arguments = [url, "--answers", str(files.answers)]
            retriever = stack.enter_context(child(["examples.door.retrieve", *arguments], feed=True))
            _register(url)
            frames = _submit(url, interval_ms, files, retriever)
            good = _compare(frames, files)
            good &= search.run(url, sources, files.map)
            print(f"\n{time.monotonic() - began:.0f} s in all")
            if keep:
                _stay(url, files)
    except (SightlineError, PlatformError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"sightline: the demo failed: {error}", file=sys.stderr)
        return 1
    return 0 if good else 1


def _register(url: str) -> None:
    with Client(url, "") as client:
        model = _upload(client)
        detector = client.get_or_create_detector(DETECTOR, QUESTION, model=model.name)
        if detector.model != model.name:
            client.bind_model(DETECTOR, model.name)
    print(f'The model {model.name} ({model.digest[:12]}) answers the detector {DETECTOR}: "{QUESTION}"')


def _upload(client: Client) -> Model:
    try:
        return client.upload_model(MODEL, manifest=MANIFEST, name="door")
    except Conflict:  # in a store of the user's, the name belongs to another model
        digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
        return client.upload_model(MODEL, manifest=MANIFEST, name=f"door-{digest[:8]}")


def _submit(url: str, interval_ms: int, files: _Run, retriever: subprocess.Popen[bytes]) -> dict[str, int]:
    """Submit the frames, hand the IDs to the other process, wait for its end; return the frame of each ID.

    Raises:
        RuntimeError: the other process did not do its work.
    """
    frames: dict[str, int] = {}
    if retriever.stdin is None:
        raise RuntimeError("its standard input is not a pipe")
    print(f"\nPlaying {VIDEO.name}, one frame every {interval_ms} ms of it; the ID of each is saved in {files.ids}:")
    with files.ids.open("w", encoding="utf-8") as saved:
        _capture(url, interval_ms, saved, retriever.stdin, frames)
    retriever.stdin.close()  # that was the last one
    if retriever.wait(_RETRIEVE_S) not in {0, 1}:
        raise RuntimeError("the retrieving process ended early")
    return frames


def _capture(url: str, interval_ms: int, saved: IO[str], wire: IO[bytes], frames: dict[str, int]) -> None:
    def tell(submitted: Submitted) -> None:
        frames[submitted.query_id] = submitted.index
        save_id(saved, f"{submitted.query_id} {submitted.index}")
        print(f"  submitted {submitted.query_id}  frame {submitted.index}", flush=True)
        wire.write(f"{submitted.query_id}\n".encode())
        wire.flush()

    asyncio.run(
        run_capture(
            source=str(VIDEO),
            detector=DETECTOR,
            url=url,
            token=None,
            bus=None,
            interval_s=interval_ms / 1000,
            count=None,
            confidence_threshold=None,
            on_submitted=tell,
        )
    )


def _compare(frames: dict[str, int], files: _Run) -> bool:
    """Compare the answers with the truth, write the picture, say what came of it."""
    truth = {frame["index"]: frame["open"] for frame in json.loads(TRUTH.read_text(encoding="utf-8"))["frames"]}
    queries = [Query.model_validate_json(line) for line in files.answers.read_text(encoding="utf-8").splitlines()]
    answers = []
    for query in queries:
        index = frames[query.id]
        right = query.label == ("YES" if truth[index] else "NO")
        answers.append(Answered(index, query.label, query.confidence, right))
    pictures = read_frames(VIDEO, [answer.index for answer in answers])
    if not cv2.imwrite(str(files.picture), draw(pictures, answers)):
        raise RuntimeError(f"cannot write {files.picture}")
    answered = sum(query.answer is not None for query in queries)
    hits = sum(answer.right for answer in answers)
    accuracy = hits / len(frames) if frames else 0.0
    print(f"\n{len(frames)} submitted, {answered} answered, {hits} right: accuracy {accuracy:.1%}")
    print(f"Picture of every frame with its answer: {files.picture}")
    return bool(frames) and answered == len(frames) == len(queries) and accuracy >= NEEDED


def _stay(url: str, files: _Run) -> None:
    print(f"""
The platform stays up until Ctrl-C. Try, in another terminal:

  export SIGHTLINE_URL={url}
  sightline list
  sightline get - < {files.ids}
  sightline submit YOUR.jpg --detector {DETECTOR} --wait 10
  sightline search conjunctions --start 2020-01-01T00:00:00 --end 2020-01-04T23:59:59 \\
      --ground themis-asi/gillam --space swarm --distance 300 --map gillam.png
  sightline detectors create helmet "Does everybody wear a helmet?"
  sightline submit YOUR.jpg --detector helmet && sightline review

or open {url}/docs""")
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind like any other end, so that nothing that was started is left behind."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
