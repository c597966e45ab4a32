"""What fine-tuning learns: views of one variant near each other, those of other variants far off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ContrastiveObjective:
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020, equation 2): eight lines, so no dependency for it."""

    temperature: float

    def loss(self, network: nn.Module, images: Tensor, batch: Any) -> Tensor:
        return contrastive(network(images), batch.labels, self.temperature)

    def selection_loss(self, network: nn.Module, images: Tensor, batch: Any) -> Tensor:
        return contrastive(network(images), batch.labels, self.temperature)


def contrastive(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Mean over parts with a partner of -log of the partners' share in the likeness to all others. (N, D), (N,)."""
    itself = torch.eye(len(labels), dtype=torch.bool)
    likeness = (embeddings @ embeddings.T / temperature).masked_fill(itself, -1e9)
    share = likeness.log_softmax(1)
    partner = (labels[:, None] == labels[None]) & ~itself
    has_partner = partner.any(1)
    if not bool(has_partner.any()):
        return embeddings.sum() * 0
    per_part = -(share * partner).sum(1) / partner.sum(1).clamp(min=1)
    return per_part[has_partner].mean()
