"""What good parts are like as a whole: how far a few hundred numbers of a part lie from theirs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

SHRINKAGE = 1.0
"""Of the covariance, towards equal variances of their mean: 0.01 to 2 tell as well, and much of it rounds better."""
LEAST_VARIANCE = 1e-12
STILL = 1e-4
"""Variance of a feature over a part below which there is nothing to see."""


class Typical(nn.Module):
    """(N, C) -> (N,): logarithm of Mahalanobis' distance from the mean of good parts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.centre: Tensor
        self.whitening: Tensor
        self.register_buffer("centre", torch.zeros(channels))
        """(C,): mean over good parts."""
        self.register_buffer("whitening", torch.eye(channels))
        """(C, C): the length of a difference times this is Mahalanobis' distance."""

    def forward(self, described: Tensor) -> Tensor:
        away = (described - self.centre) @ self.whitening
        return away.square().sum(1).clamp_min(LEAST_VARIANCE).log() / 2

    @torch.no_grad()
    def learn(self, described: Tensor) -> None:
        """Learn from good parts (M, C)."""
        rows = described.double()
        covariance = torch.cov(rows.T) if len(rows) > 1 else torch.zeros(2 * rows.shape[1:], dtype=torch.float64)
        floor = SHRINKAGE * covariance.diagonal().mean().clamp_min(LEAST_VARIANCE)
        shrunk = covariance + floor * torch.eye(len(covariance), dtype=torch.float64)
        variances, directions = torch.linalg.eigh(shrunk)
        self.centre = rows.mean(0).float()
        self.whitening = (directions / variances.sqrt()).float()


def unevenness(taps: Sequence[Tensor]) -> Tensor:
    """(N, C_i, h_i, w_i) -> (N, sum of C_i): logarithm of how much each feature differs over the part.

    A surface that was treated unlike others shows in how restless its features are; means move with the light too.
    """
    found = []
    for tap in taps:
        away = tap.float() - tap.float().mean((2, 3), keepdim=True)
        found.append((away.square().mean((2, 3)) + STILL).log() / 2)
    return torch.cat(found, 1)
