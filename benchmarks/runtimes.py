"""What a runtime makes of a network on this machine: int8 against float, torch, and the machine's measured limit.

python -m benchmarks.runtimes --json FILE

One picture of 224 px at a time. All contenders take turns, so that what else the machine does hits all alike: a ratio
is the median over the turns of the ratio within a turn, a time the median of the turns' medians; shares of the limit
are of the fastest run. Needs the extra `training`; OpenVINO and anomalib's OpenVINOInferencer take part where they are
installed, torch.compile unless `--no-compile` (it takes a minute and a C++ compiler).

A runtime is at its best with the precision and arithmetic that are fastest with it; `anomalib` is its inferencer as it
comes, where OpenVINO chooses bfloat16, and `anomalib_float` is held to float32.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch

from benchmarks import report
from benchmarks.anomalib_inferencer import anomalib_contender
from benchmarks.reference_networks import SIDE, ReferenceNetwork, make_networks
from inspector.bundle import Precision
from inspector.errors import RuntimeUnavailable
from inspector.peaks import Peaks, measure_peaks
from inspector.preprocess import InputSpec, preprocess
from inspector.runtimes import RuntimeSettings, load_runtime
from inspector.steps import allocated_bytes, made_frame

Contender = Callable[[], object]
Turns = list[list[float]]
"""Seconds of each run, turn by turn."""
ROUND = 5
FLOATS = ("onnxruntime_float", "openvino_float")
INT8S = ("onnxruntime_int8", "openvino_int8")
OTHERS = ("torch", "anomalib")
"""How the names of contenders begin that are not ours."""
ALIKE = {
    "onnxruntime_float": "anomalib_float",
    "openvino_float": "anomalib_float",
    "openvino_bfloat16": "anomalib",
}
"""Contenders of ours that compute as one of anomalib's does."""
RUNTIMES = {
    "onnxruntime": RuntimeSettings(kind="onnxruntime"),
    "openvino": RuntimeSettings(kind="openvino"),
}


def main() -> None:
    parser = report.arguments("runtimes, precisions, torch, anomalib and the measured limit, on 224 px")
    parser.add_argument("--threads", type=int, default=1, help="threads of every contender")
    parser.add_argument("--rounds", type=int, default=20, help=f"turns of {ROUND} inferences of each contender")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    figures: dict[str, float | int | str | bool | None] = {}
    before = measure_peaks(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        networks = make_networks(Path(folder))
        turns = {n.name: _race(_contenders(n, args.threads, args.compile), args.rounds) for n in networks}
    peaks = _higher(before, measure_peaks(args.threads))
    for network in networks:
        figures |= {f"{network.name}_{key}": v for key, v in _compare(network, turns[network.name], peaks).items()}
    figures |= _preprocessing(
        min(_p50(turns["efficientnet_lite0"][name]) for name in INT8S if name in turns["resnet18"])
    )
    figures |= {
        "threads": args.threads,
        "turns": args.rounds,
        "load_average": os.getloadavg()[0],
        "peak_float_gmacs_per_s": peaks.float_macs_per_s / 1e9,
        "peak_int8_gmacs_per_s": peaks.int8_macs_per_s / 1e9,
        "peak_copy_gb_per_s": peaks.bytes_per_s / 1e9,
    }
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


def _race(contenders: Mapping[str, Contender], rounds: int) -> dict[str, Turns]:
    for run in contenders.values():
        run()
        run()
    turns: dict[str, Turns] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            turns[name].append([_seconds(run) for _ in range(ROUND)])
    return turns


def _seconds(run: Contender) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _p50(turns: Turns) -> float:
    """Milliseconds: the median of the turns' medians."""
    return 1e3 * median(median(turn) for turn in turns)


def _fastest(turns: Turns) -> float:
    return min(min(turn) for turn in turns)


def _over(ours: Turns, others: Turns) -> float:
    """By how much ours is faster: the median of what it was in each turn."""
    return median(median(other) / median(our) for our, other in zip(ours, others, strict=True))


def _compare(network: ReferenceNetwork, turns: Mapping[str, Turns], peaks: Peaks) -> dict[str, float | str]:
    """Ratios are of images per second; a share of the limit is MACs per second against the peak."""
    ours = {name: spent for name, spent in turns.items() if not name.startswith(OTHERS)}
    others = {name: spent for name, spent in turns.items() if name.startswith(OTHERS)}
    quick, plain = (min((n for n in names if n in ours), key=lambda n: _p50(ours[n])) for names in (INT8S, FLOATS))
    champions = {kind: _champion(kind, ours) for kind in RUNTIMES if any(name.startswith(kind) for name in ours)}
    pairs = {
        f"{kind}_over_{other}_ratio": _over(ours[champion], others[other])
        for kind, champion in champions.items()
        for other in others
    }
    alike = {
        f"{our}_over_{other}_ratio": _over(ours[our], others[other])
        for our, other in ALIKE.items()
        if _both(our, other, turns)
    }
    return {
        "int8_over_float_ratio": _over(ours[quick], ours[plain]),
        "least_runtime_over_others_ratio": min(pairs.values()),
        "best_runtime_over_others_ratio": min(
            max(pairs[f"{kind}_over_{other}_ratio"] for kind in champions) for other in others
        ),
        **pairs,
        **alike,
        "int8_roofline_share_ratio": network.macs
        / min(_fastest(ours[n]) for n in INT8S if n in ours)
        / peaks.int8_macs_per_s,
        "float_roofline_share_ratio": network.macs
        / min(_fastest(ours[n]) for n in FLOATS if n in ours)
        / peaks.float_macs_per_s,
        "fastest": min(ours, key=lambda name: _p50(ours[name])),
        "mmacs": network.macs / 1e6,
        **{f"{kind}_at_its_best": champion for kind, champion in champions.items()},
        **{key: value for name, spent in turns.items() for key, value in _times(name, spent).items()},
    }


def _both(our: str, other: str, turns: Mapping[str, Turns]) -> bool:
    return our in turns and other in turns


def _champion(kind: str, ours: Mapping[str, Turns]) -> str:
    """The precision and arithmetic with which a runtime is fastest."""
    return min((name for name in ours if name.startswith(kind)), key=lambda name: _p50(ours[name]))


def _times(name: str, turns: Turns) -> dict[str, float]:
    every = [seconds for turn in turns for seconds in turn]
    return {
        f"{name}_p50_ms": _p50(turns),
        f"{name}_p99_ms": report.percentile_ms(every, 0.99),
        f"{name}_best_ms": 1e3 * min(every),
    }


def _higher(one: Peaks, other: Peaks) -> Peaks:
    """Limits measured before and after the race: what the machine can do is the higher one."""
    fields = ("float_macs_per_s", "int8_macs_per_s", "bytes_per_s")
    return Peaks(one.threads, *(max(getattr(one, name), getattr(other, name)) for name in fields))


def _preprocessing(int8_ms: float) -> dict[str, float]:
    """One frame of 1280 x 1024 to the input, on one thread, against the fastest int8 network's time."""
    frame, spec = made_frame(), InputSpec(height=SIDE, width=SIDE)
    out = np.empty((SIDE, SIDE, 3), np.uint8)
    run = partial(preprocess, frame, spec, out=out)
    ms = _p50(_race({"preprocess": run}, 12)["preprocess"])
    return {
        "preprocess_share_ratio": ms / int8_ms,
        "preprocess_p50_ms": ms,
        "preprocess_allocated_bytes": allocated_bytes(run),
    }


if __name__ == "__main__":
    main()
