"""Fine-tuning for int8: a network learns to say the same in spite of rounding, where post-training falls short.

A copy of the network is rounded as the int8 graphs are (`training.rounding`), and learns from the network itself what
to say of fitting pictures, without labels (distillation: Hinton et al., arXiv:1503.02531). What is learnt is in the
float weights: the structure stays, and so do normalisation statistics; export and quantisation run as before.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.graph import StationGraph
from training.learning import rate_share
from training.rounding import LEAST, Rounding, Surroundings

BATCH = 8
RATES = (5e-3, 7e-4, 1e-4)
"""Peak rates to choose from, as shares of the root mean square of what is changed. A shallow network with an outlier
needs the first; 49 layers of EfficientNet-Lite0 are thrown far off by all but the last."""
TRIAL_STEPS, STEPS = 30, 300
TRIAL_SHARE = 0.1
"""Of the time, for each rate."""
LOOKED_AT = 6
"""Batches that tell which rate is best."""

Outputs = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """A fine-tuned network; the one that came in, and no steps, where nothing better was found in time."""

    graph: StationGraph
    steps: int


class _Lesson(NamedTuple):
    images: Tensor
    """(B, H, W, 3k) uint8."""
    wanted: Outputs


def fine_tune(
    graph: StationGraph,
    layers: Mapping[str, Surroundings],
    images: NDArray[np.uint8],
    seconds: float,
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Tuned:
    """Return a network that says in int8 what `graph` says in float of `images` (N, H, W, 3k), fitting pictures.

    No step begins after `seconds`; the same seed gives the same weights where there is time for all steps. Each rate is
    tried for TRIAL_STEPS, and the best one goes on for STEPS.
    """
    begun_s = clock()
    student = copy.deepcopy(graph).eval().requires_grad_(False)
    batches = [torch.from_numpy(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    rounding = Rounding(len(batches))
    parameters = rounding.insert(student, layers)

    def spent() -> float:
        return (clock() - begun_s) / max(seconds, LEAST)

    lessons = _look(student, batches, rounding, spent)
    steps = 0
    if parameters and spent() < 1:
        steps = _Course(student, parameters, lessons, rounding, np.random.default_rng(seed), spent).take()
    rounding.remove()
    return Tuned(student.requires_grad_(False), steps) if steps else Tuned(graph, 0)


@torch.no_grad()
def _look(
    student: StationGraph, batches: Sequence[Tensor], rounding: Rounding, spent: Callable[[], float]
) -> list[_Lesson]:
    """What the network says before it learns, and all ranges with it; less than all batches where time is up."""
    lessons: list[_Lesson] = []
    for rounding.batch, batch in enumerate(batches):
        if spent() >= 1:
            break
        lessons.append(_Lesson(batch, tuple(tensor.clone() for tensor in _outputs(student, batch))))
    return lessons


@dataclass(slots=True, eq=False)
class _Course:
    """Fits `parameters` to what the lessons' pictures should give."""

    student: StationGraph
    parameters: Sequence[Tensor]
    lessons: Sequence[_Lesson]
    rounding: Rounding
    rng: np.random.Generator
    spent: Callable[[], float]
    """Share of the time."""

    def take(self) -> int:
        """Try the rates, go on with the best; return the steps behind the parameters, 0 where none made it better."""
        before, start, begun = self.error(), self.values(), self.spent()
        tried: list[tuple[float, int, float, list[Tensor]]] = []
        for number, rate in enumerate(RATES, 1):
            self.go_to(start)
            steps = self.follow(rate, TRIAL_STEPS, begun + number * TRIAL_SHARE * (1 - begun))
            tried.append((self.error(), steps, rate, self.values()))
        error, steps, rate, values = min(tried, key=lambda one: one[0])
        self.go_to(values)
        further = self.follow(rate, STEPS, 1.0)
        if self.error() < min(error, before):
            return steps + further
        self.go_to(values)
        return steps if error < before else 0

    def follow(self, rate: float, most: int, until: float) -> int:
        """Take at most `most` steps before `until`, a share of the time, with a rate that ends at zero.

        Of three steps one rounds activations to 256 steps, one to 255 symmetric ones, as the graph for TensorRT does,
        and one not at all: the float graph is to stay what it was.
        """
        scales = self.scales()
        optimizer = torch.optim.Adam(self.parameters, lr=rate)
        steps, begun = 0, self.spent()
        while steps < most and (now := self.spent()) < until:
            self.rounding.batch = int(self.rng.integers(len(self.lessons)))
            self.rounding.active, self.rounding.symmetric = steps % 3 < 2, steps % 3 == 1
            optimizer.param_groups[0]["lr"] = rate * rate_share(
                max((steps + 1) / most, (now - begun) / (until - begun))
            )
            optimizer.zero_grad()
            self._distance(scales).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
        return steps

    @torch.no_grad()
    def error(self) -> float:
        """How far the rounded network is from what is wanted, both ways of rounding."""
        scales, self.rounding.active = self.scales(), True
        errors = []
        for batch, symmetric in itertools.product(range(min(LOOKED_AT, len(self.lessons))), (False, True)):
            self.rounding.batch, self.rounding.symmetric = batch, symmetric
            errors.append(float(self._distance(scales)))
        return float(np.mean(errors))

    def scales(self) -> list[Tensor]:
        return [_scale(torch.cat(outputs)) for outputs in zip(*(one.wanted for one in self.lessons), strict=True)]

    def values(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def go_to(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)

    def _distance(self, scales: Sequence[Tensor]) -> Tensor:
        """Mean squared difference of each output of the present lesson by its scale, added up."""
        images, wanted = self.lessons[self.rounding.batch]
        pairs = zip(_outputs(self.student, images), wanted, scales, strict=True)
        return torch.stack([(now - then).square().mean() / scale for now, then, scale in pairs]).sum()


def _outputs(graph: StationGraph, images: Tensor) -> Outputs:
    given = graph(images)
    return given if isinstance(given, tuple) else (given,)


def _scale(output: Tensor) -> Tensor:
    """Mean variance between pictures (N, ...): what all of them share, as the places of cells, counts nothing."""
    return (output - output.mean(0)).square().mean().clamp_min(LEAST)
