"""Images as programs have them: each is taken, or refused with the words that client programs look for."""

import io
import sys
from pathlib import Path

import numpy as np
from groundlight import ApiException, Groundlight
from PIL import Image

jpeg_path, folder = Path(sys.argv[1]), Path(sys.argv[2])
gl = Groundlight()
detector = gl.get_or_create_detector(name="door of images", query="Is the door open?")
jpeg = jpeg_path.read_bytes()
picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
png_path = folder / "open.png"
picture.save(png_path)
png, webp = png_path.read_bytes(), io.BytesIO()
picture.save(webp, "WEBP")
with jpeg_path.open("rb") as file:
    forms = {
        "the path of a JPEG": str(jpeg_path),
        "the path of a PNG": str(png_path),
        "bytes of a JPEG": jpeg,
        "bytes of a PNG, called JPEG by the client": png,
        "bytes of a WebP, called JPEG by the client": webp.getvalue(),
        "BytesIO": io.BytesIO(jpeg),
        "a file": file,
        "PIL": picture,
        "numpy, BGR": np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]),
    }
    for name, image in forms.items():
        assert gl.ask_ml(detector, image).result.label == "YES", name
large = Image.effect_noise((1600, 1200), 90).convert("RGB")
stored = gl.ask_async(detector, large)
with gl.get_image(stored.id) as image:
    assert Image.open(image).size == (1024, 768)

hollow = bytearray(png)
middle = png.index(b"IDAT") + 60
hollow[middle : middle + 40] = bytes(40)
bad = {
    "no bytes": b"",
    "half a JPEG": jpeg[: len(jpeg) // 2],
    "half a PNG": png[: len(png) // 2],
    "no image": b"not an image at all",
    "a PNG whose pixels are damaged": bytes(hollow),
}
for name, data in bad.items():
    try:
        gl.submit_image_query(detector, data, wait=0)
        raise AssertionError(f"{name} was taken")
    except ApiException as error:
        assert error.status == 400, (name, error)
        assert "uploaded image is empty or corrupted" in error.body, (name, error.body)
