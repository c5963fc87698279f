"""The KTH stand-in: 25 seeded persons doing the six actions in four scenarios, for a machine without the videos.

It has the shape of the real set (names, persons, actions, usable ranges, grey figures on a light textured ground seen
by a camera with noise, widths squeezed from 4:3), so that everything downstream is the same code. It is not KTH, and
every output made from it says *synthetic*. Movement is in `figure_motion.py`; here bodies are dressed, placed and
painted, as capsules with soft edges, all frames of a crossing at once.

Scenarios: d1 outdoors, d2 outdoors with the figure's size changing, d3 other clothes with a coat, d4 indoors.
"""

from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

import numpy as np

from platform.benchmarks.recording import Found, Recording, Wanted
from platform.benchmarks.stand_ins.figure_motion import GAITS, Bone, Manner, pose, stride_speed
from platform.config.datasets import KTH_ACTIONS

VERSION = "1"
PERSONS, SCENARIOS = range(1, 26), range(1, 5)
SQUEEZE = 0.75  # 160x120 pictures are stored square
CROSSINGS = {"walking": 1, "jogging": 1, "running": 2}
STANDING_FRAMES = 60  # of boxing, clapping, waving
FEWEST_FRAMES = 30  # of a crossing, so that a clip of 20 fits
NOISE = 1.6  # grey levels
CLOTHES = ("shirt", "trousers", "skin", "hair", "shoes")


@dataclass(frozen=True)
class Stretch:
    """One usable stretch: where the figure's feet are and how tall it is, frame by frame, as fractions of the frame."""

    x: np.ndarray
    height: np.ndarray
    facing: int  # 1 looks and goes right, -1 left
    phase: float


def find_figures(wanted: Wanted) -> Found:
    """All 600 videos, planned at once, painted one by one as they are loaded."""
    recordings = []
    for person in PERSONS:
        for action in KTH_ACTIONS:
            for scenario in SCENARIOS:
                lengths = [len(stretch.x) for stretch in _plan(person, action, scenario)]
                ends = np.cumsum(lengths).tolist()
                recordings.append(
                    Recording(
                        name=f"person{person:02d}_{action}_d{scenario}",
                        group=str(person),
                        category=action,
                        key=f"{person}-{action}-{scenario}",
                        load=partial(paint_video, person, action, scenario, wanted.size),
                        ranges=tuple(pairwise([0, *ends])),
                        num_frames=ends[-1],
                    )
                )
    return Found(recordings, frame_size=(wanted.size, wanted.size), provenance={"source": "built-in figures"})


def paint_video(person: int, action: str, scenario: int, size: int) -> np.ndarray:
    """One video, uint8 (T, size, size, 1); the same numbers for the same arguments."""
    manner, greys = _person(person, scenario)
    scene = _scene(person, scenario, size)
    rng = _rng(person, scenario, KTH_ACTIONS.index(action), 1)
    stretches = []
    for stretch in _plan(person, action, scenario):
        bones = pose(action, len(stretch.x), stretch.phase, manner)
        frames = _paint(scene, bones, stretch, greys, size)
        frames += NOISE * rng.standard_normal(frames.shape, dtype=np.float32)
        frames += rng.normal(0, 0.4, (len(frames), 1, 1)).astype(np.float32)  # the exposure flickers a little
        stretches.append(np.clip(np.rint(frames), 0, 255).astype(np.uint8))
    return np.concatenate(stretches)[..., None]


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([2004, *seed])


@cache
def _person(person: int, scenario: int) -> tuple[Manner, dict[str, float]]:
    """Body and habits belong to the person, clothes to the person and d3."""
    body = _rng(person, 0)
    tempo, reach, build = body.uniform(0.9, 1.12), body.uniform(0.92, 1.08), body.uniform(0.95, 1.4)
    skin, hair = body.uniform(90, 130), body.uniform(25, 85)
    clothes = _rng(person, 1 if scenario == 3 else 2)
    shirt, trousers, shoes = clothes.uniform(25, 100), clothes.uniform(25, 95), clothes.uniform(15, 60)
    if abs(shirt - trousers) < 25:  # KTH's persons are seldom of one colour
        shirt += 32
    greys = dict(zip(CLOTHES, (shirt, trousers, skin, hair, shoes), strict=True))
    return Manner(tempo, reach, build, coat=scenario == 3), greys


@cache
def _plan(person: int, action: str, scenario: int) -> tuple[Stretch, ...]:
    manner, _ = _person(person, scenario)
    rng = _rng(person, scenario, KTH_ACTIONS.index(action), 0)
    tall = _rng(person, 3).uniform(0.62, 0.74)
    facing = 1 if rng.random() < 0.5 else -1
    stretches = []
    for crossing in range(CROSSINGS.get(action, 1)):
        phase = rng.uniform(0, 2 * np.pi)
        if action in GAITS:
            direction = facing if crossing % 2 == 0 else -facing
            stretches.append(_crossing(stride_speed(action, manner), tall, direction, phase, scenario, rng))
        else:
            time = np.arange(STANDING_FRAMES) / STANDING_FRAMES
            zoom = 1 + (0.14 * np.sin(2 * np.pi * time + phase) if scenario == 2 else 0 * time)
            sway = 0.006 * np.sin(2 * np.pi * time * rng.uniform(1, 2) + phase)
            stretches.append(Stretch(rng.uniform(0.42, 0.58) + sway, tall * zoom * 0.96, facing, phase))
    return tuple(stretches)


