"""What happens to one part, drawn from (seed, index) before a single pixel is: its truth, pose and light.

The truth of a part is known here and nowhere else; it costs microseconds, so that a report can ask for it again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

GOOD = "good"
DEFECTS = ("scratch", "dent", "stain", "missing_feature")
HARMLESS = ("tool_mark", "dust", "sheen")
"""What good parts show too, faintly: none of it is a defect."""
DEFAULT_DEFECT_SHARE = 0.12
TRAINING_SEED = 7
"""The line whose parts the shipped bundle learned from; the demo must show it another."""
VARIANTS = 4
"""Grinding patterns kept per seed."""

HALF_WIDTH, HALF_HEIGHT = 440, 340
BOSS_RADIUS, COUNTERBORE_RADIUS, BORE_RADIUS = 226, 152, 100


@dataclass(frozen=True, slots=True)
class Feature:
    """A hole or a slot, in pixels from the part's middle; a slot is a hole drawn out by `half_length` along x."""

    name: str
    x: int
    y: int
    radius: int
    chamfer: int
    half_length: int = 0


FEATURES = (
    Feature("bolt hole 1", -345, -245, 40, 17),
    Feature("bolt hole 2", 345, -245, 40, 17),
    Feature("bolt hole 3", -345, 245, 40, 17),
    Feature("bolt hole 4", 345, 245, 40, 17),
    Feature("dowel hole 1", -345, 0, 20, 5),
    Feature("dowel hole 2", 345, 0, 20, 5),
    Feature("slot", 0, -284, 19, 5, 80),
)


@dataclass(frozen=True, slots=True)
class Blemish:
    """A defect or a harmless mark: where on the part (px from its middle), how large (px) and how strong (0..1)."""

    kind: str
    severity: float
    x: float
    y: float
    size_px: float
    angle: float
    seed: int
    feature: int = -1
    """For a missing feature: which one of FEATURES."""


@dataclass(frozen=True, slots=True)
class Light:
    """The lamp as this part meets it. Gains are factors around 1; offsets in pixels."""

    exposure: float
    temperature: float
    """-1 cold .. 1 warm."""
    offset_px: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PartPlan:
    label: str
    defect: Blemish | None
    marks: tuple[Blemish, ...]
    light: Light
    shift_px: tuple[float, float]
    angle_deg: float
    variant: int
    texture_px: tuple[int, int]
    noise_px: tuple[int, int]
    """Where in the banks of textures and of sensor noise this part's are cut out."""


def plan_part(seed: int, index: int, defect_share: float = DEFAULT_DEFECT_SHARE, drift: float = 1.0) -> PartPlan:
    """Draw part `index` of the line `seed`. The defect has its own stream, so that it changes nothing else."""
    rng = np.random.default_rng((seed, index, 0))
    defect = _draw_defect(np.random.default_rng((seed, index, 1)), defect_share)
    return PartPlan(
        label=defect.kind if defect else GOOD,
        defect=defect,
        marks=_draw_marks(rng),
        light=_draw_light(rng, seed, index, drift),
        shift_px=(float(rng.uniform(-22, 22)), float(rng.uniform(-18, 18))),
        angle_deg=float(np.clip(rng.normal(0, 1.2), -3.5, 3.5)),
        variant=int(rng.integers(VARIANTS)),
        texture_px=(int(rng.integers(200)), int(rng.integers(400))),
        noise_px=(int(rng.integers(64)), int(rng.integers(64))),
    )


def truth_label(seed: int, index: int, defect_share: float = DEFAULT_DEFECT_SHARE) -> str:
    """Return the true class of a part without drawing the rest of it."""
    defect = _draw_defect(np.random.default_rng((seed, index, 1)), defect_share)
    return defect.kind if defect else GOOD


def _draw_defect(rng: np.random.Generator, share: float) -> Blemish | None:
    if rng.random() >= share:
        return None
    kind = DEFECTS[rng.integers(len(DEFECTS))]
    severity = float(0.1 + 0.9 * rng.beta(1.5, 1.7))
    if kind == "missing_feature":
        return _missing(rng, severity)
    sizes = {"scratch": (70, 420), "dent": (8, 26), "stain": (38, 120)}
    return _blemish(rng, kind, severity, sizes[kind])


def _missing(rng: np.random.Generator, severity: float) -> Blemish:
    chosen = int(rng.integers(len(FEATURES)))
    feature = FEATURES[chosen]
    size = feature.half_length + feature.radius + feature.chamfer
    return Blemish("missing_feature", severity, feature.x, feature.y, size, 0.0, 0, chosen)


def _draw_marks(rng: np.random.Generator) -> tuple[Blemish, ...]:
    """Draw what a good part shows as well: a few faint marks, always weaker than the faintest defect."""
    sizes = {"tool_mark": (40, 220), "dust": (120, 330), "sheen": (90, 210)}
    weights = (0.5, 0.3, 0.2)
    kinds = rng.choice(HARMLESS, size=rng.poisson(1.3), p=weights)
    return tuple(_blemish(rng, str(kind), float(rng.uniform(0.02, 0.095)), sizes[str(kind)]) for kind in kinds)


def _blemish(rng: np.random.Generator, kind: str, severity: float, sizes: tuple[float, float]) -> Blemish:
    x, y = _spot_on_face(rng)
    size = float(rng.uniform(sizes[0], sizes[1]))
    return Blemish(kind, severity, x, y, size, float(rng.uniform(0, math.pi)), int(rng.integers(2**31)))


def _spot_on_face(rng: np.random.Generator) -> tuple[float, float]:
    """Choose a point of the machined faces, away from edges, holes and the bore."""
    while True:
        x, y = float(rng.uniform(-405, 405)), float(rng.uniform(-305, 305))
        radius = math.hypot(x, y)
        on_step = abs(radius - BOSS_RADIUS) < 22 or abs(radius - COUNTERBORE_RADIUS) < 12
        if not on_step and radius > COUNTERBORE_RADIUS and all(_distance(f, x, y) > 24 for f in FEATURES):
            return x, y


def _distance(feature: Feature, x: float, y: float) -> float:
    along = max(abs(x - feature.x) - feature.half_length, 0.0)
    return math.hypot(along, y - feature.y) - feature.radius - feature.chamfer


def _draw_light(rng: np.random.Generator, seed: int, index: int, drift: float) -> Light:
    """Slow waves of brightness and colour with phases of the seed, and a jitter of the exposure per part."""
    phases = np.random.default_rng((seed, 2)).uniform(0, 2 * math.pi, 4)
    waves = np.sin(2 * math.pi * index / np.array((830.0, 1270.0, 610.0, 970.0)) + phases)
    exposure = 1 + drift * 0.11 * waves[0] + float(rng.normal(0, 0.018))
    offset = (int(60 * drift * waves[2] + rng.normal(0, 3)), int(40 * drift * waves[3] + rng.normal(0, 3)))
    return Light(float(np.clip(exposure, 0.6, 1.5)), float(np.clip(drift * 0.8 * waves[1], -1.5, 1.5)), offset)
