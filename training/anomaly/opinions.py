"""Several scores of one part made one: each in standard deviations of what it is of good parts, then summed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_DEVIATION = 1e-3
"""Of a score over good parts: a few that happen to be alike do not make the next one strange."""


class Opinions(nn.Module):
    """(N, K) scores -> (N,), >= 0, larger is stranger. Until `learn` it is the first score alone."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.usual: Tensor
        self.per_unit: Tensor
        self.register_buffer("usual", torch.zeros(count))
        """(K,): mean of each over held good parts."""
        self.register_buffer("per_unit", torch.eye(count)[0])
        """(K,): one over their standard deviations."""

    def forward(self, said: Tensor) -> Tensor:
        return functional.softplus(((said - self.usual) * self.per_unit).sum(1))

    @torch.no_grad()
    def learn(self, held: Tensor) -> None:
        """Set the unit of each from what it says (M, K) of good parts that it has not learnt from."""
        self.usual = held.mean(0)
        self.per_unit = 1 / held.std(0, correction=0).clamp_min(LEAST_DEVIATION)
