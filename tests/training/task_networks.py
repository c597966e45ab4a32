"""The network of every task, compact and with random weights, as training builds it and a station gets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SIDE = 64


def random_weights(network: Any) -> Any:
    import torch

    torch.manual_seed(0)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return network


def classifier() -> Any:
    from training.heads import Network

    return random_weights(Network("compact", (64, 64), 3, (1, 2)))


def detector(**changes: Any) -> Any:
    from training.detect.building import build_detector
    from training.detect.recipe import DetectorRecipe, DetectRecipe

    settings = DetectorRecipe(channels=32, strides=(8, 16), views=changes.get("views", 1))
    recipe = DetectRecipe(backbone="compact", detector=settings)
    return random_weights(build_detector(recipe, (64, 64), (8, 16), 2, template=changes.get("template", False)))


def segmenter() -> Any:
    from training.segment.network import Segmenter

    return random_weights(Segmenter("compact", (64, 64), 2, 16))


def bank() -> Any:
    import torch

    from training.anomaly.network import AnomalyNetwork

    network = random_weights(AnomalyNetwork("compact", (64, 64), (1, 2), 8, 3, 0.05))
    channels = sum(network.channels)
    network.set_metric(torch.randn(8, channels) / channels, torch.zeros(channels), position=0.5)
    network.set_bank(torch.randn(20, 10))
    return network


def taught() -> Any:
    from training.anomaly.taught import TaughtNetwork

    return random_weights(TaughtNetwork("compact", (64, 64), 2, 16))


def embedder() -> Any:
    from training.embed.network import build_network

    return random_weights(build_network("compact", (64, 64), 16))


NETWORKS: dict[str, tuple[Callable[[], Any], tuple[str, ...], int]] = {
    "classify": (classifier, ("logits", "heat"), 3),
    "detect, with the golden template": (lambda: detector(template=True), ("boxes", "scores"), 6),
    "detect, four views": (lambda: detector(views=4), ("boxes", "scores"), 3),
    "segment": (segmenter, ("mask", "kinds", "score"), 3),
    "anomaly, a bank": (bank, ("score", "map"), 3),
    "anomaly, drawn defects": (taught, ("score", "map"), 3),
    "embed": (embedder, ("embedding",), 3),
}


def export_network(name: str, path: Path) -> Path:
    """Write the float network of a task, as a bundle has it."""
    from training.export import export_onnx
    from training.graph import StationGraph

    build, outputs, channels = NETWORKS[name]
    export_onnx(StationGraph(build()).eval(), SIDE, SIDE, path, outputs, channels)
    return path
