"""Precision against recall: of parts by their defect probability, and of found boxes by theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.boxes import iou
from inspector.bundle import Manifest
from inspector.figures import JudgedPart
from inspector.figures.detect import Scene, scene

Floats = NDArray[np.float64]
OVERLAP = 0.5
"""A found box is right from this intersection over union on."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points from the highest limit to the lowest; both (N,)."""

    name: str
    recall: Floats
    precision: Floats
    recall_of: str = "defective parts that are found"
    precision_of: str = "of the parts found, defective"


def curves(parts: Sequence[JudgedPart], manifest: Manifest) -> list[Curve]:
    """Return the curves that the task has: boxes for detection, all together and by class; otherwise parts."""
    if manifest.task == "detect":
        return box_curves([scene(part, manifest.classes) for part in parts], manifest.classes)
    defective = np.array([part.is_defect for part in parts])
    if not 0 < int(defective.sum()) < len(parts):
        return []
    said = np.array([part.prediction.defect_probability for part in parts])
    name = f"{int(defective.sum())} defective of {len(parts)} parts"
    return [Curve(name, *precision_recall(said, defective, int(defective.sum())))]


def precision_recall(scores: Floats, hits: NDArray[np.bool_], n: int) -> tuple[Floats, Floats]:
    """Return recall and precision at each distinct score, the highest first; `n` things were there to be found."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1) if len(scores) else np.zeros(0, int)
    right = np.cumsum(hits[order])[last]
    return np.asarray(right / n), np.asarray(right / (last + 1))


def box_curves(scenes: Sequence[Scene], classes: Sequence[str]) -> list[Curve]:
    """Curves of all boxes together (a class named wrongly is wrong) and of each class that has a true box."""
    every = _of(scenes, "all classes", range(len(classes)))
    single = (_of(scenes, name, (kind,)) for kind, name in enumerate(classes))
    return [curve for curve in (every, *(single if len(classes) > 1 else ())) if curve is not None]


def _of(scenes: Sequence[Scene], name: str, kinds: Sequence[int]) -> Curve | None:
    n = sum(int(np.isin(one.true_kinds, kinds).sum()) for one in scenes)
    if n == 0:
        return None
    found = [_hits(one, kind) for one in scenes for kind in kinds]
    scores, hits = (np.concatenate(column) for column in zip(*found, strict=True))
    words = ("true boxes that are found", f"of the boxes found, right (IoU {OVERLAP})")
    return Curve(f"{name} ({n})", *precision_recall(scores, hits, n), *words)


def _hits(one: Scene, kind: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Probabilities of a picture's findings of a class, the strongest first, and whether each takes a true box."""
    mine = one.kinds == kind
    overlaps = iou(one.boxes[mine], one.true_boxes[one.true_kinds == kind])
    hits = np.zeros(len(overlaps), bool)
    for place, fits in enumerate(overlaps):
        if fits.size and fits.max() >= OVERLAP:
            hits[place] = True
            overlaps[:, int(fits.argmax())] = -1
    return one.scores[mine], hits
