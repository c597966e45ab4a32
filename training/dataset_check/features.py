"""Features of pictures from the ImageNet backbone as it comes, for what a fingerprint does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inspector.preprocess import InputSpec, preprocess, read_image
from training.network import SHAPES, Backbone
from training.weights import load_imagenet

SIDE = 224
BATCH = 16
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)
"""Of ImageNet, red first, of values 0..1: what the weights were trained with."""


def features_of(paths: Sequence[Path], progress: Callable[[int], None]) -> NDArray[np.float32]:
    """Return (N, 1752): the pooled head and the pooled taps, every column of mean 0 and unit variance."""
    backbone = Backbone(SHAPES["efficientnet-lite0"], SIDE, SIDE)
    load_imagenet(backbone)
    backbone.eval()
    rows = []
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        rows.append(_features(backbone, [preprocess(read_image(path), _SPEC) for path in batch]))
        progress(start + len(batch))
    features = np.concatenate(rows)
    features -= features.mean(axis=0)
    return np.asarray(features / np.maximum(features.std(axis=0), 1e-3), dtype=np.float32)


_SPEC = InputSpec(height=SIDE, width=SIDE)


def _features(backbone: Backbone, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    with torch.inference_mode():
        pixels = torch.from_numpy(np.stack(images)[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
        pixels = (pixels - _column(MEAN)) / _column(SPREAD)
        taps, pooled = backbone(functional.pad(pixels, backbone.image_padding))
        return torch.cat([pooled, *(tap.mean((2, 3)) for tap in taps)], dim=1).numpy()


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).reshape(3, 1, 1)
