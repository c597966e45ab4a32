"""Anomaly detection: how defective parts, and the places of their defects, stand out from good ones.

Maps are held against masks in frame pixels. Parts that are defective but have no mask, or an empty one, count for the
image figures only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from inspector import metrics
from inspector.bundle import Manifest
from inspector.figures import Figures, JudgedPart, row
from inspector.figures.pixels import Pair, aupro, pixel_auroc
from inspector.preprocess import heat_to_frame
from inspector.truth import has_mask, read_mask

NAMES = ("image_auroc", "image_ap", "pixel_auroc", "aupro")


def figures(parts: Sequence[JudgedPart], manifest: Manifest) -> Figures:
    """Return image_auroc, image_ap, pixel_auroc, aupro, masked (parts with a mask) and per_class (n, image_auroc).

    A figure is None where it is not defined: without masks, or without both good and defective parts.
    """
    defective = np.array([part.is_defect for part in parts])
    scores = np.array([part.prediction.scores[0] for part in parts])
    both = 0 < int(defective.sum()) < len(parts)
    pairs = list(_pairs(parts, manifest))
    masked = sum(bool(mask.any()) for _, mask in pairs)
    return {
        "image_auroc": metrics.auroc(scores, defective) if both else None,
        "image_ap": metrics.average_precision(scores, defective) if both else None,
        "pixel_auroc": pixel_auroc(pairs) if masked else None,
        "aupro": aupro(pairs) if masked else None,
        "masked": masked,
        "per_class": _by_label(parts, scores, defective) if both else {},
    }


def lines(figures: Figures) -> list[str]:
    """Return the figures for a terminal, one line per kind of defect."""
    shown = [row(name, figures[name]) for name in NAMES[:2]]
    shown += [row(name, figures[name], f"{figures['masked']} parts with a mask") for name in NAMES[2:]]
    per_class = figures["per_class"]
    if isinstance(per_class, dict):
        shown += [row(f"  {kind}"[:12], one["image_auroc"], f"auroc of {one['n']}") for kind, one in per_class.items()]
    return shown


def _by_label(
    parts: Sequence[JudgedPart], scores: metrics.Floats, defective: NDArray[np.bool_]
) -> dict[str, dict[str, object]]:
    """AUROC of each kind of defect against all good parts."""
    labels = np.array([part.sample.label for part in parts])
    found: dict[str, dict[str, object]] = {}
    for label in sorted(set(labels[defective].tolist())):
        some = ~defective | (labels == label)
        found[label] = {
            "n": int((labels == label).sum()),
            "image_auroc": metrics.auroc(scores[some], defective[some]),
        }
    return found


def _pairs(parts: Sequence[JudgedPart], manifest: Manifest) -> Iterator[Pair]:
    for part in parts:
        place, heat = part.placement, part.prediction.heat
        if heat is None:
            raise ValueError(f"{part.sample.path}: the prediction has no heat map; an anomaly detector's has")
        size = (place.frame_height, place.frame_width)
        truth = read_mask(part.sample, size) if part.is_defect and has_mask(part.sample) else np.zeros(size, np.bool_)
        if truth.any() or not part.is_defect:
            yield heat_to_frame(heat, place, manifest.input), truth
