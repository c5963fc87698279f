"""How the stand-in's figures move: joint positions of one person doing one of the six KTH actions.

Walking, jogging and running are seen from the side: hips swing as a cosine, knees bend while the leg travels forward,
arms swing against the legs, and the pelvis rides at the height that keeps the lower foot on the ground. Boxing is seen
from the side, clapping and waving from the front, with elbows found from where the hands must be.

Lengths are fractions of the body's height, x points where the person looks, y up from the ground. Joints are (T, 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FRAMES_A_SECOND = 25
THIGH, SHIN, FOOT = 0.25, 0.24, 0.10
UPPER_ARM, FOREARM = 0.165, 0.175  # the forearm with its hand
NECK, HEAD = 0.31, 0.40  # above the pelvis, along the trunk
SHOULDER = 0.285


Arm = tuple[np.ndarray, np.ndarray, np.ndarray]  # shoulder, elbow, hand


@dataclass(frozen=True)
class Gait:
    """One way of moving forward. Angles in degrees, forward positive."""

    cycles_a_second: float  # two steps a cycle
    hip: float  # swing to either side
    swing_knee: float  # largest bend while the leg travels forward
    stance_knee: float  # bend while it carries
    arm: float  # swing of the upper arm
    elbow: float  # bend that is kept
    lean: float  # of the trunk
    flight: float  # how far both feet leave the ground
    glide: float  # way made over the way of a leg on the ground


GAITS = {
    "walking": Gait(1.05, 26, 50, 6, 31, 8, 3, 0.0, 1.0),
    "jogging": Gait(1.35, 30, 84, 18, 40, 66, 9, 0.02, 1.05),
    "running": Gait(1.45, 38, 112, 24, 54, 84, 17, 0.045, 1.12),
}


@dataclass(frozen=True)
class Bone:
    """A capsule from `start` to `end` (T, 2) of this radius; bones are painted in their order."""

    start: np.ndarray
    end: np.ndarray
    radius: float
    cloth: str  # "shirt", "trousers", "skin", "hair", "shoes"
    shade: float = 1.0  # the far arm and leg lie in the shadow of the body


@dataclass(frozen=True)
class Manner:
    """What makes one person's movements their own; 1 is the average of each."""

    tempo: float = 1.0
    reach: float = 1.0
    build: float = 1.0
    coat: bool = False


def stride_speed(action: str, manner: Manner) -> float:
    """Way made in one frame, in body heights."""
    gait = GAITS[action]
    step = 2 * (THIGH + SHIN) * np.sin(np.radians(gait.hip * manner.reach))
    return float(2 * step * gait.glide * gait.cycles_a_second * manner.tempo / FRAMES_A_SECOND)


def pose(action: str, num_frames: int, start_phase: float, manner: Manner) -> list[Bone]:
    """The bones over time, origin on the ground below the pelvis."""
    time = np.arange(num_frames) / FRAMES_A_SECOND
    if action in GAITS:
        return _gait(GAITS[action], time, start_phase, manner)
    cycles_a_second = {"boxing": 0.95, "handclapping": 1.15, "handwaving": 0.75}[action]
    phase = start_phase + 2 * np.pi * cycles_a_second * manner.tempo * time
    return {"boxing": _boxing, "handclapping": _clapping, "handwaving": _waving}[action](phase, manner)


def _gait(gait: Gait, time: np.ndarray, start_phase: float, manner: Manner) -> list[Bone]:
    phase = start_phase + 2 * np.pi * gait.cycles_a_second * manner.tempo * time
    legs = []
    for leg_phase in (phase + np.pi, phase):  # the far leg first
        hip = np.radians(gait.hip * manner.reach * np.cos(leg_phase) + 0.35 * gait.lean)
        swing = _bump(leg_phase, 1.46 * np.pi, 0.30 * np.pi)  # the leg travels forward between pi and 2 pi
        stance = _bump(leg_phase, 0.35 * np.pi, 0.25 * np.pi)
        bend = np.radians(4 + gait.swing_knee * swing + gait.stance_knee * stance)
        legs.append(_leg(hip, bend))
    lowest = np.minimum.reduce([np.minimum(ankle[:, 1] - 0.03, toe[:, 1]) for _, ankle, toe in legs])
    airborne = gait.flight * np.abs(np.sin(phase + 0.3 * np.pi))  # highest between two steps
    pelvis = np.stack([np.zeros_like(phase), airborne - lowest], axis=1)
    lean = np.radians(gait.lean + 1.5 * np.cos(2 * phase))
    arms: list[Arm] = []
    for arm_phase in (phase, phase + np.pi):  # each arm against the leg of its side
        upper = np.radians(gait.arm * manner.reach * np.cos(arm_phase)) + 0.3 * lean
        bend = np.radians(gait.elbow + 0.28 * gait.arm * (1 + np.cos(arm_phase)))
        shoulder = pelvis + _up(lean, SHOULDER) + 0.02 * np.stack([np.cos(arm_phase), np.zeros_like(phase)], axis=1)
        elbow = shoulder + _down(upper, UPPER_ARM)
        arms.append((shoulder, elbow, elbow + _down(upper + bend, FOREARM)))
    trunk = _trunk_from_side(pelvis, lean, manner)
    (far_knee, far_ankle, far_toe), (knee, ankle, toe) = legs
    return [
        *_arm_bones(*arms[0], manner, shade=0.8),
        *_leg_bones(pelvis, pelvis + far_knee, pelvis + far_ankle, pelvis + far_toe, manner, shade=0.8),
        *_leg_bones(pelvis, pelvis + knee, pelvis + ankle, pelvis + toe, manner),
        *trunk,
        *_arm_bones(*arms[1], manner, shade=1.12),
    ]


