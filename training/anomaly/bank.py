"""What good places look like: a metric from their scatter, and a few of them that cover all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from training.anomaly.network import AnomalyNetwork
from training.anomaly.recipe import AnomalyRecipe, BankRecipe
from training.augment import Batch, augment
from training.graph import StationGraph

LOOK = 8
"""Pictures looked at together."""
SKETCH = 32
"""Dimensions in which candidates are held against each other."""


@torch.no_grad()
def learn(graph: StationGraph, images: Tensor, recipe: AnomalyRecipe, bank: BankRecipe, seed: int) -> int:
    """Set metric and bank of the graph's network from good pictures (N, 3, H, W) uint8 BGR; return the bank's size."""
    network = graph.network
    if not isinstance(network, AnomalyNetwork):
        raise TypeError(f"expected an AnomalyNetwork, got {type(network).__name__}")
    graph.eval()
    generator = torch.Generator().manual_seed(seed)
    pictures = len(images) * (1 + bank.varied_views)
    share = min(1.0, bank.candidates / (pictures * network.grid[0] * network.grid[1]))
    kept = [_some(network.described(x), share, generator) for x in _looks(graph, images, recipe, bank, seed)]
    weight, mean = whiten(torch.cat(kept), bank)
    network.set_metric(weight, mean, bank.position)
    kept = [_some(network.places(x), share, generator) for x in _looks(graph, images, recipe, bank, seed)]
    chosen = cover(torch.cat(kept), bank.size, generator)
    network.set_bank(chosen)
    return len(chosen)


def _looks(graph: StationGraph, images: Tensor, recipe: AnomalyRecipe, bank: BankRecipe, seed: int) -> Iterator[Tensor]:
    """Normalised pictures a few at a time: as they are, then varied."""
    for view in range(1 + bank.varied_views):
        rng = np.random.default_rng((seed, view))
        for start in range(0, len(images), LOOK):
            window = images[start : start + LOOK].float()
            if view:
                count, _, height, width = window.shape
                unmasked = Batch(window, torch.zeros(count, 1, height, width), torch.zeros(count), torch.zeros(count))
                window = augment(unmasked, recipe.augment, rng).images
            yield graph.normalise(window).contiguous(memory_format=torch.channels_last)


def _some(places: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """(n, D): about `share` of the places of (N, D, h, w), drawn without regard to where they are."""
    flat = places.permute(0, 2, 3, 1).reshape(-1, places.shape[1])
    return flat[torch.rand(len(flat), generator=generator) < share] if share < 1 else flat


def whiten(places: Tensor, recipe: BankRecipe) -> tuple[Tensor, Tensor]:
    """Weight (D, C) and mean (C,) from good places (n, C).

    Channels are brought to unit variance, then turned to their principal directions, each divided by the square root
    of its variance and `shrinkage`: what hardly varies among good parts weighs most.
    """
    mean, deviation = places.mean(0), places.std(0).clamp_min(1e-6)
    scatter = torch.cov(((places - mean) / deviation).T.double())
    variance, directions = torch.linalg.eigh(scatter)
    strongest = torch.arange(len(variance) - 1, -1, -1)[: recipe.dimensions]
    scale = (variance[strongest] + recipe.shrinkage * variance.mean()).rsqrt()
    weight = (directions[:, strongest] * scale).T.float() / deviation
    return weight, mean


def cover(places: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """At most `size` of the places (n, D), each the farthest from those before it (k-centre, Gonzalez 1985).

    Distances are taken in a random sketch of few dimensions, which keeps them nearly (Johnson and Lindenstrauss).
    """
    if len(places) <= size:
        return places
    sketch = places @ (torch.randn(places.shape[1], SKETCH, generator=generator) / SKETCH**0.5)
    lengths = sketch.square().sum(1)
    nearest = torch.full_like(lengths, torch.inf)
    chosen = [0]
    while len(chosen) < size:
        last = sketch[chosen[-1]]
        torch.minimum(nearest, torch.addmv(lengths, sketch, last, alpha=-2) + last.square().sum(), out=nearest)
        chosen.append(int(nearest.argmax()))
    return places[chosen]
