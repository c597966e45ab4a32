"""A bank of good places beside a network of drawn defects, in one graph with one score.

They err on different parts: the bank sees that a surface is not like those it knows, the network that something has
been done to it. Both start from the same first stages, which the network keeps as they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.anomaly.network import AnomalyNetwork
from training.anomaly.opinions import Opinions
from training.anomaly.taught import LAST, TaughtNetwork
from training.anomaly.typical import Typical, unevenness
from training.light import LevelLight
from training.network import Backbone


class PairedNetwork(nn.Module):
    """Normalised RGB (N, 3, H, W) -> score (N,) of four opinions, and the taught network's map (N, H/2, W/2).

    Two are the taught network's, two the bank's: how far the strangest places are from good ones, and how far the
    unevenness of its untaught features is from that of good parts. The bank's own copies of the first
    `taught.frozen_stages` stages, which are equal to the network's, are not used.
    """

    def __init__(self, taught: TaughtNetwork, bank: AnomalyNetwork) -> None:
        super().__init__()
        self.taught, self.bank = taught, bank
        self.typical = Typical(sum(bank.channels[-LAST:]))
        self.opinions = Opinions(4)

    @property
    def backbone(self) -> Backbone:
        return self.taught.backbone

    @property
    def light(self) -> LevelLight | None:
        return self.taught.light

    def station(self, images: Tensor) -> tuple[Tensor, Tensor]:
        said, mask = self.said(images)
        return self.opinions(said), functional.softplus(mask)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.station(images)

    def said(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The opinions (N, 4), the part's logit first, and the mask's logits (N, H/2, W/2)."""
        stages = list(self.taught.stage_outputs(images))
        seen, two = self.taught.said(stages)
        taps = self._untaught(images, stages)
        distance, _ = self.bank.judged(taps)
        two_more = torch.stack([distance, self.typical(unevenness(taps[-LAST:]))], 1)
        return torch.cat([two, two_more], 1), seen.mask

    def _untaught(self, images: Tensor, stages: Sequence[Tensor]) -> list[Tensor]:
        return self.bank.taps(images, stages[: self.taught.frozen_stages])

    @torch.no_grad()
    def learn(self, fitted: Iterable[Tensor], held: Iterable[Tensor]) -> None:
        """Learn from batches (N, 3, H, W) of good parts: what is typical, and, of others, what is usual."""
        self.eval()
        described = [unevenness(self.bank.taps(images)[-LAST:]) for images in fitted]
        self.typical.learn(torch.cat(described))
        self.opinions.learn(torch.cat([self.said(images)[0] for images in held]))
