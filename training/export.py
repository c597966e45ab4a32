"""From a fitted network to the ONNX graph that a station runs."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.graph import StationGraph, lit, mirrored
from training.network import Backbone, ConvUnit, Padding

OPSET = 18


class FoldedUnit(nn.Module):
    """A `ConvUnit` whose normalisation has become part of an ordinary convolution."""

    def __init__(self, unit: ConvUnit) -> None:
        super().__init__()
        weight, bias = unit.folded()
        outward, inward = weight.shape[0], weight.shape[1] * unit.groups
        self.conv = nn.Conv2d(inward, outward, weight.shape[2], unit.stride, groups=unit.groups)
        self.conv.weight.data.copy_(weight)
        self.conv.bias.data.copy_(bias)  # type: ignore[union-attr]
        self.padding, self.active = unit.padding, unit.active

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(functional.pad(x, self.padding) if any(self.padding) else x)
        return functional.relu6(y) if self.active else y


class DeployedGraph(nn.Module):
    """`StationGraph` with folded units; normalisation and the swap of BGR to RGB are in the stem's weights."""

    def __init__(self, graph: StationGraph) -> None:
        super().__init__()
        network: Any = copy.deepcopy(graph.network).eval()
        self.padding: Padding = network.backbone.image_padding
        stem = FoldedUnit(network.backbone.stem)
        _fold_normalisation(stem.conv, graph)
        network.backbone.stem = stem
        _fold_units(network)
        self.network: nn.Module = network

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        views = mirrored(image, getattr(self.network, "views", 1))
        padded = functional.pad(lit(self.network, views.permute(0, 3, 1, 2).float()), self.padding)
        outputs: Tensor | tuple[Tensor, ...] = self.network.station(padded)  # type: ignore[operator]
        return outputs


def _fold_normalisation(stem: nn.Conv2d, graph: StationGraph) -> None:
    """Each three input channels are one picture."""
    outward, inward, *kernel = stem.weight.shape
    pictures = stem.weight.data.reshape(outward, inward // 3, 3, *kernel) * graph.scale.reshape(3, 1, 1)
    shift = (pictures * graph.mean.reshape(3, 1, 1)).sum((1, 2, 3, 4))
    stem.bias.data -= shift  # type: ignore[union-attr]
    stem.weight.data = pictures.flip(2).reshape(stem.weight.shape).contiguous()


def _fold_units(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, ConvUnit):
            setattr(module, name, FoldedUnit(child))
        else:
            _fold_units(child)


def export_onnx(
    graph: StationGraph, height: int, width: int, path: Path, outputs: Sequence[str] = ("logits",), channels: int = 3
) -> None:
    """Write the float graph: input `image` uint8 (N, H, W, channels) BGR with N free, the named outputs float32."""
    ours = isinstance(getattr(graph.network, "backbone", None), Backbone)
    deployed = (DeployedGraph(graph) if ours else graph).eval().to(memory_format=torch.contiguous_format)
    example = torch.zeros((2, height, width, channels), dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        # The exporter warns about its own dependencies; what it wrote is checked below and by parity.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deployed,
            (example,),
            path,
            input_names=["image"],
            output_names=list(outputs),
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1, max=4096)}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    onnx.save(tidy(onnx.load(path)), path)


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Merge padding into convolutions, leave out what only the exporter needs, and check the graph."""
    merge_pads(model.graph)
    del model.metadata_props[:]
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def merge_pads(graph: onnx.GraphProto) -> None:
    """Replace constant zero `Pad` followed by one `Conv` by that convolution's own (asymmetric) padding.

    torch cannot express it, ONNX can: one node less per block, and none between quantised layers.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        after = consumers.get(pad.output[0], [])
        amounts = onnx.numpy_helper.to_array(constants[pad.input[1]]).tolist() if pad.input[1] in constants else []
        modes = [attribute.s for attribute in pad.attribute if attribute.name == "mode"]
        zeros = modes in ([], [b"constant"])
        if zeros and len(after) == 1 and after[0].op_type == "Conv" and len(amounts) == 8:
            _set_pads(after[0], [amounts[2], amounts[3], amounts[6], amounts[7]])
            after[0].input[0] = pad.input[0]
            graph.node.remove(pad)


def _set_pads(conv: onnx.NodeProto, pads: list[int]) -> None:
    for attribute in [item for item in conv.attribute if item.name in ("pads", "auto_pad")]:
        conv.attribute.remove(attribute)
    conv.attribute.append(onnx.helper.make_attribute("pads", pads))
