"""What a runtime makes of a network on this machine: int8 against float, torch, and the machine's measured limit.

python -m benchmarks.runtimes --json FILE

One picture of 224 px at a time. All contenders take turns, so that what else the machine does hits all alike. Needs the
extra `training`; OpenVINO and anomalib's OpenVINOInferencer take part where they are installed, torch.compile where it
is asked for.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks import report
from benchmarks.anomalib_inferencer import anomalib_contender
from benchmarks.reference_networks import SIDE, ReferenceNetwork, make_networks
from inspector.bundle import Precision
from inspector.errors import RuntimeUnavailable
from inspector.preprocess import InputSpec, preprocess
from inspector.runtimes import RuntimeSettings, load_runtime

Contender = Callable[[], object]
ROUND = 5
FLOATS = ("onnxruntime_float", "openvino_float")
BFLOATS = ("openvino_bfloat16",)
INT8S = ("onnxruntime_int8", "openvino_int8")
OTHERS = ("torch", "anomalib")
"""How the names of contenders begin that are not ours."""
RUNTIMES = {
    "onnxruntime": RuntimeSettings(kind="onnxruntime"),
    "openvino": RuntimeSettings(kind="openvino"),
}


def main() -> None:
    parser = report.arguments("runtimes, precisions, torch and the measured limit, on 224 px")
    parser.add_argument("--threads", type=int, default=1, help="threads of every contender")
    parser.add_argument("--rounds", type=int, default=12, help=f"turns of {ROUND} inferences of each contender")
    parser.add_argument("--compile", action="store_true", help="torch.compile too; takes a minute and a C++ compiler")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    figures: dict[str, float | int | str | bool | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        networks = make_networks(Path(folder))
        seconds = {n.name: _race(_contenders(n, args.threads, args.compile), args.rounds) for n in networks}
    peaks = _peaks(args.threads)
    for network in networks:
        figures |= {f"{network.name}_{key}": v for key, v in _compare(network, seconds[network.name], peaks).items()}
    figures |= _preprocessing(min(_p50(seconds["efficientnet_lite0"], name) for name in INT8S))
    figures |= {"threads": args.threads, **{f"peak_{k}_gmacs_per_s": v / 1e9 for k, v in peaks.items()}}
    ratios = {key: value for key, value in figures.items() if key.endswith("_ratio")}
    report.write({**ratios, **{key: value for key, value in figures.items() if key not in ratios}}, args.json)


def _contenders(network: ReferenceNetwork, threads: int, compiled: bool) -> dict[str, Contender]:
    batch = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    tensor = torch.from_numpy(batch)
    found: dict[str, Contender] = {}
    for kind, settings in RUNTIMES.items():
        own = settings.model_copy(update={"threads": threads})
        fast = own.model_copy(update={"arithmetic": "fast"})
        plans: dict[str, tuple[Precision, RuntimeSettings]] = {"float": ("float", own), "int8": ("cpu-int8", own)}
        if kind == "openvino":
            plans["bfloat16"] = ("float", fast)
            plans["int8_bfloat16"] = ("cpu-int8", fast)
        for name, (precision, chosen) in plans.items():
            try:
                runtime = load_runtime(network.paths[precision], chosen)
            except RuntimeUnavailable:
                continue
            found[f"{kind}_{name}"] = partial(runtime.run, batch)
    found["torch_eager"] = _quietly(network.module, tensor)
    if compiled:
        found["torch_compile"] = _quietly(torch.compile(network.module), tensor)
    for name, exact in (("anomalib", False), ("anomalib_float", True)):
        with contextlib.suppress(RuntimeUnavailable):
            found[name] = anomalib_contender(network.paths["float"], batch, threads, exact)
    return found


def _quietly(module: Callable[[torch.Tensor], object], tensor: torch.Tensor) -> Contender:
    def run() -> object:
        with torch.inference_mode():
            return module(tensor)

    return run


def _race(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    for run in contenders.values():
        run()
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            for _ in range(ROUND):
                started = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _p50(seconds: Mapping[str, list[float]], name: str) -> float:
    return report.percentile_ms(seconds[name], 0.5) if name in seconds else float("inf")


def _compare(
    network: ReferenceNetwork, seconds: Mapping[str, list[float]], peaks: Mapping[str, float]
) -> dict[str, float | str]:
    """Ratios are of images per second at the median; a share of the limit is MACs per second against the peak."""
    best = {kind: min(_p50(seconds, name) for name in names) for kind, names in (("float", FLOATS), ("int8", INT8S))}
    ours = {name: _p50(seconds, name) for name in seconds if not name.startswith(OTHERS)}
    torch_best = min(_p50(seconds, name) for name in seconds if name.startswith("torch"))
    figures: dict[str, float | str] = {
        "int8_over_float_ratio": best["float"] / best["int8"],
        "int8_over_torch_ratio": torch_best / best["int8"],
        "slowest_runtime_over_torch_ratio": torch_best / max(ours.values()),
        "int8_roofline_share_ratio": network.macs / (best["int8"] / 1e3) / peaks["int8"],
        "float_roofline_share_ratio": network.macs / (best["float"] / 1e3) / peaks["float"],
        "fastest": min(ours, key=lambda name: ours[name]),
        "mmacs": network.macs / 1e6,
    }
    for name in [name for name in seconds if name.startswith("anomalib")]:
        figures[f"int8_over_{name}_ratio"] = _p50(seconds, name) / best["int8"]
        figures[f"slowest_runtime_over_{name}_ratio"] = _p50(seconds, name) / max(ours.values())
    if any(name in seconds for name in BFLOATS):
        figures["bfloat16_over_float_ratio"] = best["float"] / min(_p50(seconds, name) for name in BFLOATS)
    for name, spent in seconds.items():
        figures |= {f"{name}_p50_ms": _p50(seconds, name), f"{name}_p99_ms": report.percentile_ms(spent, 0.99)}
    return figures


def _peaks(threads: int) -> dict[str, float]:
    """Multiply-accumulates per second of a dense product of 1024 x 1024, the best of several: the compute limit.

    A product of that size is bound by arithmetic, not by memory (arithmetic intensity 1024 / 3 per element; Williams,
    Waterman, Patterson, "Roofline", 2009).
    """
    import onnxruntime
    from onnx import TensorProto, helper

    side, rng = 1024, np.random.default_rng(0)
    kinds = {
        "float": ("MatMul", TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT),
        "int8": ("MatMulInteger", TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32),
    }
    peaks = {}
    for name, (operator, left, right, out) in kinds.items():
        shape = [side, side]
        weights = rng.integers(-100, 100, (side, side)).astype(helper.tensor_dtype_to_np_dtype(right))
        graph = helper.make_graph(
            [helper.make_node(operator, ["a", "b"], ["c"])],
            name,
            [helper.make_tensor_value_info("a", left, shape)],
            [helper.make_tensor_value_info("c", out, shape)],
            [helper.make_tensor("b", right, shape, weights.tobytes(), raw=True)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        a = rng.integers(0, 100, (side, side)).astype(helper.tensor_dtype_to_np_dtype(left))
        spent = _race({name: partial(session.run, None, {"a": a})}, 4)[name]
        peaks[name] = side**3 / min(spent)
    return peaks


def _preprocessing(int8_ms: float) -> dict[str, float]:
    """One frame of 1280 x 1024 to the input, on one thread, against the fastest int8 network's time."""
    frame = np.random.default_rng(2).integers(0, 256, (1024, 1280, 3), dtype=np.uint8)
    spec = InputSpec(height=SIDE, width=SIDE)
    result = np.empty((SIDE, SIDE, 3), np.uint8)
    spent = _race({"preprocess": lambda: preprocess(frame, spec, out=result)}, 8)["preprocess"]
    tracemalloc.start()
    preprocess(frame, spec, out=result)
    allocated = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    ms = report.percentile_ms(spent, 0.5)
    return {"preprocess_share_ratio": ms / int8_ms, "preprocess_p50_ms": ms, "preprocess_allocates_kb": allocated / 1e3}


if __name__ == "__main__":
    main()
