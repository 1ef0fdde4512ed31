"""Draws the parameters of a scene from a seed."""

from dataclasses import dataclass, replace
from math import atan2, pi

import numpy as np

from examples.door import painting as paint
from examples.door.camera import Camera, Canvas, Colour, shade


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that decides a picture; `noise` and `blur` are in grey levels and in pixels."""

    camera: Camera
    room: paint.Room
    door: paint.Door
    beyond: paint.Beyond
    people: tuple[paint.Person, ...]
    light: paint.Light
    noise: float
    blur: float


def _colour(rng: np.random.Generator, value: tuple[float, float], saturation: float) -> Colour:
    """A BGR colour of any hue with a brightness in `value` (0..255)."""
    top = rng.uniform(*value)
    blue, green, red = (top * (1 - saturation * s) for s in rng.uniform(0, 1, 3))
    return blue, green, red


def _wood(rng: np.random.Generator, value: tuple[float, float]) -> Colour:
    tone = rng.uniform(*value)
    return tone * rng.uniform(0.4, 0.65), tone * rng.uniform(0.65, 0.8), tone


def _sample_door(rng: np.random.Generator) -> paint.Door:
    leaf = _wood(rng, (140, 225)) if rng.random() < 0.45 else _colour(rng, (150, 240), 0.4)
    frame = (235.0, 238.0, 240.0) if rng.random() < 0.5 else shade(leaf, rng.uniform(0.6, 1.3))
    panels = int(rng.choice([0, 2, 4]))
    return paint.Door(
        left=rng.uniform(-1.2, 0.3),
        width=rng.uniform(0.8, 1.0),
        height=rng.uniform(1.95, 2.15),
        hinge_left=bool(rng.random() < 0.5),
        swing=1 if rng.random() < 0.6 else -1,
        angle=0.0,
        leaf=leaf,
        frame=frame,
        handle=(90.0, 170.0, 200.0) if rng.random() < 0.5 else (190.0, 190.0, 190.0),
        panels=panels,
        glass=panels == 0 and bool(rng.random() < 0.35),
    )


def _sample_pictures(rng: np.random.Generator, door: paint.Door) -> tuple[paint.Rect, ...]:
    pictures = []
    for side in (-1, 1):
        if rng.random() < 0.55:
            width, tall, low = rng.uniform(0.25, 0.7), rng.uniform(0.25, 0.8), rng.uniform(1.0, 1.4)
            start = door.left - 0.25 - width if side < 0 else door.right + 0.25
            start += side * rng.uniform(0, 0.4)
            border = _colour(rng, (20, 240), 0.4)
            pictures.append(paint.Rect(start, start + width, low, low + tall, _colour(rng, (40, 250), 0.8), border))
    if rng.random() < 0.5:
        edge = door.left - 0.22 if not door.hinge_left else door.right + 0.14
        pictures.append(paint.Rect(edge, edge + 0.08, 1.05, 1.13, (240.0,) * 3, (200.0,) * 3))
    return tuple(pictures)


def _sample_room(rng: np.random.Generator, door: paint.Door) -> paint.Room:
    corridor = rng.random() < 0.35
    margin = (0.35, 0.8) if corridor else (1.2, 3.0)
    return paint.Room(
        left=door.left - rng.uniform(*margin),
        right=door.right + rng.uniform(*margin),
        height=rng.uniform(2.4, 2.8),
        far=rng.uniform(2.9, 3.7),
        wall=_colour(rng, (150, 245), 0.18),
        floor=_wood(rng, (90, 200)) if rng.random() < 0.5 else _colour(rng, (70, 190), 0.2),
        ceiling=_colour(rng, (210, 250), 0.08),
        planks=float(rng.choice([0.0, 0.2, 0.5])),
        pictures=() if corridor else _sample_pictures(rng, door),
    )


def _sample_beyond(rng: np.random.Generator) -> paint.Beyond:
    return paint.Beyond(
        depth=rng.uniform(1.8, 4.0),
        wall=_colour(rng, (110, 245), 0.25),
        floor=_wood(rng, (90, 200)) if rng.random() < 0.5 else _colour(rng, (70, 180), 0.2),
        light=rng.uniform(0.25, 0.6),
        window=bool(rng.random() < 0.4),
        cupboard=_colour(rng, (60, 200), 0.4) if rng.random() < 0.5 else None,
    )


def _sample_camera(rng: np.random.Generator, room: paint.Room, door: paint.Door) -> Camera:
    middle = door.left + door.width / 2
    x = min(max(middle + rng.uniform(-0.6, 0.6), room.left + 0.3), room.right - 0.3)
    y = rng.uniform(1.3, 2.1)
    return Camera(
        x=x,
        y=y,
        yaw=atan2(middle - x, room.far) + rng.normal(0, 0.03),
        pitch=atan2(1.05 - y, room.far) + rng.normal(0, 0.03),
        roll=rng.normal(0, 0.015),
        focal=rng.uniform(240, 320),
    )


def sample_person(rng: np.random.Generator, x: float, z: float) -> paint.Person:
    """Someone of any build and dress, at (x, z) metres."""
    skin_tone = rng.uniform(0.45, 1.0)
    return paint.Person(
        x=x,
        z=z,
        height=rng.uniform(1.5, 1.9),
        phase=rng.uniform(0, 2 * pi) if rng.random() < 0.6 else None,
        shirt=_colour(rng, (50, 235), 0.85),
        trousers=_colour(rng, (30, 140), 0.6),
        skin=shade((170.0, 195.0, 235.0), skin_tone),
        hair=_colour(rng, (20, 120), 0.6),
    )


def hidden_share(scene: Scene) -> float:
    """The share of the doorway's pixels that people stand in front of, 0..1."""
    hole = Canvas(scene.camera)
    hole.fill(paint.doorway(scene.room, scene.door), (255.0,) * 3)
    inside = hole.image[:, :, 0] > 127
    cover = Canvas(scene.camera)
    white = (255.0, 255.0, 255.0)
    for person in scene.people:
        solid = replace(person, shirt=white, trousers=white, skin=white, hair=white)
        paint.paint_person(cover, solid)
    return float((cover.image[inside][:, 0] > 127).mean())


def _with_people(rng: np.random.Generator, scene: Scene, limit: float) -> Scene:
    """Add up to two people; one who would hide too much of the doorway is left out."""
    for _ in range(int(rng.choice([0, 1, 2], p=[0.45, 0.35, 0.2]))):
        z = scene.room.far * rng.uniform(0.55, 0.92)
        x = scene.door.left + scene.door.width / 2 + rng.uniform(-1.6, 1.6)
        x = min(max(x, scene.room.left + 0.2), scene.room.right - 0.2)
        crowd = (*scene.people, sample_person(rng, x, z))
        crowded = replace(scene, people=tuple(sorted(crowd, key=lambda person: -person.z)))
        if hidden_share(crowded) <= limit:
            scene = crowded
    return scene


def sample(seed: int, *, max_hidden: float) -> Scene:
    """The scene of a seed, with its door shut."""
    rng = np.random.default_rng(seed)
    door = _sample_door(rng)
    room = _sample_room(rng, door)
    tint = (rng.uniform(0.85, 1.12), rng.uniform(0.95, 1.05), rng.uniform(0.88, 1.12))
    light = paint.Light(rng.uniform(0.6, 1.15), tint, rng.uniform(0, 0.2), rng.uniform(0, 2 * pi))
    camera = _sample_camera(rng, room, door)
    scene = Scene(camera, room, door, _sample_beyond(rng), (), light, rng.uniform(1, 8), rng.uniform(0, 1.0))
    return _with_people(rng, scene, max_hidden)
