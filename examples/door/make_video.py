"""Renders door.mp4, a view of one door that opens and shuts, and door.truth.json, its truth frame by frame.

Two of the frames are written as JPEG files too, open.jpg and closed.jpg, for a first question.
"""

import json
import sys
from pathlib import Path

# Run as a script, the search path starts at this folder, not at the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2

from examples.door import scenes
from examples.door.camera import HEIGHT, WIDTH

FOLDER = Path(__file__).resolve().parent
# Apart from the seeds of training and of the unseen scenes.
SEED = 2_000_000
FPS = 15
FRAMES = 180
STILLS = {"closed.jpg": 20, "open.jpg": 50}
"""Index of the frame in each still."""


def write_video(video: Path, truth: Path) -> None:
    """Write the video, the truth that goes with it and, beside the video, the stills."""
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise RuntimeError("this build of OpenCV cannot write MPEG-4 video")
    rows = []
    for index, (frame, is_open) in enumerate(scenes.sequence(SEED, frames=FRAMES, fps=FPS)):
        writer.write(frame)
        rows.append({"index": index, "open": is_open})
        for name, still in STILLS.items():
            if index == still:
                cv2.imwrite(str(video.with_name(name)), frame, [cv2.IMWRITE_JPEG_QUALITY, 92])
    writer.release()
    content = {"video": video.name, "fps": FPS, "frames": rows}
    truth.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    write_video(FOLDER / "door.mp4", FOLDER / "door.truth.json")
