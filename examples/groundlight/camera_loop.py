"""The camera loop, by the unmodified Groundlight client: capture, ask, save the ID, sleep.

    export GROUNDLIGHT_ENDPOINT=http://127.0.0.1:8470 GROUNDLIGHT_API_TOKEN=api_...
    python camera_loop.py examples/door/door.mp4 --save ids.txt

The source is a camera's number, an address or a video file. Needs the packages groundlight and opencv-python-headless,
and nothing of Sightline.
"""

import argparse
import itertools
import time
from pathlib import Path

import cv2
from groundlight import Groundlight


def main() -> None:
    """Read the arguments and loop until the source or the count ends."""
    parser = argparse.ArgumentParser(description="Ask a detector about a frame every few seconds.")
    parser.add_argument("source", help="a camera's number, an address or a video file")
    parser.add_argument("--detector", default="door", help="the detector's name; made if there is none")
    parser.add_argument("--query", default="Is the door open?", help="its question")
    parser.add_argument("--save", default="ids.txt", help="file to add the IDs to")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between frames")
    parser.add_argument("--count", type=int, help="most frames to ask about")
    arguments = parser.parse_args()

    gl = Groundlight()
    detector = gl.get_or_create_detector(name=arguments.detector, query=arguments.query)
    source = int(arguments.source) if arguments.source.isdecimal() else arguments.source
    capture = cv2.VideoCapture(source)
    # A camera goes on by itself while we sleep; of a file the frames in between are passed over.
    passed = int(capture.get(cv2.CAP_PROP_FPS) * arguments.interval) if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0 else 1
    with Path(arguments.save).open("a", encoding="utf-8") as saved:
        for _ in itertools.count() if arguments.count is None else range(arguments.count):
            there, frame = capture.read()
            if not there:
                break
            image_query = gl.ask_async(detector=detector, image=frame)
            print(image_query.id, file=saved, flush=True)
            time.sleep(arguments.interval)
            for _ in range(passed - 1):
                capture.grab()


if __name__ == "__main__":
    main()
