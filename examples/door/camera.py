"""A pinhole camera and a canvas that fills polygons given in world coordinates.

World axes, in metres: x to the right, y up from the floor, z away from the camera.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, sin

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Point = tuple[float, float, float]
Colour = tuple[float, float, float]

WIDTH = 320
HEIGHT = 240
NEAR = 0.05
_SUBPIXEL_BITS = 4


def shade(colour: Colour, factor: float) -> Colour:
    """The BGR colour scaled by `factor`, kept within 0..255."""
    blue, green, red = (min(255.0, max(0.0, channel * factor)) for channel in colour)
    return blue, green, red


@dataclass(frozen=True, slots=True)
class Camera:
    """Position in metres, angles in radians, focal length in pixels."""

    x: float
    y: float
    yaw: float
    pitch: float
    roll: float
    focal: float

    def to_view(self, points: Sequence[Point]) -> NDArray[np.float64]:
        """World points as (K, 3) camera coordinates."""
        shifted = np.asarray(points, np.float64) - (self.x, self.y, 0.0)
        return np.asarray(shifted @ self._rotation().T, np.float64)

    def _rotation(self) -> NDArray[np.float64]:
        cy, sy, cp, sp, cr, sr = (f(a) for a in (self.yaw, self.pitch, self.roll) for f in (cos, sin))
        yaw = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return np.asarray(roll @ pitch @ yaw, np.float64)

    def to_pixels(self, view: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K, 3) camera coordinates in front of the camera as (K, 2) pixels."""
        scale = self.focal / view[:, 2]
        return np.stack([WIDTH / 2 + view[:, 0] * scale, HEIGHT / 2 - view[:, 1] * scale], axis=1)

    def project(self, points: Sequence[Point]) -> NDArray[np.float64]:
        """World points in front of the camera as (K, 2) pixels."""
        return self.to_pixels(self.to_view(points))


def _clip_near(view: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a convex polygon in front of the camera; the projection is undefined behind it."""
    if (view[:, 2] >= NEAR).all():
        return view
    kept: list[NDArray[np.float64]] = []
    for start, end in zip(view, np.roll(view, -1, axis=0), strict=True):
        if start[2] >= NEAR:
            kept.append(start)
        if (start[2] >= NEAR) != (end[2] >= NEAR):
            kept.append(start + (end - start) * ((NEAR - start[2]) / (end[2] - start[2])))
    return np.array(kept).reshape(-1, 3)


def _fixed_point(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    # OpenCV's rasteriser overflows on coordinates far outside the image.
    return np.round(np.clip(pixels, -4000, 4000) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


class Canvas:
    """A BGR image seen by one camera; later drawing covers earlier drawing."""

    def __init__(self, camera: Camera, background: Colour = (0.0, 0.0, 0.0)) -> None:
        self.camera = camera
        self.image: Image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        self.image[:] = np.asarray(background).astype(np.uint8)

    def fill(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a convex planar polygon."""
        view = _clip_near(self.camera.to_view(points))
        if len(view) >= 3:
            pixels = _fixed_point(self.camera.to_pixels(view))
            cv2.fillConvexPoly(self.image, pixels, colour, cv2.LINE_AA, _SUBPIXEL_BITS)

    def lines(self, segments: Iterable[tuple[Point, Point]], colour: Colour) -> None:
        """Draw lines one pixel wide."""
        for segment in segments:
            view = _clip_near(self.camera.to_view(segment))
            if len(view) >= 2:
                pixels = _fixed_point(self.camera.to_pixels(view[:2]))
                cv2.polylines(self.image, [pixels], False, colour, 1, cv2.LINE_AA, _SUBPIXEL_BITS)

    def limb(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a round-ended stroke, `width` metres wide, through points of about one depth."""
        view = self.camera.to_view(points)
        if (view[:, 2] < NEAR).any():
            return
        thickness = max(1, round(self.camera.focal * width / float(view[0, 2])))
        pixels = _fixed_point(self.camera.to_pixels(view))
        cv2.polylines(self.image, [pixels], False, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def paste(self, other: "Canvas", points: Sequence[Point]) -> None:
        """Show `other` through the polygon, as through a hole."""
        hole = Canvas(self.camera)
        hole.fill(points, (255.0, 255.0, 255.0))
        np.copyto(self.image, other.image, where=hole.image > 127)

    def glow(self, points: Sequence[Point], factor: float) -> None:
        """Scale what is already drawn inside the polygon, softly, as a patch of light does."""
        mask = Canvas(self.camera)
        mask.fill(points, (255.0, 255.0, 255.0))
        soft = cv2.GaussianBlur(mask.image[:, :, 0], (0, 0), 4.0).astype(np.float32) / 255.0
        gain = 1.0 + (factor - 1.0) * soft[:, :, None]
        self.image = np.clip(self.image * gain, 0, 255).astype(np.uint8)


def upright(x0: float, x1: float, y0: float, y1: float, z: float) -> list[Point]:
    """A rectangle that faces the camera."""
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def level(x0: float, x1: float, z0: float, z1: float, y: float = 0.0) -> list[Point]:
    """A horizontal rectangle."""
    return [(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)]


def sideways(x: float, y0: float, y1: float, z0: float, z1: float) -> list[Point]:
    """A rectangle in a side wall."""
    return [(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)]
