"""Above which probability a pixel counts as defective: chosen on the calibration part, where nothing was fitted."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.graph import StationGraph
from training.pictures import Pictures

CANDIDATES = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))
USUAL = 0.5
ENOUGH = 5
"""With fewer masks than this the usual limit is as good as any."""


def choose_mask_above(graph: StationGraph, pictures: Pictures) -> tuple[float, float]:
    """Return the limit of the largest mean Dice over the pictures with a mask, and that Dice (NaN without any)."""
    masked = pictures.masks.flatten(1).any(1).nonzero()[:, 0].tolist()
    if not masked:
        return USUAL, float("nan")
    table = np.array([dice_at_candidates(graph, pictures, index) for index in masked]).mean(axis=0)
    best = int(table.argmax()) if len(masked) >= ENOUGH else CANDIDATES.index(USUAL)
    return CANDIDATES[best], float(table[best])


def dice_at_candidates(graph: StationGraph, pictures: Pictures, index: int) -> NDArray[np.float64]:
    """Dice of one picture's mask, enlarged to the input, at each of `CANDIDATES`."""
    graph = graph.eval()
    truth = pictures.masks[index].bool()
    with torch.no_grad():
        mask = graph(pictures.images[index : index + 1].permute(0, 2, 3, 1))[0]
    wide = functional.interpolate(mask, size=tuple(truth.shape), mode="bilinear", align_corners=False)[0, 0]
    found = torch.stack([wide > above for above in CANDIDATES])
    both = (found & truth).sum((1, 2))
    return np.asarray((2 * both / (found.sum((1, 2)) + truth.sum())).numpy(), np.float64)