def _boxing(phase: np.ndarray, manner: Manner) -> list[Bone]:
    """From the side: fists by turns, one out at the shoulder's height while the other guards the chin."""
    bounce = 0.008 * np.cos(2 * phase)
    lean = np.radians(7 + 2.5 * np.cos(2 * phase))
    pelvis = np.stack([0.012 * np.sin(2 * phase), 0.49 + bounce], axis=1)
    legs: list[Bone] = []
    arms: list[Arm] = []
    for arm_phase in (phase + np.pi, phase):
        out = np.clip(1.25 * np.sin(arm_phase), 0, 1) ** 1.4
        shoulder = pelvis + _up(lean, SHOULDER) + _xy(0.055 * out - 0.015, 0 * out)
        fist = shoulder + _xy(0.12 + 0.215 * out * manner.reach, 0.01 + 0.015 * out - 0.02 * (1 - out))
        arms.append((shoulder, *_bend(shoulder, fist, UPPER_ARM, FOREARM, -1)))
    for foot_x, shade in ((0.15, 0.8), (-0.14, 1.0)):
        ankle = _xy(np.full_like(phase, foot_x), np.full_like(phase, 0.03))
        knee, ankle = _bend(pelvis, ankle, THIGH, SHIN, 1)
        legs += _leg_bones(pelvis, knee, ankle, ankle + np.array([FOOT, -0.012]), manner, shade=shade)
    return [
        *_arm_bones(*arms[0], manner, shade=0.8),
        *legs,
        *_trunk_from_side(pelvis, lean, manner),
        *_arm_bones(*arms[1], manner, shade=1.12),
    ]


def _clapping(phase: np.ndarray, manner: Manner) -> list[Bone]:
    """From the front: hands meet before the chest and part. Arms point at the camera and look short."""
    opening = (0.5 - 0.5 * np.cos(phase)) ** 0.8
    arms: list[Arm] = []
    for side in (-1, 1):
        shoulder = _xy(np.full_like(phase, 0.105 * side * manner.build**0.5), np.full_like(phase, 0.81))
        elbow = _xy(side * (0.15 + 0.045 * opening), 0.665 + 0.03 * opening)
        hand = _xy(side * (0.012 + 0.36 * manner.reach * opening), 0.705 + 0.045 * opening)
        arms.append((shoulder, elbow, hand))
    return _standing(phase, arms, manner)


def _waving(phase: np.ndarray, manner: Manner) -> list[Bone]:
    """From the front: both arms swing from low at the sides to above the head, forearms trailing."""
    arms: list[Arm] = []
    for side in (-1, 1):
        upper = np.radians(100 + 47 * manner.reach * np.sin(phase))
        fore = upper + np.radians(16 + 17 * np.sin(phase - 0.7))
        shoulder = _xy(np.full_like(phase, 0.105 * side * manner.build**0.5), np.full_like(phase, 0.81))
        elbow = shoulder + _down(side * upper, UPPER_ARM)
        arms.append((shoulder, elbow, elbow + _down(side * fore, FOREARM)))
    return _standing(phase, arms, manner)


