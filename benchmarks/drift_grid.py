"""Held parts scored once at each degree of each degradation, for `benchmarks.drift` to draw streams from.

Each held part is degraded, given sensor noise, and inspected as the line would, three times with other noise.
A degradation of no degree is no change, and is stored once, at the place of each kind's first degree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle import load_bundle
from inspector.dataset import read_dataset
from inspector.imaging import measure
from inspector.inspection import Inspector
from inspector.preprocess import read_image
from inspector.values import Frame, Image, Outcome, Prediction, Quality

NOISE_LEVELS = 1.0
"""Standard deviation of the sensor's noise, in grey levels."""
DRAWS = 3
VALUES = ("probability", "novelty", "passed", "rejected", "reviewed", "focus", "brightness", "dark", "saturated")
LOOKS = ("redness", "blueness", "grain along x", "grain along y", "grain aslant")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Figures of each part at each degree of one degradation."""

    degrees: tuple[float, ...]
    values: NDArray[np.float64]
    """(degrees, parts, draws, VALUES)."""
    looks: NDArray[np.float64]
    """(degrees, parts, draws, LOOKS)."""
    profiles: NDArray[np.float32]
    """(degrees, parts, draws, 2, bins) edges along x and y."""


def faded(image: Image, share: float) -> Image:
    """The lamp has lost `share` of its light."""
    return np.asarray(np.clip(image * (1 - share), 0, 255), np.uint8)


def blurred(image: Image, sigma_px: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8) if sigma_px > 0 else image


def moved(image: Image, shift_px: float) -> Image:
    """The camera looks `shift_px` further to the left: all lies further right."""
    matrix = np.array([[1, 0, shift_px], [0, 1, 0]], np.float32)
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT), np.uint8)


def brushed(image: Image, contrast: float) -> Image:
    """Another material: fine brushing lies over the surface, its standard deviation `contrast` of the grey level."""
    return _overlaid(image, _lines(image.shape[:2]), contrast)


def brushed_aslant(image: Image, contrast: float) -> Image:
    """The same brushing, at 30 degrees to the picture's rows."""
    height, width = image.shape[:2]
    side = 2 * max(height, width)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), 30, 1)
    turned = np.asarray(cv2.warpAffine(_lines((side, side)), turn, (side, side)), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    return _overlaid(image, turned[top : top + height, left : left + width], contrast)


def speckled(image: Image, contrast: float) -> Image:
    """A texture without any direction: spots of some 4 px."""
    noise = np.random.default_rng(20).normal(size=image.shape[:2]).astype(np.float32)
    return _overlaid(image, np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.float32), contrast)


def _lines(shape: tuple[int, ...]) -> NDArray[np.float32]:
    noise = np.random.default_rng(20).normal(size=shape).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), sigmaX=12, sigmaY=0.8), np.float32)


def _overlaid(image: Image, pattern: NDArray[np.float32], contrast: float) -> Image:
    lit = 1 + pattern / float(pattern.std()) * contrast
    return np.asarray(np.clip(image * lit[:, :, None], 0, 255), np.uint8)


CONTRASTS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.09, 0.12, 0.2)
DEGRADATIONS: Mapping[str, tuple[Callable[[Image, float], Image], tuple[float, ...]]] = {
    "fade": (faded, (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)),
    "defocus": (blurred, (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)),
    "shift": (moved, (0.0, 3.0)),
    "texture": (brushed, CONTRASTS),
    "texture aslant": (brushed_aslant, CONTRASTS),
    "speckle": (speckled, CONTRASTS),
}


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Held parts and their grids."""

    is_defect: NDArray[np.bool_]
    sizes_px: NDArray[np.int64]
    """(parts, 2) width and height."""
    grids: Mapping[str, Grid]


def held_parts(bundle: Path, dataset: Path, split: str, cache: Path) -> Held:
    """Score the held parts, or read what was scored before with the same bundle and degradations."""
    loaded = load_bundle(bundle)
    key = json.dumps([loaded.id, str(dataset), split, NOISE_LEVELS, DRAWS, [d for _, d in DEGRADATIONS.values()], 4])
    file = cache / f"drift-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, **_score(Inspector(loaded), dataset, split))
    with np.load(file) as stored:
        grids = {
            name: Grid(degrees, *(stored[f"{name}_{array}"] for array in ("values", "looks", "profiles")))
            for name, (_, degrees) in DEGRADATIONS.items()
        }
        return Held(stored["is_defect"], stored["sizes_px"], grids)


def _score(inspector: Inspector, dataset: Path, split: str) -> dict[str, Any]:
    samples = [sample for sample in read_dataset(dataset).rows if sample.split == split]
    images = [read_image(sample.path) for sample in samples]
    arrays: dict[str, Any] = {
        "is_defect": np.array([inspector.is_defect(sample.label) for sample in samples]),
        "sizes_px": np.array([(image.shape[1], image.shape[0]) for image in images]),
    }
    rng = np.random.default_rng(7)
    for name, (degrade, degrees) in DEGRADATIONS.items():
        arrays |= _score_kind(inspector, images, name, degrade, degrees, rng)
    return arrays


def _score_kind(
    inspector: Inspector,
    images: list[Image],
    name: str,
    degrade: Callable[[Image, float], Image],
    degrees: tuple[float, ...],
    rng: np.random.Generator,
) -> dict[str, Any]:
    shape = (len(degrees), len(images), DRAWS)
    values, looks = np.empty((*shape, len(VALUES))), np.empty((*shape, len(LOOKS)))
    profiles = np.empty((*shape, 2, 255), np.float32)
    for place in np.ndindex(*shape):
        picture = degrade(images[place[1]], degrees[place[0]])
        noisy = np.clip(picture + rng.normal(0.5, NOISE_LEVELS, picture.shape), 0, 255).astype(np.uint8)
        values[place], imaging = _inspect(inspector, noisy), measure(noisy)
        looks[place] = imaging.redness, imaging.blueness, *astuple(imaging.grain)
        profiles[place] = imaging.along_x, imaging.along_y
    return {f"{name}_values": values, f"{name}_looks": looks, f"{name}_profiles": profiles}


def _inspect(inspector: Inspector, image: Image) -> list[float]:
    part = inspector.inspect([Frame(image, "held", 0, datetime.now(UTC))])
    view = part.views[0]
    prediction, quality = view.prediction, view.quality
    if prediction is None:
        raise ValueError(f"a held part could not be inspected: {'; '.join(part.verdict.reasons)}")
    return _figures(prediction, quality, part.verdict.outcome)


def _figures(prediction: Prediction, quality: Quality, outcome: Outcome) -> list[float]:
    novelty = float("nan") if prediction.novelty is None else prediction.novelty
    fates = [float(outcome is fate) for fate in (Outcome.PASS, Outcome.REJECT, Outcome.REVIEW)]
    exposure = [quality.brightness, quality.dark_share, quality.saturated_share]
    return [prediction.defect_probability, novelty, *fates, quality.focus, *exposure]
