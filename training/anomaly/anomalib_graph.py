"""A network of anomalib's as a station's graph: the raw score and map, without its thresholds and normalisation.

anomalib is an extra, imported here only. Its own export bakes a threshold in and, with current torch, fixes PatchCore
to the batch it was traced with; so scoring is written anew here, from the same numbers, for any batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from inspector.errors import UserError
from training.graph import StationGraph
from training.weights import ordered_weights

NEEDS = "anomalib is not installed: pip install 'open-inspector[anomalib]'"
LITE = "tf_efficientnet_lite0"


class AnomalibMissing(UserError):
    """Asked for one of anomalib's networks without anomalib."""


class AnomalibGraph(StationGraph):
    """uint8 (N, H, W, 3) BGR -> score (N,) and map (N, H, W) of one of anomalib's networks."""

    @torch.no_grad()
    def expect(self, mean: Sequence[float], spread: Sequence[float]) -> None:
        """Normalise as the network was trained: mean and spread of red, green, blue, of values 0..1."""
        self.mean.copy_(255 * torch.tensor(mean).reshape(3, 1, 1))
        self.scale.copy_(1 / (255 * torch.tensor(spread)).reshape(3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        rgb = image.permute(0, 3, 1, 2).float().flip(1)
        score, heat = self.network((rgb - self.mean) * self.scale)
        return score, heat


class RawPatchcore(nn.Module):
    """anomalib's PatchCore with its re-weighted score, for any batch.

    The nearest places of each kept place do not depend on the picture: they are looked up, not searched.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.eval()
        self.neighbours = min(int(model.num_neighbors), len(model.memory_bank))
        self.support: Tensor
        self.lengths: Tensor
        self.register_buffer("support", self._support(model.memory_bank))
        self.register_buffer("lengths", model.memory_bank.square().sum(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.feature_extractor(x)
        pooled = {layer: self.model.feature_pooler(feature) for layer, feature in features.items()}
        places = self.model.generate_embedding(pooled).permute(0, 2, 3, 1)
        squared = places.square().sum(3, keepdim=True) + self.lengths - 2 * (places @ self.model.memory_bank.T)
        nearest, index = squared.min(3)
        distance = nearest.clamp_min(0.0).sqrt()
        heat = self.model.anomaly_map_generator(distance[:, None], x.shape[-2:])[:, 0]
        return self._score(places.flatten(1, 2), distance.flatten(1), index.flatten(1)), heat

    def _score(self, places: Tensor, distance: Tensor, index: Tensor) -> Tensor:
        """Roth et al. (CVPR 2022), equation 7, as anomalib computes it."""
        score, strangest = distance.max(1)
        if self.neighbours == 1:
            return score
        place = places.gather(1, strangest[:, None, None].expand(-1, 1, places.shape[2]))
        match = index.gather(1, strangest[:, None])[:, 0]
        support = self.model.memory_bank[self.support[match]]
        among = (place - support).square().sum(2).sqrt()
        return (1 - functional.softmax(among, 1)[:, 0]) * score

    def _support(self, bank: Tensor) -> Tensor:
        """(M, k): of each kept place, those nearest to it, itself first."""
        rows = [
            torch.cdist(part, bank).topk(self.neighbours, largest=False).indices for part in torch.split(bank, 1024)
        ]
        return torch.cat(rows)


class RawStfpm(nn.Module):
    """anomalib's student and teacher: the map is the product over layers of how far the student is off."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        teacher, student = self.model.teacher_model(x), self.model.student_model(x)
        size = (x.shape[2], x.shape[3])
        total: Tensor | None = None
        for layer in teacher:
            one = self.model.anomaly_map_generator.compute_layer_map(teacher[layer], student[layer], size)
            total = one if total is None else total * one
        if total is None:
            raise ValueError("a student-teacher network needs at least one layer")
        return total.amax((1, 2, 3)), total[:, 0]


@contextmanager
def anomalib_at_hand() -> Iterator[None]:
    """Import and use anomalib inside: its own deprecations stay its own, and its absence is one clear line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "anomalib":
            raise
        raise AnomalibMissing(NEEDS) from error


RAW = {"Patchcore": RawPatchcore, "Stfpm": RawStfpm}


def station_graph(lightning_model: Any) -> AnomalibGraph:
    """Wrap a trained anomalib model; raise UserError for a kind that has no raw form here."""
    kind = type(lightning_model).__name__
    if kind not in RAW:
        raise UserError(f"anomalib's {kind}: expected one of {', '.join(RAW)}")
    graph = AnomalibGraph(RAW[kind](lightning_model.model))
    return graph.eval().requires_grad_(False)


@contextmanager
def no_download() -> Iterator[None]:
    """Let anomalib build its networks without fetching weights: they come from a checkpoint or `load_backbone`.

    Student-teacher models ask for a pretrained teacher and have no argument that says otherwise (anomalib 2.7).
    """
    import timm

    original = timm.create_model

    def bare(name: str, *args: Any, **options: Any) -> Any:
        return original(name, *args, **{**options, "pretrained": False})

    timm.create_model = bare  # type: ignore[assignment]
    try:
        yield
    finally:
        timm.create_model = original


@torch.no_grad()
def load_backbone(extractor: Any) -> None:
    """Copy ImageNet's weights into an extractor of EfficientNet-Lite0: the same tensors in the same order."""
    network = extractor.feature_extractor
    targets = [tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")]
    for target, source in zip(targets, ordered_weights(), strict=False):
        if target.shape != source.shape:
            raise UserError(f"{LITE}: weights of shape {tuple(source.shape)} do not fit {tuple(target.shape)}")
        target.copy_(source)
