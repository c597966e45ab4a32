"""Detection: average precision as COCO defines it, over all classes and for each, and how many boxes are missed.

`map33`, `map50` and `map50_95` are means over the classes that have a true box. A finding is right when it overlaps
a true box of its class, not yet taken by a better finding, by the IoU in the name. Precision is interpolated at 101
points of recall (Lin et al., "Microsoft COCO", ECCV 2014, and its evaluation script); at most 100 findings of a class
count on a picture. `missed` counts true boxes that no finding over a probability of 0.5 overlaps by 0.33, whatever
its class; `spurious_per_part` such findings that overlap no true box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.boxes import iou
from inspector.bundle import Manifest
from inspector.errors import DatasetError
from inspector.figures import Figures, JudgedPart, row
from inspector.risk import Rate
from inspector.truth import read_boxes
from inspector.values import Finding

LOOSE = 0.33
"""The overlap at which the authors of DeepPCB count a finding as right."""
OVERLAPS = (LOOSE, *(round(0.5 + 0.05 * step, 2) for step in range(10)))
MOST_PER_CLASS = 100
SHOWN = 0.5
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """True and found boxes of one picture, in frame px; `kinds` are class numbers, findings the strongest first."""

    true_boxes: NDArray[np.float64]
    true_kinds: NDArray[np.int64]
    boxes: NDArray[np.float64]
    kinds: NDArray[np.int64]
    scores: NDArray[np.float64]


def figures(parts: Sequence[JudgedPart], manifest: Manifest) -> Figures:
    """Return map33, map50, map50_95, per_class with the same and the number of true boxes, missed and spurious."""
    scenes = [scene(part, manifest.classes) for part in parts]
    per_class = {
        label: {"n": _count(scenes, kind), **_of_class(scenes, kind)} for kind, label in enumerate(manifest.classes)
    }
    return {
        **{name: _mean(per_class, name) for name in ("map33", "map50", "map50_95")},
        "boxes": sum(len(scene.true_kinds) for scene in scenes),
        "missed": _rate(*missed(scenes)),
        "spurious_per_part": sum(_spurious(scene) for scene in scenes) / len(scenes),
        "per_class": per_class,
    }


def lines(figures: Figures) -> list[str]:
    """Return the figures for a terminal, one line per class."""
    shown = [row(name, figures[name]) for name in ("map33", "map50", "map50_95")]
    rate = figures["missed"]
    shown.append(f"{'missed':12} {rate['text'] if isinstance(rate, dict) else 'undefined: no true boxes'}")
    per_class = figures["per_class"]
    if isinstance(per_class, dict):
        shown += [
            row(f"  {label}"[:12], entry["map50"], f"map50 over {entry['n']}") for label, entry in per_class.items()
        ]
    return shown


def scene(part: JudgedPart, classes: Sequence[str]) -> Scene:
    """Read the true boxes of a part and lay its findings beside them.

    Raises DatasetError for a label that the bundle does not know and for a defective part whose boxes are not known.
    """
    if part.is_defect and part.sample.boxes_path is None:
        raise DatasetError(
            f"{part.sample.path}: boxes_path: expected a file of boxes for this defective part, found none"
        )
    truth = read_boxes(part.sample, (part.placement.frame_height, part.placement.frame_width))
    if unknown := sorted(set(truth.labels) - set(classes)):
        raise DatasetError(
            f"{part.sample.boxes_path}: label {', '.join(unknown)} unknown to the bundle; expected {', '.join(classes)}"
        )
    columns = {label: kind for kind, label in enumerate(classes)}
    return scene_of(truth.xyxy, [columns[label] for label in truth.labels], part.prediction.findings, columns)


def scene_of(
    true_boxes: NDArray[np.float64], true_kinds: Sequence[int], findings: Sequence[Finding], columns: Mapping[str, int]
) -> Scene:
    """Sort findings by probability and write their boxes as corners."""
    ordered = sorted(findings, key=lambda finding: -finding.probability)
    corners = [(f.x, f.y, f.x + f.width, f.y + f.height) for f in ordered]
    return Scene(
        true_boxes,
        np.array(true_kinds, np.int64),
        np.array(corners, np.float64).reshape(-1, 4),
        np.array([columns[finding.label] for finding in ordered], np.int64),
        np.array([finding.probability for finding in ordered], np.float64),
    )


def average_precision(scenes: Sequence[Scene], kind: int, overlap: float) -> float | None:
    """AP of one class at one IoU; None where no picture has a true box of it."""
    total = _count(scenes, kind)
    if total == 0:
        return None
    pairs = [_hits(scene, kind, overlap) for scene in scenes]
    scores = np.concatenate([scores for scores, _ in pairs])
    hits = np.concatenate([hits for _, hits in pairs])[np.argsort(-scores, kind="stable")]
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(right / total, RECALLS, side="left")
    return float(np.mean(np.append(envelope, 0.0)[np.minimum(place, len(envelope))]))


def _hits(scene: Scene, kind: int, overlap: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of a picture's findings of a class, and which of them are right; each true box is taken once."""
    mine = np.flatnonzero(scene.kinds == kind)[:MOST_PER_CLASS]
    overlaps = iou(scene.boxes[mine], scene.true_boxes[scene.true_kinds == kind])
    hits = np.zeros(len(mine), bool)
    for place, fits in enumerate(overlaps):
        if fits.size and fits.max() >= overlap:
            hits[place] = True
            overlaps[:, int(fits.argmax())] = -1
    return scene.scores[mine], hits


def missed(scenes: Sequence[Scene]) -> tuple[int, int]:
    """Number of true boxes that no shown finding of any class overlaps by 0.33, and number of true boxes."""
    lost = 0
    for scene in scenes:
        fits = iou(scene.true_boxes, scene.boxes[scene.scores >= SHOWN])
        lost += int((fits.max(axis=1, initial=0.0) < LOOSE).sum())
    return lost, sum(len(scene.true_kinds) for scene in scenes)


def _spurious(scene: Scene) -> int:
    fits = iou(scene.boxes[scene.scores >= SHOWN], scene.true_boxes)
    return int((fits.max(axis=1, initial=0.0) < LOOSE).sum())


def _of_class(scenes: Sequence[Scene], kind: int) -> dict[str, float | None]:
    at = {overlap: average_precision(scenes, kind, overlap) for overlap in OVERLAPS}
    strict = [value for overlap, value in at.items() if overlap >= 0.5 and value is not None]
    return {"map33": at[LOOSE], "map50": at[0.5], "map50_95": float(np.mean(strict)) if strict else None}


def _mean(per_class: Mapping[str, Mapping[str, float | int | None]], name: str) -> float | None:
    known = [value for entry in per_class.values() if (value := entry[name]) is not None]
    return float(np.mean(known)) if known else None


def _count(scenes: Sequence[Scene], kind: int) -> int:
    return sum(int((scene.true_kinds == kind).sum()) for scene in scenes)


def _rate(count: int, n: int) -> dict[str, object] | None:
    return {"count": count, "n": n, "rate": count / n, "text": Rate(count, n).text()} if n else None
