"""What a scene is made of, and how each part is painted onto a canvas."""

from dataclasses import dataclass
from math import cos, pi, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from examples.door.camera import HEIGHT, WIDTH, Canvas, Colour, Image, Point, level, shade, sideways, upright

DARK: Colour = (26.0, 24.0, 22.0)
_JAMB_DEPTH = 0.12


@dataclass(frozen=True, slots=True)
class Rect:
    """A flat thing on the wall: a picture, a poster, a switch."""

    x0: float
    x1: float
    y0: float
    y1: float
    colour: Colour
    border: Colour


@dataclass(frozen=True, slots=True)
class Room:
    """The room or corridor the camera is in; its far wall, at depth `far`, holds the door."""

    left: float
    right: float
    height: float
    far: float
    wall: Colour
    floor: Colour
    ceiling: Colour
    planks: float
    pictures: tuple[Rect, ...]


@dataclass(frozen=True, slots=True)
class Beyond:
    """The room behind the door; `light` is its brightness relative to the near room."""

    depth: float
    wall: Colour
    floor: Colour
    light: float
    window: bool
    cupboard: Colour | None


@dataclass(frozen=True, slots=True)
class Door:
    """`angle` is in degrees, 0 when shut; `swing` is 1 away from the camera and -1 towards it."""

    left: float
    width: float
    height: float
    hinge_left: bool
    swing: int
    angle: float
    leaf: Colour
    frame: Colour
    handle: Colour
    panels: int
    glass: bool

    @property
    def right(self) -> float:
        return self.left + self.width


@dataclass(frozen=True, slots=True)
class Person:
    """Someone at (x, z); `phase` is the walking phase in radians, or None when standing."""

    x: float
    z: float
    height: float
    phase: float | None
    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour


@dataclass(frozen=True, slots=True)
class Light:
    """Gains on the finished picture: overall, per BGR channel, and a slope across it in `direction` radians."""

    gain: float
    tint: Colour
    slope: float
    direction: float


def paint_room(canvas: Canvas, room: Room) -> None:
    """Paint floor, ceiling, walls, pictures; the background colour of the canvas is the far wall's."""
    canvas.fill(sideways(room.left, 0, room.height, 0, room.far), shade(room.wall, 0.82))
    canvas.fill(sideways(room.right, 0, room.height, 0, room.far), shade(room.wall, 0.9))
    canvas.fill(level(room.left, room.right, 0, room.far), room.floor)
    canvas.fill(level(room.left, room.right, 0, room.far, room.height), room.ceiling)
    if room.planks > 0:
        edges = np.arange(room.left, room.right, room.planks)
        canvas.lines([((float(x), 0, 0.3), (float(x), 0, room.far)) for x in edges], shade(room.floor, 0.8))
    canvas.fill(upright(room.left, room.right, 0, 0.09, room.far), shade(room.wall, 0.7))
    for picture in room.pictures:
        canvas.fill(upright(picture.x0, picture.x1, picture.y0, picture.y1, room.far), picture.border)
        inset = 0.08 * (picture.x1 - picture.x0)
        inner = (picture.x0 + inset, picture.x1 - inset, picture.y0 + inset, picture.y1 - inset)
        canvas.fill(upright(*inner, room.far), picture.colour)


def paint_beyond(canvas: Canvas, room: Room, door: Door, beyond: Beyond) -> None:
    """Paint the far room over the whole canvas; the caller shows it through the doorway."""
    near, far = room.far, room.far + beyond.depth
    left, right = door.left - 0.8, door.right + 0.7
    wall, floor = shade(beyond.wall, beyond.light), shade(beyond.floor, beyond.light)
    canvas.fill(upright(left, right, 0, room.height, far), wall)
    canvas.fill(sideways(left, 0, room.height, near, far), shade(wall, 0.8))
    canvas.fill(sideways(right, 0, room.height, near, far), shade(wall, 0.88))
    canvas.fill(level(left, right, near, far), floor)
    if beyond.window:
        middle = door.left + 0.55 * door.width
        canvas.fill(upright(middle - 0.4, middle + 0.4, 1.0, 1.9, far), (250.0, 243.0, 232.0))
        canvas.lines([((middle, 1.0, far), (middle, 1.9, far))], shade(wall, 0.7))
    if beyond.cupboard is not None:
        box = shade(beyond.cupboard, beyond.light)
        canvas.fill(upright(door.left + 0.25 * door.width, right, 0, 0.85, far - 0.4), box)
        canvas.fill(level(door.left + 0.25 * door.width, right, far - 0.4, far, 0.85), shade(box, 1.25))


