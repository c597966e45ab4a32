"""What OpenVINO's throughput hint is worth: the pictures of a batch side by side against one after the other.

python -m benchmarks.side_by_side --json FILE

EfficientNet-Lite0 and ResNet-18 at 224 px, cpu-int8 and float, through the product's own adapter, which gives each
picture of a batch to an asynchronous request of its own. Both hints take turns; a ratio is the median time of a batch
at the latency hint over that at the throughput hint, so above 1 side by side is faster.
"""

from __future__ import annotations

import os
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np

from benchmarks import report
from benchmarks.reference_networks import SIDE, ReferenceNetwork, make_networks
from inspector.bundle import Precision
from inspector.runtimes import Batch, Runtime, RuntimeSettings, load_runtime

Hint = Literal["latency", "throughput"]
HINTS: tuple[Hint, ...] = ("latency", "throughput")
PRECISIONS: tuple[Precision, ...] = ("cpu-int8", "float")


def main() -> None:
    parser = report.arguments("OpenVINO's throughput hint against its latency hint, a batch at a time")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the runtime")
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 8], help="pictures of a batch")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each")
    args = parser.parse_args()
    figures: dict[str, float | int | str | bool | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for network, precision in product(make_networks(Path(folder)), PRECISIONS):
            figures |= _compared(network, precision, args.threads, args.batches, args.rounds)
    figures |= {"threads": args.threads, "turns": args.rounds, "load_average": os.getloadavg()[0]}
    ratios = {key: value for key, value in figures.items() if key.endswith("_ratio")}
    report.write({**ratios, **{key: value for key, value in figures.items() if key not in ratios}}, args.json)


def _compared(
    network: ReferenceNetwork, precision: Precision, threads: int, batches: list[int], rounds: int
) -> dict[str, float]:
    runtimes = {hint: _load(network.paths[precision], hint, threads) for hint in HINTS}
    figures: dict[str, float] = {}
    for size in batches:
        pictures = np.random.default_rng(0).integers(0, 256, (size, SIDE, SIDE, 3), dtype=np.uint8)
        seconds: dict[Hint, list[float]] = {hint: [] for hint in HINTS}
        for _, hint in product(range(rounds), HINTS):
            seconds[hint] += _turn(runtimes[hint], pictures)
        p50 = {hint: 1e3 * median(spent) for hint, spent in seconds.items()}
        key = f"{network.name}_{precision.replace('-', '_')}_b{size}"
        figures |= {f"{key}_{hint}_p50_ms": taken for hint, taken in p50.items()}
        figures |= {f"{key}_ratio": p50["latency"] / p50["throughput"]}
        figures |= {f"{key}_throughput_images_per_s": 1e3 * size / p50["throughput"]}
    return figures


def _load(model: Path, hint: Hint, threads: int) -> Runtime:
    return load_runtime(model, RuntimeSettings(kind="openvino", hint=hint, threads=threads))


def _turn(runtime: Runtime, pictures: Batch, runs: int = 8) -> list[float]:
    """The first run of a turn, whose caches another network filled, does not count."""
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        runtime.run(pictures)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


if __name__ == "__main__":
    main()
