"""A detector ready to be fitted: pretrained where asked for, with a second input where there are golden templates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.detect.assignment import detection_loss
from training.detect.loader import BoxedBatch
from training.detect.network import Detector
from training.detect.recipe import DetectRecipe
from training.network import SHAPES, Backbone
from training.weights import load_imagenet


class DetectObjective:
    """Scores that rank by fit, and boxes; see `training.detect.assignment`."""

    def __init__(self, box_weight: float) -> None:
        self.box_weight = box_weight

    def loss(self, network: nn.Module, images: Tensor, batch: BoxedBatch) -> Tensor:
        return detection_loss(network(images), batch.truth, self.box_weight)

    def selection_loss(self, network: nn.Module, images: Tensor, batch: BoxedBatch) -> Tensor:
        return self.loss(network, images, batch)


def build_detector(
    recipe: DetectRecipe, size: tuple[int, int], strides: Sequence[int], classes: int, *, template: bool
) -> Detector:
    """A detector for inputs of height and width `size`; raises `WeightsMissing` where pretrained ones are not found."""
    backbone = Backbone(SHAPES[recipe.backbone], *size)
    if recipe.pretrained and recipe.backbone == "efficientnet-lite0":
        load_imagenet(backbone)
        for unit in backbone.units():
            unit.frozen = True
    if template:
        compare_with_template(backbone)
    detector = Detector(backbone, size, strides, classes, recipe.detector.channels, recipe.detector.views)
    freeze_stages(detector, recipe.detector.frozen_stages)
    return detector.to(memory_format=torch.channels_last)


def compare_with_template(backbone: Backbone) -> None:
    """Let the stem take six channels: every second filter sees the picture, the others picture minus template.

    The pretrained filters keep their meaning, of a picture and of a difference.
    """
    picture = backbone.stem.weight.data
    template = -picture
    template[::2] = 0
    backbone.stem.weight = nn.Parameter(torch.cat([picture, template], 1))


def freeze_stages(detector: Detector, stages: int) -> None:
    """Leave the stem and the first stages as they came: half of a step's time goes into their fine grids."""
    if stages:
        for part in (detector.backbone.stem, *list(detector.backbone.stages)[: stages - 1]):
            part.requires_grad_(False)