def paint_jambs(canvas: Canvas, room: Room, door: Door) -> None:
    """Paint the inner sides of the wall around the opening."""
    front, back = room.far, room.far + _JAMB_DEPTH
    for x, tone in ((door.left, 0.75), (door.right, 0.85)):
        canvas.fill(sideways(x, 0, door.height, front, back), shade(door.frame, tone))
    canvas.fill(level(door.left, door.right, front, back, door.height), shade(door.frame, 0.6))


def paint_frame(canvas: Canvas, room: Room, door: Door) -> None:
    """Paint the casing around the doorway."""
    trim = 0.07
    top = door.height
    canvas.fill(upright(door.left - trim, door.left, 0, top, room.far), door.frame)
    canvas.fill(upright(door.right, door.right + trim, 0, top, room.far), shade(door.frame, 0.94))
    canvas.fill(upright(door.left - trim, door.right + trim, top, top + trim, room.far), shade(door.frame, 1.05))


class _Leaf:
    """Maps (distance from the hinge 0..1, height in metres) on one face of the leaf to the world."""

    def __init__(self, room: Room, door: Door) -> None:
        side = 1.0 if door.hinge_left else -1.0
        self.hinge = (door.left + 0.01 if door.hinge_left else door.right - 0.01, room.far + 0.02 * door.swing)
        if door.swing < 0:
            self.hinge = (self.hinge[0], room.far - 0.005)
        turn = radians(door.angle)
        self.along = (side * cos(turn) * (door.width - 0.02), door.swing * sin(turn) * (door.width - 0.02))
        self.normal = (door.swing * side * sin(turn), -cos(turn))

    def at(self, along: float, height: float, depth: float = 0.0) -> Point:
        """`depth` is how far behind the front face, in metres."""
        x = self.hinge[0] + along * self.along[0] - depth * self.normal[0]
        z = self.hinge[1] + along * self.along[1] - depth * self.normal[1]
        return x, height, z

    def quad(self, a0: float, a1: float, y0: float, y1: float, depth: float) -> list[Point]:
        return [self.at(a0, y0, depth), self.at(a1, y0, depth), self.at(a1, y1, depth), self.at(a0, y1, depth)]


def paint_leaf(canvas: Canvas, room: Room, door: Door) -> None:
    """Paint the leaf of the door with its panels, pane and handle."""
    leaf = _Leaf(room, door)
    tone = 1.0 - 0.3 * abs(sin(radians(door.angle)))
    colour = shade(door.leaf, tone)
    thickness = 0.04
    to_camera = (canvas.camera.x - leaf.hinge[0], -leaf.hinge[1])
    front_visible = to_camera[0] * leaf.normal[0] + to_camera[1] * leaf.normal[1] > 0
    hidden, face = (thickness, 0.0) if front_visible else (0.0, thickness)
    top = door.height - 0.01
    canvas.fill(leaf.quad(0, 1, 0.01, top, hidden), shade(colour, 0.6))
    edge = [leaf.at(1, 0.01, hidden), leaf.at(1, top, hidden), leaf.at(1, top, face), leaf.at(1, 0.01, face)]
    canvas.fill(edge, shade(colour, 0.75))
    canvas.fill(leaf.quad(0, 1, 0.01, top, face), colour)
    _paint_panels(canvas, leaf, door, face, colour)
    canvas.fill(leaf.quad(0.87, 0.95, 0.92, 1.14, face), shade(door.handle, 0.8))
    canvas.fill(leaf.quad(0.78, 0.94, 1.03, 1.08, face), door.handle)


