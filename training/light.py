"""Level light: a picture whose wide surroundings are equally bright everywhere, and in every exposure.

Parts that are shown in other light than those that were learnt differ in all places. What light does is wide and a
factor; what a defect does is narrow, or has a border. So each place is divided by how bright its surroundings are.
"""

from __future__ import annotations

import onnx
from torch import Tensor, nn
from torch.nn import functional

from training.conversion import Keep

CELL = 8
"""Brightness is averaged over cells of so many px squared first."""
SURROUNDINGS = 7
"""Cells along a side that are averaged, twice: weights fall off towards 13 cells, some 100 px."""
MIDDLE = 110.0
"""Grey level that places as bright as their surroundings get."""
DARK = 4.0
"""Grey levels added to the surroundings: where there is no light, noise must not become a texture."""


class LevelLight(nn.Module):
    """BGR (N, 3, H, W) of 0..255, H and W multiples of 8, to the same in level light; colours are kept."""

    def forward(self, bgr: Tensor) -> Tensor:
        grey = (bgr[:, :1] + bgr[:, 1:2] + bgr[:, 2:]) * (1 / 3)
        around = functional.avg_pool2d(grey, CELL)
        for _ in range(2):
            around = functional.avg_pool2d(around, SURROUNDINGS, 1, SURROUNDINGS // 2, count_include_pad=False)
        around = functional.interpolate(around, scale_factor=float(CELL), mode="bilinear")
        return (bgr * (MIDDLE / (around + DARK))).clamp(0, 255)


def kept_light(is_level: bool) -> Keep:
    """Which nodes a network with level light keeps in float."""
    return light_nodes if is_level else ()


def light_nodes(graph: onnx.GraphProto) -> tuple[str, ...]:
    """What stands before the stem: grey levels and their quotients, which 8 bits in between would make coarse."""
    before = []
    for node in graph.node:
        if node.op_type == "Conv":
            break
        before.append(node.name)
    return tuple(before)
