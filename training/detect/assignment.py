"""Which cell answers for which true box, and the losses that follow from it.

Task-aligned assignment (Feng et al., "TOOD", ICCV 2021): of the cells inside a box, those that already say class and
box best together. Class targets are how well a cell's box fits, so that the score ranks by fit (Zhang et al.,
"VarifocalNet", CVPR 2021); boxes learn from generalised IoU (Rezatofighi et al., CVPR 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.detect.network import Cells

NEAREST = 10
"""Cells that may answer for one box."""
SCORE_POWER, FIT_POWER = 1.0, 6.0
SOFT_NEGATIVE, FOCUS = 0.75, 2.0
TINY, FAINT = 1e-9, 1e-30


class Truth(NamedTuple):
    """True boxes of a batch, filled up to M per picture."""

    boxes: Tensor
    """(B, M, 4) float32: left, top, right, bottom in px of the input."""
    labels: Tensor
    """(B, M) int64, columns of the scores."""
    known: Tensor
    """(B, M) bool: False for filling."""


class Assigned(NamedTuple):
    """What each cell is to say."""

    scores: Tensor
    """(B, A, C) float32 targets 0..1: how well the cell's box fits, in the column of its class."""
    boxes: Tensor
    """(B, A, 4) float32; meaningless where no box is assigned."""


@torch.no_grad()
def assign(cells: Cells, truth: Truth) -> Assigned:
    """Assign cells to boxes by score x IoU^6; a cell claimed twice goes to the box it overlaps most."""
    batch, count, classes = cells.logits.shape
    fit = pairwise_iou(truth.boxes, cells.boxes)  # (B, M, A)
    columns = truth.labels[:, :, None].expand(-1, -1, count)
    said = torch.sigmoid(cells.logits).transpose(1, 2).gather(1, columns)
    allowed = candidates(cells.centres, truth.boxes) & truth.known[:, :, None]
    aligned = said**SCORE_POWER * fit**FIT_POWER * allowed
    claimed = _best(aligned) & allowed
    contested = claimed.sum(1, keepdim=True) > 1
    winner = torch.zeros_like(claimed).scatter_((1), (fit * claimed).argmax(1, keepdim=True), 1).bool()
    claimed = torch.where(contested, winner & claimed, claimed)
    aligned, fit = aligned * claimed, fit * claimed
    strength = aligned / aligned.amax(2, keepdim=True).clamp(min=FAINT) * fit.amax(2, keepdim=True)
    owner = claimed.float().argmax(1)  # (B, A)
    targets = torch.zeros(batch, count, classes)
    labels = truth.labels.gather(1, owner)
    targets.scatter_(2, labels[:, :, None], strength.amax(1)[:, :, None])
    return Assigned(targets, truth.boxes.gather(1, owner[:, :, None].expand(-1, -1, 4)))


def detection_loss(cells: Cells, truth: Truth, box_weight: float) -> Tensor:
    """Varifocal loss of the scores plus `box_weight` x (1 - GIoU), both over the sum of the target scores."""
    assigned = assign(cells, truth)
    total = assigned.scores.sum().clamp(min=1.0)
    strength = assigned.scores.amax(2)
    answering = strength > 0
    misfit = 1 - generalised_iou(cells.boxes[answering], assigned.boxes[answering])
    return (varifocal(cells.logits, assigned.scores) + box_weight * (misfit * strength[answering]).sum()) / total


def varifocal(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum of cross-entropies, weighted by the target where there is one, else by score^2: easy clean cells fade."""
    scores = torch.sigmoid(logits.detach())
    weight = torch.where(targets > 0, targets, SOFT_NEGATIVE * scores**FOCUS)
    return functional.binary_cross_entropy_with_logits(logits, targets, weight, reduction="sum")


def pairwise_iou(one: Tensor, other: Tensor) -> Tensor:
    """IoU (B, M, A) of boxes (B, M, 4) with boxes (B, A, 4)."""
    low = torch.maximum(one[:, :, None, :2], other[:, None, :, :2])
    high = torch.minimum(one[:, :, None, 2:], other[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (area(one)[:, :, None] + area(other)[:, None] - shared).clamp(min=TINY)


def generalised_iou(one: Tensor, other: Tensor) -> Tensor:
    """GIoU (K,) of boxes (K, 4) with boxes (K, 4), -1..1."""
    shared = (torch.minimum(one[:, 2:], other[:, 2:]) - torch.maximum(one[:, :2], other[:, :2])).clamp(min=0).prod(-1)
    union = (area(one) + area(other) - shared).clamp(min=TINY)
    hull = (torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])).prod(-1).clamp(min=TINY)
    return shared / union - (hull - union) / hull


def area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Whether centres (A, 2) lie inside boxes (B, M, 4): (B, M, A)."""
    after = (centres > boxes[:, :, None, :2]).all(-1)
    return after & (centres < boxes[:, :, None, 2:]).all(-1)


def candidates(centres: Tensor, boxes: Tensor) -> Tensor:
    """Which cells may answer for which box, (B, M, A): those inside, or the nearest where a box lies between all."""
    within = inside(centres, boxes)
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    nearest = (middles[:, :, None] - centres).square().sum(-1).argmin(-1, keepdim=True)
    alone = ~within.any(-1, keepdim=True)
    return within | (torch.zeros_like(within).scatter_(2, nearest, value=True) & alone)


def _best(aligned: Tensor) -> Tensor:
    """(B, M, A) bool: the `NEAREST` best cells of each box."""
    best = aligned.topk(min(NEAREST, aligned.shape[2]), dim=2).indices
    return torch.zeros_like(aligned, dtype=torch.bool).scatter_(2, best, value=True)