def _paint_panels(canvas: Canvas, leaf: _Leaf, door: Door, face: float, colour: Colour) -> None:
    rows = [(0.2, 0.85), (1.2, door.height - 0.2)]
    columns = [(0.14, 0.46), (0.54, 0.86)] if door.panels == 4 else [(0.16, 0.84)]
    if door.panels:
        for y0, y1 in rows:
            for a0, a1 in columns:
                canvas.fill(leaf.quad(a0, a1, y0, y1, face), shade(colour, 0.78))
                canvas.fill(leaf.quad(a0 + 0.03, a1 - 0.02, y0 + 0.03, y1 - 0.04, face), shade(colour, 1.06))
    if door.glass:
        canvas.fill(leaf.quad(0.3, 0.7, 1.35, 1.8, face), shade(colour, 0.6))
        canvas.fill(leaf.quad(0.33, 0.67, 1.38, 1.77, face), (205.0, 200.0, 180.0))


def doorway(room: Room, door: Door) -> list[Point]:
    """The opening in the wall."""
    return upright(door.left, door.right, 0, door.height, room.far)


def paint_person(canvas: Canvas, person: Person) -> None:
    """Paint someone as seen from the front or walking sideways."""
    x, z, tall = person.x, person.z, person.height
    hip, shoulder = 0.5 * tall, 0.8 * tall
    stride = 0.28 * sin(person.phase) if person.phase is not None else 0.1
    bounce = 0.02 * abs(cos(person.phase)) if person.phase is not None else 0.0
    for sign, tone in ((-1, 0.8), (1, 1.0)):
        knee = (x + sign * stride * 0.55, 0.27 * tall, z)
        legs: list[Point] = [(x + sign * 0.05, hip + bounce, z), knee, (x + sign * stride, 0.06, z)]
        canvas.limb(legs, 0.15, shade(person.trousers, tone))
    canvas.limb([(x, hip + 0.05 + bounce, z), (x, shoulder - 0.1 + bounce, z)], 0.33, person.shirt)
    for sign in (-1, 1):
        reach = -sign * stride * 0.7 if person.phase is not None else sign * 0.2
        arm: list[Point] = [(x + sign * 0.15, shoulder - 0.08 + bounce, z), (x + reach + sign * 0.04, hip, z)]
        canvas.limb(arm, 0.09, shade(person.shirt, 0.85))
    canvas.limb([(x, shoulder + bounce, z), (x, shoulder + 0.1 + bounce, z)], 0.1, shade(person.skin, 0.85))
    head = 0.9 * tall + bounce
    canvas.limb([(x, head + 0.04, z), (x, head + 0.06, z)], 0.21, person.hair)
    canvas.limb([(x, head - 0.03, z), (x, head + 0.01, z)], 0.18, person.skin)


def apply_light(image: Image, light: Light) -> NDArray[np.float32]:
    """The picture under the light, as unclipped float32 of the same shape."""
    across = np.linspace(-1, 1, WIDTH, dtype=np.float32) * np.float32(cos(light.direction))
    down = np.linspace(-1, 1, HEIGHT, dtype=np.float32) * np.float32(sin(light.direction))
    slope = 1.0 + np.float32(light.slope) * (down[:, None] + across[None, :])
    tint = np.asarray(light.tint, np.float32) * np.float32(light.gain)
    return np.asarray(image.astype(np.float32) * slope[:, :, None] * tint, np.float32)


def blur(image: Image, sigma: float) -> Image:
    """Defocus; `sigma` in pixels, under 0.3 leaves the picture as it is."""
    return image if sigma < 0.3 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def walking_phase(distance: float) -> float:
    """The walking phase after `distance` metres, at about 1.4 m for a full cycle."""
    return 2 * pi * distance / 1.4
