"""Segmentation: how well masks overlap, and how defective parts separate from good ones.

A mask is where the network's probability, enlarged to the frame, is above the bundle's `mask_above`. `dice` is the
mean over the parts whose true mask is not empty of the Dice coefficient of each part, in frame pixels: a pit of a few
pixels weighs as much as a stain. `miou` is the mean of the intersections over union of defective and of sound pixels,
each over all pixels of all parts together. Parts that are defective but have no mask count for the image figures only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector import metrics
from inspector.bundle import Manifest
from inspector.figures import Figures, JudgedPart, row
from inspector.figures.pixels import Pair, aupro, dice, iou
from inspector.heads.segment import mask_above
from inspector.preprocess import heat_to_frame
from inspector.truth import has_mask, read_mask


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """One part's mask against the true one."""

    label: str
    pair: Pair
    found: NDArray[np.bool_]

    @property
    def truth(self) -> NDArray[np.bool_]:
        return self.pair[1]


def figures(parts: Sequence[JudgedPart], manifest: Manifest) -> Figures:
    """Return dice, miou, aupro, image_auroc, image_ap and per_class (n and dice by the part's label).

    A figure is None where it is not defined: without true masks, or without both good and defective parts.
    """
    overlaps = [_overlap(part, manifest) for part in parts if not part.is_defect or has_mask(part.sample)]
    by_label = dice_by_label(overlaps)
    every = [value for values in by_label.values() for value in values]
    defective = np.array([part.is_defect for part in parts])
    scores = np.array([part.prediction.scores[0] for part in parts])
    both = 0 < int(defective.sum()) < len(parts)
    return {
        "dice": float(np.mean(every)) if every else None,
        "dice_n": len(every),
        "miou": miou(overlaps) if every else None,
        "aupro": aupro(overlap.pair for overlap in overlaps) if every else None,
        "image_auroc": metrics.auroc(scores, defective) if both else None,
        "image_ap": metrics.average_precision(scores, defective) if both else None,
        "per_class": {label: {"n": len(v), "dice": float(np.mean(v))} for label, v in sorted(by_label.items())},
    }


def lines(figures: Figures) -> list[str]:
    """Return the figures for a terminal, one line per label."""
    shown = [row("dice", figures["dice"], f"mean over {figures['dice_n']} parts with a defect mask")]
    shown += [row(name, figures[name]) for name in ("miou", "aupro", "image_auroc", "image_ap")]
    per_class = figures["per_class"]
    if isinstance(per_class, dict):
        shown += [row(f"  {label}"[:12], entry["dice"], f"dice of {entry['n']}") for label, entry in per_class.items()]
    return shown


def dice_by_label(overlaps: Sequence[Overlap]) -> dict[str, list[float]]:
    """Dice of every part whose true mask is not empty, by label."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for overlap in overlaps:
        if overlap.truth.any():
            found[overlap.label].append(dice(overlap.found, overlap.truth))
    return dict(found)


def miou(overlaps: Sequence[Overlap]) -> float:
    """Mean over defective and sound pixels of their IoU, all parts' pixels counted together."""
    counts = np.sum([_counts(overlap) for overlap in overlaps], axis=0)
    both, either, neither, all_pixels = (int(count) for count in counts)
    known = [value for value in (iou(both, either), iou(neither, all_pixels - both)) if value is not None]
    return float(np.mean(known))


def _counts(overlap: Overlap) -> tuple[int, int, int, int]:
    both = int((overlap.found & overlap.truth).sum())
    either = int((overlap.found | overlap.truth).sum())
    return both, either, overlap.truth.size - either, overlap.truth.size


def _overlap(part: JudgedPart, manifest: Manifest) -> Overlap:
    place = part.placement
    heat = part.prediction.heat
    if heat is None:
        raise ValueError(f"{part.sample.path}: the prediction has no heat map; a segmenter's has")
    probability = heat_to_frame(heat, place, manifest.input)
    truth = read_mask(part.sample, (place.frame_height, place.frame_width))
    return Overlap(part.sample.label, (probability, truth), probability > mask_above(manifest))
