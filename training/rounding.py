"""Rounds a network that is being fitted as the int8 graphs that are made from it round.

Gradients pass the rounding as if it were not there (Bengio et al., arXiv:1308.3432; for networks like these: Jacob et
al., arXiv:1712.05877) and reach the width of the steps (Esser et al., "Learned Step Size Quantization", ICLR 2020), so
that an outlier that costs all others their steps shrinks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

from training.network import ConvUnit
from training.quantise import head_nodes

GAIN_SHARE = 4.0
"""A channel's gain and offset may change so much faster than its weights: an outlier is a gain."""
LEAST = 1e-8


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of a convolution's input and output has still to be rounded; its weights always are."""

    before: bool
    after: bool
    fused: bool
    """Symmetric graphs leave its output as it is: it is added to something, pooled, or given away."""


def rounded_layers(float_path: Path, keep: Collection[str] = ()) -> dict[str, Surroundings]:
    """Convolutions that are int8 in graphs made from the float one, by the name their weights have in it.

    Float stay the nodes in `keep` and what follows the pooling. The picture's bytes are not rounded again, a `Relu`
    belongs to what is before it, and nothing is rounded twice.
    """
    graph = onnx.load(float_path).graph
    left_out = {*head_nodes(graph), *keep}
    convolutions = [node for node in graph.node if node.op_type == "Conv" and node.name not in left_out]
    clipped = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "Clip"}
    awaits_relu = {node.input[0] for node in graph.node if node.op_type == "Relu"}
    gives = {node.name: clipped.get(node.output[0], node.output[0]) for node in convolutions}
    exact = {*gives.values()} - awaits_relu | {node.output[0] for node in graph.node if node.op_type == "Cast"}
    wanted = {node.input[0] for node in graph.node if node.op_type in ("Conv", "Resize")}
    return {
        node.input[1].removesuffix(".weight"): Surroundings(
            before=node.input[0] not in exact,
            after=gives[node.name] not in awaits_relu,
            fused=gives[node.name] not in wanted,
        )
        for node in convolutions
    }


class _Round(torch.autograd.Function):
    """To whole multiples of `step`, from `least` to `most` of them: gradients for what is rounded and for `step`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, least: int, most: int) -> Tensor:
        exact = x / step
        whole = exact.round().clamp(least, most)
        ctx.save_for_backward(whole - exact, step)
        return whole * step

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        error, step = ctx.saved_tensors
        return gradients[0], (gradients[0] * error).sum_to_size(step.shape), None, None


def _rounded(x: Tensor, step: Tensor, least: int, most: int) -> Tensor:
    rounded: Tensor = _Round.apply(x, step, least, most)
    return rounded


class Rounding:
    """Rounds a network's convolutions while `active`; the range of a tensor is that of its last look at each batch."""

    def __init__(self, batches: int) -> None:
        self.batches, self.batch = batches, 0
        self.active, self.symmetric = False, False
        self.handles: list[RemovableHandle] = []
        self.changed: list[tuple[nn.Module, str]] = []

    def insert(self, network: nn.Module, layers: Mapping[str, Surroundings]) -> list[Tensor]:
        """Hook into the modules that `layers` names and return what is to be learnt."""
        parameters: list[Tensor] = []
        for name, module in list(network.named_modules()):
            wanted = layers.get(f"{name}.conv" if isinstance(module, ConvUnit) else name)
            if wanted is None or not isinstance(module, ConvUnit | nn.Conv2d):
                continue
            if wanted.before:
                self.handles.append(module.register_forward_pre_hook(_before(_Range(self, fused=False))))
            if wanted.after:
                self.handles.append(module.register_forward_hook(_after(_Range(self, fused=wanted.fused))))
            parameters.append(self._learn(module, "weight", rounds=True))
            shifted: nn.Module = module.norm if isinstance(module, ConvUnit) else module
            names = ("weight", "bias") if isinstance(module, ConvUnit) else ("bias",)
            parameters += [self._learn(shifted, one) for one in names if getattr(shifted, one) is not None]
        return parameters

    def _learn(self, module: nn.Module, name: str, *, rounds: bool = False) -> Tensor:
        parametrize.register_parametrization(module, name, _Relative(getattr(module, name), self, rounds=rounds))
        self.changed.append((module, name))
        learnt: Tensor = module.parametrizations[name].original.requires_grad_(True)  # type: ignore[index, union-attr]
        return learnt

    def remove(self) -> None:
        """Leave plain parameters with the float weights that were learnt."""
        self.active = False
        for handle in self.handles:
            handle.remove()
        for module, name in self.changed:
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)


class _Relative(nn.Module):
    """A parameter as multiples of its usual size, which the rate is a share of; weights also rounded to 255 steps."""

    def __init__(self, parameter: Tensor, rounding: Rounding, *, rounds: bool) -> None:
        super().__init__()
        self.rounding, self.rounds = rounding, rounds
        inner = tuple(range(1, parameter.ndim)) or (0,)
        usual = parameter.detach().square().mean(inner, keepdim=True).sqrt().clamp_min(LEAST)
        self.size = usual if parameter.ndim > 1 else GAIN_SHARE * (parameter.detach().abs() + usual / 10)

    def forward(self, relative: Tensor) -> Tensor:
        parameter = relative * self.size
        if not (self.rounds and self.rounding.active):
            return parameter
        step = parameter.abs().amax((1, 2, 3), keepdim=True).clamp_min(LEAST) / 127
        return _rounded(parameter, step, -127, 127)

    def right_inverse(self, parameter: Tensor) -> Tensor:
        return parameter / self.size


class _Range:
    """Least and greatest value of one tensor over all batches, and the rounding between them."""

    def __init__(self, rounding: Rounding, *, fused: bool) -> None:
        self.rounding, self.fused = rounding, fused
        self.lows, self.highs = torch.zeros(rounding.batches), torch.zeros(rounding.batches)

    def __call__(self, x: Tensor) -> Tensor:
        low, high = torch.aminmax(x)
        self.lows[self.rounding.batch], self.highs[self.rounding.batch] = low.detach(), high.detach()
        if not self.rounding.active or (self.fused and self.rounding.symmetric):
            return x
        low = torch.minimum(low, self.lows.amin().clamp(max=0))
        high = torch.maximum(high, self.highs.amax().clamp(min=0))
        if self.rounding.symmetric:
            return _rounded(x, torch.maximum(-low, high).clamp_min(LEAST) / 127, -127, 127)
        step = (high - low).clamp_min(LEAST) / 255
        zero = round(float(-low.detach() / step.detach()))
        return _rounded(x, step, -zero, 255 - zero)


def _before(seen: _Range) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    return lambda _, inputs: (seen(inputs[0]),)


def _after(seen: _Range) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
    return lambda _, inputs, output: seen(output)