def _crossing(speed: float, tall: float, facing: int, phase: float, scenario: int, rng: np.random.Generator) -> Stretch:
    """From one edge to the other; in d2 on a slant, so that the figure grows or shrinks on its way."""
    slant = rng.choice([-1, 1]) * 0.2 if scenario == 2 else 0.0
    first, last = -0.02, 1.02
    middle_frames = (last - first) / (speed * tall * SQUEEZE)
    num_frames = max(round(middle_frames), FEWEST_FRAMES)
    way = np.arange(num_frames) / (num_frames - 1)
    height = tall * (1 + slant * (way - 0.5) * 2)
    steps = height / height.sum()  # a taller figure makes more of the picture a frame
    along = first + (last - first) * (np.cumsum(steps) - steps[0]) / (1 - steps[0])
    return Stretch(along if facing == 1 else 1 - along, height, facing, phase)


@cache
def _scene(person: int, scenario: int, size: int) -> np.ndarray:
    """The empty picture, float32 (size, size): light grey, slow shades, fine grain, and a ground."""
    rng = _rng(person, scenario, 4)
    base = rng.uniform(168, 205) - (25 if scenario == 4 else 0)
    scene = base + 5 * _smooth(rng, 5, size) + 2.5 * _smooth(rng, 17, size) + 1.5 * rng.standard_normal((size, size))
    y, x = np.mgrid[0:size, 0:size] / size
    scene += rng.uniform(-10, 10) * (x - 0.5) + rng.uniform(0, 12) * (0.5 - y)
    horizon = rng.uniform(0.8, 0.86)
    edge = np.clip((y - horizon) * size + 0.5, 0, 1)
    if scenario == 4:  # a floor, a skirting board
        scene -= edge * rng.uniform(22, 38)
        scene -= 30 * np.clip(1 - np.abs((y - horizon) * size), 0, 1)
    else:  # grass or sand: rougher than the sky or wall above it
        scene -= edge * (rng.uniform(4, 16) + 4 * _smooth(rng, 31, size))
    return scene.astype(np.float32)


def _smooth(rng: np.random.Generator, knots: int, size: int) -> np.ndarray:
    """Noise that varies over size / knots pixels, (size, size), linear between random knots."""
    at = np.linspace(0, knots - 1, size)
    weights = np.maximum(1 - np.abs(at[:, None] - np.arange(knots)), 0)
    return weights @ rng.standard_normal((knots, knots)) @ weights.T


def _paint(scene: np.ndarray, bones: list[Bone], stretch: Stretch, greys: dict[str, float], size: int) -> np.ndarray:
    """Frames (T, size, size) float32. Only a window around the figure is computed, and pasted where it stands."""
    tall = (stretch.height * size)[:, None]  # pixels
    scale = tall * np.array([stretch.facing * SQUEEZE, -1.0])  # pictures count rows downward
    ground = 0.955 - 0.35 * (1 - stretch.height / 0.72).clip(-0.1, 0.3)
    feet = np.stack([stretch.x * size, ground * size], axis=1)
    ends = [(bone.start * scale, bone.end * scale) for bone in bones]
    points = np.concatenate([end for pair in ends for end in pair])
    spare = 0.08 * tall.max() + 2
    left, top = np.floor(points.min(axis=0) - spare).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + spare).astype(int)
    corner = np.floor(feet).astype(int)
    offset = (feet - corner).astype(np.float32)

    pad = size + max(-left, right, -top, bottom)
    wide = np.pad(scene, pad, mode="edge")
    height, width = bottom - top, right - left
    places = [(pad + y + top, pad + x + left) for x, y in corner]
    window = np.stack([wide[y : y + height, x : x + width] for y, x in places])
    rows = (np.arange(top, bottom, dtype=np.float32) + 0.5)[None, :, None] - offset[:, 1, None, None]
    columns = (np.arange(left, right, dtype=np.float32) + 0.5)[None, None, :] - offset[:, 0, None, None]

    _shadow(window, rows, columns, tall)
    for bone, (start, end) in zip(bones, ends, strict=True):
        cover = _capsule(rows, columns, start, end, bone.radius * tall[:, 0])
        window += cover * (min(greys[bone.cloth] * bone.shade, 235) - window)

    frames = np.repeat(wide[None], len(places), axis=0)
    for frame, (y, x), pasted in zip(frames, places, window, strict=True):
        frame[y : y + height, x : x + width] = pasted
    return frames[:, pad : pad + size, pad : pad + size].copy()


def _capsule(
    rows: np.ndarray, columns: np.ndarray, start: np.ndarray, end: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """How much of each pixel a capsule covers, (T, H, W) in [0, 1], from the distance to its axis.

    Distances are taken in unsqueezed widths, so limbs are as thick lying as standing.
    """
    stretch = np.array([1 / SQUEEZE, 1.0])
    start, axis = (start * stretch).astype(np.float32), ((end - start) * stretch).astype(np.float32)
    squared = np.maximum((axis**2).sum(axis=1), 1e-6)[:, None, None]
    from_x = columns / np.float32(SQUEEZE) - start[:, 0, None, None]
    from_y = rows - start[:, 1, None, None]
    axis_x, axis_y = axis[:, 0, None, None], axis[:, 1, None, None]
    along = np.clip((from_x * axis_x + from_y * axis_y) / squared, 0, 1)
    from_x = from_x - along * axis_x
    from_y = from_y - along * axis_y
    distance = np.sqrt(from_x**2 + from_y**2)
    return np.clip(radius.astype(np.float32)[:, None, None] + 0.5 - distance, 0, 1)


def _shadow(window: np.ndarray, rows: np.ndarray, columns: np.ndarray, tall: np.ndarray) -> None:
    """A faint darkening of the ground under the feet."""
    width, depth = 0.2 * tall[:, :, None].astype(np.float32), 0.035 * tall[:, :, None].astype(np.float32)
    window -= 18 * np.exp(-((columns / width) ** 2) - (rows / depth) ** 2)
