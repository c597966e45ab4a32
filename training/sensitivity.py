"""Which layers lose most by quantisation: groups first, then the worst halves of them, while the time lasts."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.runtimes import Outputs, RuntimeSettings, load_runtime

GROUPS = 6
LOOKED_AT = 16

Loss = Callable[[Sequence[str]], float]
"""From the layers that stay float to how far the quantised graph then is from the float one."""


@dataclass(frozen=True, slots=True)
class Sensitive:
    """Neighbouring layers; with these in float, `gain` of the graph's difference (0..1) goes away."""

    nodes: tuple[str, ...]
    gain: float


def find_sensitive(
    layers: Sequence[str], loss: Loss, seconds: float, clock: Callable[[], float] = time.monotonic
) -> tuple[Sensitive, ...]:
    """Return groups of `layers`, worst first per layer; together they are all layers, each once.

    `layers` are in the order of the graph: neighbours hurt together. The group that hurts most is halved again and
    again until it is one layer or `seconds` are over, then the next.
    """
    end_s = clock() + seconds
    whole = max(loss(()), 1e-12)
    ticket = count()

    def weigh(nodes: tuple[str, ...]) -> tuple[float, int, Sensitive]:
        gain = 1 - loss(nodes) / whole
        return -gain, next(ticket), Sensitive(nodes, gain)

    heap = [weigh(nodes) for nodes in _cut(layers, GROUPS)]
    heapq.heapify(heap)
    settled: list[Sensitive] = []
    while heap:
        _, _, worst = heapq.heappop(heap)
        if len(worst.nodes) == 1 or worst.gain <= 0 or clock() > end_s:
            settled.append(worst)
        else:
            for half in _cut(worst.nodes, 2):
                heapq.heappush(heap, weigh(half))
    return tuple(sorted(settled, key=lambda one: -one.gain / len(one.nodes)))


def _cut(nodes: Sequence[str], parts: int) -> list[tuple[str, ...]]:
    edges = np.linspace(0, len(nodes), min(parts, len(nodes)) + 1).astype(int)
    return [tuple(nodes[low:high]) for low, high in pairwise(edges)]


class Distance:
    """How far a graph's outputs are from the float graph's on a few pictures: mean over outputs and pictures.

    Each output's mean absolute difference is divided by the standard deviation of what the float graph says, so that
    logits, maps and distances count alike.
    """

    def __init__(self, float_path: Path, images: NDArray[np.uint8]) -> None:
        self.images = images[:: max(1, len(images) // LOOKED_AT)][:LOOKED_AT]
        self.said = self._run(float_path)

    def of(self, path: Path) -> float:
        now = self._run(path)
        parts = [np.abs(now[name] - was).mean() / (was.std() + 1e-9) for name, was in self.said.items()]
        return float(np.mean(parts))

    def _run(self, path: Path) -> Mapping[str, NDArray[np.float32]]:
        runtime = load_runtime(path, RuntimeSettings())
        each: list[Outputs] = [runtime.run(self.images[i : i + 1]) for i in range(len(self.images))]
        return {name: np.concatenate([one[name] for one in each]) for name in each[0]}
