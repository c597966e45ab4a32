"""Held parts scored once at each degree of each degradation, for `benchmarks.drift` to draw streams from.

Each held part is degraded, given sensor noise, and inspected as the line would, three times with other noise.
A degradation of no degree is no change, and is stored once, at the place of each kind's first degree. Each degree has a
file of its own, written as soon as it is scored: scoring goes on where it was stopped.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing import get_context
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


def grid_folder(bundle: Path, dataset: Path, split: str, cache: Path) -> Path:
    """Return where the scores of this bundle, data set and these degradations are kept."""
    degrees = [degrees for _, degrees in DEGRADATIONS.values()]
    key = json.dumps([load_bundle(bundle).id, str(dataset), split, NOISE_LEVELS, DRAWS, degrees, 5])
    return cache / f"drift-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def score_all(bundle: Path, dataset: Path, split: str, folder: Path, workers: int) -> None:
    """Score the held parts at each degree that is not yet in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    places = [(name, place) for name, (_, degrees) in DEGRADATIONS.items() for place in range(len(degrees))]
    missing = [each for each in places if not _file(folder, *each).is_file()]
    with pool(min(workers, len(missing))) as scorers:
        tasks = [scorers.submit(_score, bundle, dataset, split, folder, *each) for each in missing]
        for done, task in enumerate(as_completed(tasks), len(places) - len(missing) + 1):
            task.result()
            progress(f"scored {done} of {len(places)} degrees")


def pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max(1, workers), mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    )


def progress(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def held_parts(folder: Path) -> Held:
    """Read what `score_all` has scored."""
    grids = {}
    for name, (_, degrees) in DEGRADATIONS.items():
        scored = [dict(_arrays(_file(folder, name, place))) for place in range(len(degrees))]
        arrays = (np.stack([each[array] for each in scored]) for array in ("values", "looks", "profiles"))
        grids[name] = Grid(degrees, *arrays)
    return Held(scored[0]["is_defect"], scored[0]["sizes_px"], grids)


def _arrays(file: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with np.load(file) as stored:
        yield from stored.items()


def _file(folder: Path, name: str, place: int) -> Path:
    return folder / f"{name.replace(' ', '-')}-{place:02d}.npz"


@lru_cache(maxsize=1)
def _pictures(bundle: Path, dataset: Path, split: str) -> tuple[Inspector, list[Image], NDArray[np.bool_]]:
    inspector = Inspector(load_bundle(bundle))
    samples = [sample for sample in read_dataset(dataset).rows if sample.split == split]
    is_defect = np.array([inspector.is_defect(sample.label) for sample in samples])
    return inspector, [read_image(sample.path) for sample in samples], is_defect


def _score(bundle: Path, dataset: Path, split: str, folder: Path, name: str, place: int) -> None:
    """Score every held part at one degree, each with noise of its own."""
    inspector, images, is_defect = _pictures(bundle, dataset, split)
    degrade, degrees = DEGRADATIONS[name]
    shape = (len(images), DRAWS)
    values, looks = np.empty((*shape, len(VALUES))), np.empty((*shape, len(LOOKS)))
    profiles = np.empty((*shape, 2, 255), np.float32)
    rng = np.random.default_rng([7, list(DEGRADATIONS).index(name), place])
    for number, image in enumerate(images):
        picture = degrade(image, degrees[place]).astype(np.float32)
        for draw in range(DRAWS):
            noise = NOISE_LEVELS * rng.standard_normal(picture.shape, np.float32)
            noisy = np.clip(picture + noise + np.float32(0.5), 0, 255).astype(np.uint8)
            values[number, draw], imaging = _inspect(inspector, noisy), measure(noisy)
            looks[number, draw] = imaging.redness, imaging.blueness, *astuple(imaging.grain)
            profiles[number, draw] = imaging.along_x, imaging.along_y
    sizes_px = np.array([(image.shape[1], image.shape[0]) for image in images])
    target = _file(folder, name, place)
    new = target.with_suffix(".new.npz")
    np.savez(new, values=values, looks=looks, profiles=profiles, is_defect=is_defect, sizes_px=sizes_px)
    new.replace(target)


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
