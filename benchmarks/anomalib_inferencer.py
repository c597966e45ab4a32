"""anomalib's OpenVINOInferencer as a contender: the same network behind the input that anomalib's exports have.

Its pictures are floats of 0..1, (N, 3, H, W), which `predict` makes of bytes at every call. A reference network's first
nodes, which turn bytes (N, H, W, 3) into floats, are replaced by a factor of 255; nothing else changes, so it says the
same of the same picture. Its free batch stays free, as in anomalib's exports.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import RuntimeUnavailable

NAMES = {"logits": "pred_score", "heat": "anomaly_map"}
"""Our outputs by what anomalib calls them; it takes no other names."""


def anomalib_contender(network: Path, batch: NDArray[np.uint8], threads: int, exact: bool) -> Callable[[], object]:
    """Return a call of `predict` on the first picture of `batch`, (N, H, W, 3).

    What it needs is written beside the network. `exact` asks for float32; otherwise OpenVINO chooses, as anomalib
    leaves it, which is bfloat16 where the processor is quicker with that.

    Raises:
        RuntimeUnavailable: anomalib or OpenVINO is not installed.
    """
    config = {"INFERENCE_NUM_THREADS": threads, **({"INFERENCE_PRECISION_HINT": "f32"} if exact else {})}
    path = network.with_name("anomalib.onnx").resolve()
    onnx.save(as_anomalib_exports(onnx.load(network)), path)
    # It makes a folder `openvino_cache` wherever the process stands.
    with contextlib.chdir(network.parent), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import_module("inspector.runtimes.openvino")  # first: it keeps OpenVINO from reporting its import
            inferencer = import_module("anomalib.deploy").OpenVINOInferencer(path, "CPU", config)
        except ImportError as error:
            raise RuntimeUnavailable(f"OpenVINOInferencer needs {error.name}") from error
    return lambda: inferencer.predict(batch[0])


def as_anomalib_exports(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the network with the input `input` (N, 3, H, W) float32 of 0..1 and outputs named as anomalib's."""
    graph = model.graph
    name, (free, height, width, channels) = graph.input[0].name, graph.input[0].type.tensor_type.shape.dim
    turn = next(node for node in graph.node if node.op_type == "Transpose" and node.input[0] == name)
    cast = next(node for node in graph.node if node.op_type == "Cast" and node.input[0] == turn.output[0])
    sides = [free.dim_param, channels.dim_value, height.dim_value, width.dim_value]
    graph.input[0].CopyFrom(helper.make_tensor_value_info("input", TensorProto.FLOAT, sides))
    graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "steps"))
    place = list(graph.node).index(turn)
    graph.node.insert(place, helper.make_node("Mul", ["input", "steps"], [cast.output[0]], "to_bytes"))
    graph.node.remove(turn)
    graph.node.remove(cast)
    _rename(graph, {name: "input", **NAMES})
    onnx.checker.check_model(model)
    return model


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for side in (node.input, node.output):
            side[:] = [names.get(one, one) for one in side]
    for output in graph.output:
        output.name = names.get(output.name, output.name)
