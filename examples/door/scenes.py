"""Rendered scenes of a door in a wall, for the question "Is the door open?".

The truth is the angle of the leaf: a door is shut up to SHUT_MAX degrees and open from OPEN_MIN degrees on.
No scene and no frame of a sequence has an angle between the two, because there the answer is a matter of taste.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, pi, sin

import numpy as np

from examples.door import painting as paint
from examples.door.camera import Camera, Canvas, Image, level
from examples.door.sampling import Scene, hidden_share, sample, sample_person

__all__ = ["MAX_HIDDEN", "OPEN_MIN", "SHUT_MAX", "hidden_share", "moments", "render", "sequence"]

SHUT_MAX = 2.0
OPEN_MIN = 55.0
MAX_HIDDEN = 0.35
_SWING_SECONDS = 0.25


def draw(scene: Scene, rng: np.random.Generator) -> Image:
    """The picture of a scene, (240, 320, 3) BGR; `rng` gives the sensor noise."""
    room, door = scene.room, scene.door
    canvas = Canvas(scene.camera, room.wall)
    paint.paint_room(canvas, room)
    inside = Canvas(scene.camera, paint.DARK)
    if door.angle > SHUT_MAX:
        paint.paint_beyond(inside, room, door, scene.beyond)
        # Light from the far room falls through the opening onto the near floor.
        spill = level(door.left - 0.2, door.right + 0.2, room.far - 1.1, room.far)
        canvas.glow(spill, 0.8 + 0.35 * scene.beyond.light)
    paint.paint_jambs(inside, room, door)
    if door.swing > 0:
        paint.paint_leaf(inside, room, door)
    canvas.paste(inside, paint.doorway(room, door))
    paint.paint_frame(canvas, room, door)
    if door.swing < 0:
        paint.paint_leaf(canvas, room, door)
    for person in scene.people:
        paint.paint_person(canvas, person)
    lit = paint.apply_light(paint.blur(canvas.image, scene.blur), scene.light)
    lit += scene.noise * rng.standard_normal(lit.shape, np.float32)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def _least_open(door: paint.Door) -> float:
    # A leaf that swings towards the camera hides its own doorway until it is well round.
    return OPEN_MIN if door.swing > 0 else 75.0


def render(seed: int, *, is_open: bool, max_hidden: float = MAX_HIDDEN) -> Image:
    """One scene of a seed, (240, 320, 3) BGR; people hide at most `max_hidden` of the doorway."""
    scene = sample(seed, max_hidden=max_hidden)
    rng = np.random.default_rng((seed, int(is_open)))
    angle = rng.uniform(_least_open(scene.door), 110.0) if is_open else rng.uniform(0.0, SHUT_MAX)
    return draw(replace(scene, door=replace(scene.door, angle=angle)), rng)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Someone who passes the middle of the door at `time` seconds, at `speed` metres per second (signed)."""

    person: paint.Person
    time: float
    speed: float

    def at(self, time: float, middle: float) -> paint.Person:
        distance = self.speed * (time - self.time)
        return replace(self.person, x=middle + distance, phase=paint.walking_phase(distance))


def _angle(time: float, spells: list[tuple[float, float]], least: float, widest: float) -> float:
    """The angle of the leaf in degrees; `spells` are the (start, end) seconds during which the door is open.

    The leaf crosses the angles between shut and `least` between two frames, then swings out, and back likewise.
    """
    for start, end in spells:
        if start <= time < end:
            lag = exp(-(time - start) / _SWING_SECONDS) + exp(-(end - time) / _SWING_SECONDS)
            return max(least, widest - (widest - least) * lag)
    return 0.0


def _walks(rng: np.random.Generator, scene: Scene, seconds: float) -> list[_Walk]:
    """Three people who cross one at a time, close enough to the wall to leave most of the doorway in view."""
    walks = []
    for index in range(3):
        person = sample_person(rng, 0.0, scene.room.far * rng.uniform(0.78, 0.86))
        speed = float(rng.choice([-1, 1])) * rng.uniform(1.0, 1.3)
        walks.append(_Walk(person, seconds * (0.16 + 0.31 * index) + rng.uniform(-0.2, 0.2), speed))
    return walks


def _sway(camera: Camera, time: float) -> Camera:
    """The camera as a draught and passing steps move its mount: about a pixel or two."""
    return replace(
        camera,
        yaw=camera.yaw + 0.006 * sin(0.9 * time),
        pitch=camera.pitch + 0.004 * sin(1.3 * time + 1.0),
        roll=camera.roll + 0.005 * sin(0.7 * time + 2.0),
        focal=camera.focal * (1.0 + 0.01 * sin(0.5 * time)),
    )


def _drift(light: paint.Light, time: float) -> paint.Light:
    """The light as clouds pass: brightness by a quarter either way, colour by a few per cent."""
    blue, green, red = light.tint
    warm = 0.05 * sin(0.6 * time)
    gain = light.gain * (1.0 + 0.25 * sin(2 * pi * time / 9.0))
    return replace(light, gain=gain, tint=(blue * (1 - warm), green, red * (1 + warm)))


def moments(seed: int, *, frames: int, fps: float) -> Iterator[Scene]:
    """The scene at each frame of a sequence: the door opens and shuts twice, people cross, light and camera drift."""
    rng = np.random.default_rng((seed, 2))
    scene = sample(seed, max_hidden=0.0)
    # People leave the view before they reach a side wall.
    room = replace(scene.room, left=scene.door.left - 4.0, right=scene.door.right + 4.0)
    light = replace(scene.light, gain=0.9)
    scene = replace(scene, room=room, light=light, people=(), noise=2.0, blur=0.4)
    seconds = frames / fps
    times = [seconds * share + rng.uniform(-0.25, 0.25) for share in (0.2, 0.4, 0.56, 0.83)]
    spells = [(times[0], times[1]), (times[2], times[3])]
    walks = _walks(rng, scene, seconds)
    least, widest = _least_open(scene.door), rng.uniform(85.0, 105.0)
    middle = scene.door.left + scene.door.width / 2
    for index in range(frames):
        time = index / fps
        yield replace(
            scene,
            door=replace(scene.door, angle=_angle(time, spells, least, widest)),
            people=tuple(walk.at(time, middle) for walk in walks),
            camera=_sway(scene.camera, time),
            light=_drift(light, time),
        )


def sequence(seed: int, *, frames: int, fps: float) -> Iterator[tuple[Image, bool]]:
    """A continuous view of one door: (frame, is_open), each frame (240, 320, 3) BGR."""
    rng = np.random.default_rng((seed, 3))
    for scene in moments(seed, frames=frames, fps=fps):
        yield draw(scene, rng), scene.door.angle >= OPEN_MIN
