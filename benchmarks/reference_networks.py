"""EfficientNet-Lite0 and ResNet-18 at 224 px as every runtime gets them: untrained, exported, quantised both ways.

Speed does not depend on the weights. Ranges are measured on noise, so the int8 graphs are as fast as real ones and say
nothing of accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from inspector.bundle import MODEL_FILES, Precision
from training.export import OPSET, export_onnx, tidy
from training.graph import StationGraph
from training.heads import Network
from training.quantise import write_uint8
from training.ranges import measure_ranges
from training.symmetric import write_symmetric

SIDE = 224
CLASSES = 4
_GREY_STEPS = 58.0
"""About one standard deviation of ImageNet's pixels, in grey levels."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceNetwork:
    """A network's files by precision, what torch makes of it, and its work."""

    name: str
    paths: dict[Precision, Path]
    module: nn.Module
    """uint8 (N, H, W, 3) in, logits out."""
    macs: int
    """Multiply-accumulates of one picture."""


class BytesToResnet(nn.Module):
    """torchvision's ResNet-18 on bytes, normalisation folded into its first layer."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet18

        network: Any = fused(resnet18(num_classes=CLASSES).eval())
        network.conv1.weight.data /= _GREY_STEPS
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image.permute(0, 3, 1, 2).float())
        return logits


def fused(network: Any) -> Any:
    """Fold each batch normalisation of a torchvision ResNet into the convolution before it."""
    fuse = torch.nn.utils.fusion.fuse_conv_bn_eval
    for block in [network, *(block for stage in range(1, 5) for block in getattr(network, f"layer{stage}"))]:
        for number in (1, 2):
            if hasattr(block, f"conv{number}"):
                norm = getattr(block, f"bn{number}")
                setattr(block, f"conv{number}", fuse(getattr(block, f"conv{number}"), norm))
                setattr(block, f"bn{number}", nn.Identity())
        if getattr(block, "downsample", None) is not None:
            block.downsample = nn.Sequential(fuse(block.downsample[0], block.downsample[1]))
    return network


def make_resnet(path: Path) -> nn.Module:
    module = BytesToResnet().eval()
    example = torch.zeros((2, SIDE, SIDE, 3), dtype=torch.uint8)
    batch = {"image": {0: torch.export.Dim("batch", min=1, max=4096)}}
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"], "dynamic_shapes": batch}
    with torch.no_grad():
        torch.onnx.export(
            module, (example,), path, opset_version=OPSET, dynamo=True, external_data=False, verbose=False, **names
        )
    onnx.save(tidy(onnx.load(path)), path)
    return module


def make_lite(path: Path) -> nn.Module:
    graph = StationGraph(Network("efficientnet-lite0", (SIDE, SIDE), CLASSES, ())).eval()
    export_onnx(graph, SIDE, SIDE, path, graph_outputs(graph))
    return graph


def graph_outputs(graph: StationGraph) -> tuple[str, ...]:
    with torch.no_grad():
        outputs = graph(torch.zeros((1, SIDE, SIDE, 3), dtype=torch.uint8))
    return ("logits",) if isinstance(outputs, Tensor) else tuple(["logits", "heat", "distance"][: len(outputs)])


MAKERS: dict[str, Callable[[Path], nn.Module]] = {"efficientnet_lite0": make_lite, "resnet18": make_resnet}


def make_networks(folder: Path) -> list[ReferenceNetwork]:
    """Write both networks at every precision below `folder`."""
    torch.manual_seed(0)
    noise = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    made = []
    for name, make in MAKERS.items():
        paths = {precision: folder / name / file for precision, file in MODEL_FILES.items()}
        paths["float"].parent.mkdir(parents=True, exist_ok=True)
        module = make(paths["float"])
        ranges = measure_ranges(paths["float"], noise, "minmax")
        write_uint8(paths["float"], paths["cpu-int8"], ranges)
        write_symmetric(paths["float"], paths["trt-int8"], ranges)
        made.append(ReferenceNetwork(name, paths, module, count_macs(paths["float"])))
    return made


def count_macs(path: Path) -> int:
    """Multiply-accumulates of one picture in the convolutions and matrix products of an ONNX graph."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    values = (*model.graph.value_info, *model.graph.output)
    shapes = {v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim] for v in values}
    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += prod(shapes[node.output[0]][1:]) * prod(weights[node.input[1]][1:])
        elif node.op_type in ("Gemm", "MatMul") and node.input[1] in weights:
            total += prod(weights[node.input[1]])
    return total