def _standing(phase: np.ndarray, arms: Sequence[Arm], manner: Manner) -> list[Bone]:
    still = np.zeros_like(phase)
    bones: list[Bone] = []
    for side in (-1, 1):
        hip, ankle = _xy(still + 0.05 * side, still + 0.52), _xy(still + 0.085 * side, still + 0.035)
        knee, ankle = _bend(hip, ankle, THIGH, SHIN, side)
        bones += _leg_bones(hip, knee, ankle, ankle + np.array([0.035 * side, -0.012]), manner)
    width = manner.build**0.7
    hem = 0.36 if manner.coat else 0.54
    for side in (-1, 1):
        bones.append(
            Bone(
                _xy(still + 0.055 * side * width, still + 0.795),
                _xy(still + 0.045 * side * width, still + hem),
                0.055 * width,
                "shirt",
            )
        )
    bones.append(Bone(_xy(still, still + 0.79), _xy(still, still + hem), 0.05 * width, "shirt"))
    bones.append(Bone(_xy(still, still + 0.82), _xy(still, still + 0.88), 0.028, "skin"))
    bones.append(Bone(_xy(still, still + 0.95), _xy(still, still + 0.955), 0.062, "hair"))
    bones.append(Bone(_xy(still, still + 0.905), _xy(still, still + 0.93), 0.05, "skin"))
    for arm in arms:
        bones += _arm_bones(*arm, manner, shade=1.3)  # lit, or they vanish before the chest
    return bones


def _trunk_from_side(pelvis: np.ndarray, lean: np.ndarray, manner: Manner) -> list[Bone]:
    """Trunk, neck, and a head whose hair lies behind the face: it shows where the person looks."""
    neck, head = pelvis + _up(lean, NECK), pelvis + _up(0.6 * lean, HEAD)
    width = manner.build**0.7
    bones = [
        Bone(pelvis + _up(lean, 0.01), pelvis + _up(lean, 0.12), 0.062 * width, "shirt"),
        Bone(pelvis + _up(lean, 0.12), pelvis + _up(lean, 0.25), 0.07 * width, "shirt"),
        Bone(neck, head, 0.03, "skin"),
        Bone(head + np.array([-0.012, 0.018]), head + np.array([-0.012, 0.02]), 0.06, "hair"),
        Bone(head + np.array([0.016, -0.022]), head + np.array([0.016, 0.0]), 0.043, "skin"),
    ]
    if manner.coat:
        bones.append(Bone(pelvis, pelvis + _down(-0.3 * lean, 0.13), 0.07 * width, "shirt"))
    return bones


def _leg_bones(
    hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, toe: np.ndarray, manner: Manner, shade: float = 1.0
) -> list[Bone]:
    width = manner.build**0.6
    return [
        Bone(hip, knee, 0.046 * width, "trousers", shade),
        Bone(knee, ankle, 0.034 * width, "trousers", shade),
        Bone(ankle, toe, 0.024, "shoes", shade),
    ]


def _arm_bones(
    shoulder: np.ndarray, elbow: np.ndarray, hand: np.ndarray, manner: Manner, shade: float = 1.0
) -> list[Bone]:
    width = manner.build**0.5
    return [
        Bone(shoulder, elbow, 0.031 * width, "shirt", shade),
        Bone(elbow, elbow + 0.7 * (hand - elbow), 0.026 * width, "shirt", shade),
        Bone(elbow + 0.78 * (hand - elbow), hand, 0.027, "skin", shade),
    ]


def _leg(hip: np.ndarray, knee: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knee, ankle and toe below a hip at the origin, from the thigh's angle and the knee's bend."""
    knee_at = _down(hip, THIGH)
    ankle = knee_at + _down(hip - knee, SHIN)
    pitch = 0.75 * (hip - knee)  # a shin that trails points the toe down
    return (
        knee_at,
        ankle,
        ankle + FOOT * np.stack([np.cos(pitch), np.sin(pitch)], axis=1) - np.array([0.015, 0.012]),
    )


def _bend(root: np.ndarray, tip: np.ndarray, first: float, second: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the joint between two links lies, and the tip as near to `tip` as they reach.

    `side` 1 puts the joint to the left of the way from root to tip, -1 to its right.
    """
    way = tip - root
    far = np.linalg.norm(way, axis=1, keepdims=True)
    reach = np.clip(far, abs(first - second) + 1e-3, first + second - 1e-3)
    way = way / np.maximum(far, 1e-6)
    along = (first**2 - second**2 + reach**2) / (2 * reach)
    across = np.sqrt(np.maximum(first**2 - along**2, 0))
    left = np.stack([-way[:, 1], way[:, 0]], axis=1)
    return root + along * way + side * across * left, root + reach * way


def _bump(phase: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A smooth hill of height 1 once a cycle."""
    away = (phase - centre + np.pi) % (2 * np.pi) - np.pi
    return np.exp(-((away / width) ** 2))


def _down(angle: np.ndarray, length: float) -> np.ndarray:
    return length * np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def _up(angle: np.ndarray, length: float) -> np.ndarray:
    return length * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _xy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y), axis=1)
