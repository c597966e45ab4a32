"""Where ONNX Runtime spends its time: per operator, from its own profile."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from inspector.runtimes import Batch

RUNS = 12
WARM = 2


@dataclass(frozen=True, slots=True)
class NodeTime:
    """One node of the graph as the runtime runs it (fused and renamed)."""

    name: str
    operator: str
    mean_us: float


def node_times(model: Path, batch: Batch, threads: int) -> tuple[NodeTime, ...]:
    """Run the network `RUNS` times under the profiler; slowest nodes first. (N, H, W, 3k) uint8."""
    events = record_events(model, batch, threads, RUNS)
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        spent[event["name"].removesuffix("_kernel_time"), event["args"]["op_name"]].append(float(event["dur"]))
    times = [
        NodeTime(name, operator, sum(sorted(us)[: RUNS - WARM]) / (RUNS - WARM))
        for (name, operator), us in spent.items()
    ]
    return tuple(sorted(times, key=lambda time: -time.mean_us))


def record_events(
    model: Path, batch: Batch, threads: int, runs: int, *, as_written: bool = False
) -> tuple[Mapping[str, Any], ...]:
    """Run the network under the profiler and return its kernels' records; `as_written`: without any optimisation."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.enable_profiling = True
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")  # packed weights have no shape any more
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        for _ in range(runs):
            session.run(None, {session.get_inputs()[0].name: batch})
        return tuple(_kernels(json.loads(Path(session.end_profiling()).read_text())))


def _kernels(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time") and "op_name" in event["args"]:
            yield event


def by_operator(times: tuple[NodeTime, ...]) -> Mapping[str, float]:
    """Milliseconds per kind of operator, slowest first."""
    total: dict[str, float] = defaultdict(float)
    for time in times:
        total[time.operator] += time.mean_us / 1000
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))
