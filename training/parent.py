"""The network of a bundle, made from its float graph so that it can be fitted again.

Normalisation is part of the convolutions there, so units get weight and bias with statistics that change nothing. Two
ways to read the stem: as it is, for features that are kept to the last bit, or with the picture's normalisation taken
out of its weights again, for fitting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from inspector.bundle import Bundle
from inspector.documents import parse_json
from inspector.errors import BundleError, RecipeError
from inspector.preprocess import InputSpec
from training.graph import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, StationGraph
from training.heads import Network
from training.light import LevelLight
from training.network import ConvUnit
from training.recipe import InputRecipe, TrainingRecipe

Weights = Mapping[str, NDArray[np.float32]]
PREFIX = "network."
FEATURES = ("backbone.", "map.", "peak_")
"""Beginnings of the names of what the features are made by: all but the last layer."""


@dataclass(frozen=True, slots=True, eq=False)
class Parent:
    """A classifier that the next one starts from."""

    bundle: Bundle
    recipe: TrainingRecipe
    """By which it was trained, with its own size of the input."""
    weights: Weights
    """Of its float graph, by their names in `Network`."""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.bundle.manifest.classes

    @property
    def spec(self) -> InputSpec:
        return self.bundle.manifest.input

    @property
    def mapped(self) -> tuple[str, ...]:
        """Classes that its defect map tells apart."""
        place = self.weights.get("place", np.zeros((0, len(self.classes)), np.float32))
        return tuple(self.classes[int(row.argmax())] for row in place)

    @property
    def features_key(self) -> str:
        """SHA-256 of what makes the features: the same for all bundles that share it, whatever their last layer."""
        digest = hashlib.sha256(f"{self.spec.model_dump_json()} {self.recipe.level_light}".encode())
        for name in sorted(name for name in self.weights if name.startswith(FEATURES)):
            digest.update(name.encode() + self.weights[name].tobytes())
        return digest.hexdigest()


def read_parent(bundle: Bundle) -> Parent:
    """Return a bundle as one to start from; raise BundleError where it is no classifier that was trained here."""
    manifest = bundle.manifest
    if manifest.task != "classify" or manifest.several:
        raise BundleError(f"{bundle.path}: manifest.json: expected a classifier of one class a part to start from")
    source, words = f"{bundle.path}: manifest.json: training.recipe", str(manifest.training.get("recipe", "{}"))
    recipe = parse_json(source, words, TrainingRecipe, BundleError)
    graph = onnx.load(bundle.model_path("float")).graph
    weights = {
        one.name.removeprefix(PREFIX): numpy_helper.to_array(one)
        for one in graph.initializer
        if one.name.startswith(PREFIX)
    }
    if "linear.weight" not in weights or "backbone.stem.conv.weight" not in weights:
        raise BundleError(f"{bundle.path}: model.onnx: its layers are not those of a classifier that was trained here")
    spec = manifest.input
    size = InputRecipe(height=spec.height, width=spec.width, fit=spec.fit)
    return Parent(bundle, recipe.model_copy(update={"input": size}), weights)


def like_parent(recipe: TrainingRecipe, parent: Parent, *, fast: bool) -> TrainingRecipe:
    """Return the recipe with the parent's size where it says none; raise RecipeError where the two do not fit."""
    mine, size = recipe.input, parent.recipe.input
    height, width = mine.height or size.height, mine.width or size.width
    if recipe.backbone != parent.recipe.backbone:
        raise RecipeError(f"backbone: expected the parent's, {parent.recipe.backbone}, got {recipe.backbone}")
    wanted = InputRecipe(height=height, width=width, fit=mine.fit)
    if fast and (wanted != size or recipe.level_light != parent.recipe.level_light):
        raise RecipeError(
            f"input, level_light: expected the parent's, {size.height} x {size.width} px, {size.fit}, "
            f"level_light {parent.recipe.level_light}, whose features are kept"
        )
    return recipe.model_copy(update={"input": wanted})


def kept_graph(parent: Parent, classes: tuple[str, ...]) -> StationGraph:
    """Return the parent's network for these classes, exactly as it was exported; classes that are new start at chance.

    The picture's normalisation stays in the stem's weights, so that the next export gives the same bytes again.
    """
    mapped = tuple(classes.index(name) for name in parent.mapped)
    recipe, spec = parent.recipe, parent.spec
    network = Network(recipe.backbone, (spec.height, spec.width), len(classes), mapped)
    network.light = LevelLight() if recipe.level_light else None
    load_backbone(network, parent.weights, folded=True)
    load_head(network, parent, classes)
    graph = StationGraph(network)
    graph.scale.fill_(1.0)
    graph.mean.zero_()
    return graph.eval().requires_grad_(False)


def load_backbone(network: Network, weights: Weights, *, folded: bool) -> None:
    """Set every unit of the backbone; with `folded`, the stem takes pictures of 0..255 as the exported graph does."""
    for name, unit in network.backbone.named_modules():
        if isinstance(unit, ConvUnit):
            kernel, bias = (_tensor(weights, f"backbone.{name}.conv.{part}") for part in ("weight", "bias"))
            if name == "stem":
                kernel, bias = _unfolded(kernel.flip(1), bias, folded=folded)
            _set_unit(unit, kernel, bias)


def _unfolded(kernel: Tensor, bias: Tensor, *, folded: bool) -> tuple[Tensor, Tensor]:
    if folded:
        return kernel, bias
    mean, deviation = (torch.tensor(values).reshape(3, 1, 1) for values in (IMAGENET_MEAN_RGB, IMAGENET_STD_RGB))
    return kernel * deviation, bias + (kernel * mean).sum((1, 2, 3))


@torch.no_grad()
def _set_unit(unit: ConvUnit, kernel: Tensor, bias: Tensor) -> None:
    unit.weight.copy_(kernel)
    norm = unit.norm
    norm.weight.fill_(1.0)
    norm.bias.copy_(bias)
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0)
    norm.eps = 0.0  # the exact 1 of a variance of 1
    unit.frozen = True


@torch.no_grad()
def load_head(network: Network, parent: Parent, classes: tuple[str, ...]) -> None:
    """Set the last layer's rows of the classes that the parent knows, and its defect map."""
    for old, name in enumerate(parent.classes):
        if name in classes:
            network.linear.weight[classes.index(name)] = _tensor(parent.weights, "linear.weight")[old]
            network.linear.bias[classes.index(name)] = _tensor(parent.weights, "linear.bias")[old]
    if network.map is not None and [classes[int(row.argmax())] for row in network.place] == list(parent.mapped):
        own = {name: value for name, value in network.state_dict().items() if name.startswith(("map.", "peak_"))}
        network.load_state_dict({name: _tensor(parent.weights, name) for name in own}, strict=False)


def _tensor(weights: Weights, name: str) -> Tensor:
    if name not in weights:
        raise BundleError(f"model.onnx of the parent: no weights {name}; expected those of a classifier trained here")
    return torch.from_numpy(np.array(weights[name]))
