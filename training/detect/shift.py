"""How far an annotator's boxes lie from where a network that has seen every picture mirrored can put them.

Annotation has a side: corners rounded down, the last pixel counted or not. Mirrors and turns teach a network the
average of all sides, so that every box is off by the same fraction of a pixel, which counts where boxes are small: on
boards with boxes of 30 px, 0.8 px to the right, or 2 points of mAP50:95 on a part not fitted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.detect.assignment import pairwise_iou
from training.detect.loader import collate
from training.detect.network import Detector
from training.detect.pictures import BoxedPictures
from training.graph import StationGraph

PICTURES, BATCH = 64, 4
SURE, FITS = 0.3, 0.5
FEWEST = 50


@torch.no_grad()
def measure_shift(graph: StationGraph, pictures: BoxedPictures) -> Tensor:
    """Mean of true minus found corners (4,), px of the input, over sure cells on fitting pictures.

    0 where fewer than 50 boxes are found: a mean of few would be noise.
    """
    withs = [boxed for boxed in pictures.boxed if len(boxed.boxes)]
    chosen = withs[:: max(1, len(withs) // PICTURES)][:PICTURES]
    network = graph.network
    if not isinstance(network, Detector):
        raise TypeError(f"expected a Detector, got {type(network).__name__}")
    misses = []
    for start in range(0, len(chosen), BATCH):
        batch = collate(chosen[start : start + BATCH])
        boxes, scores = graph(batch.images.permute(0, 2, 3, 1))
        said = scores.transpose(1, 2).gather(1, batch.truth.labels[:, :, None].expand(-1, -1, boxes.shape[1]))
        fits = pairwise_iou(batch.truth.boxes, boxes) * (said > SURE) * batch.truth.known[:, :, None]
        picture, truth, cell = torch.nonzero(fits > FITS, as_tuple=True)
        rows = _per_box(batch.truth.boxes[picture, truth] - boxes[picture, cell], picture * fits.shape[1] + truth)
        misses.append(rows)
    found = torch.cat(misses)
    return found.mean(0) if len(found) >= FEWEST else torch.zeros(4)


def _per_box(misses: Tensor, owner: Tensor) -> Tensor:
    """Mean (T, 4) of the misses (K, 4) of each true box, so that one with many cells counts no more than another."""
    boxes, place = torch.unique(owner, return_inverse=True)
    sums = torch.zeros(len(boxes), 4).index_add_(0, place, misses)
    return sums / torch.bincount(place, minlength=len(boxes))[:, None]
