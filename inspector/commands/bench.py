"""`inspector bench`: how fast a bundle's networks are on this machine.

`--json FILE` holds, ratios first:

    onnxruntime_cpu_int8_ratio    median time of float over that of cpu-int8; one key per runtime and int8 precision
    bundle, task, input           id, task, (height, width, channels) of one picture
    networks                      per runtime and precision: p50_ms, p99_ms, images_per_s, runs, memory_mb, file_mb,
                                  cost_per_million, describes
    held_back                     where cpu-int8 is below 1.8 times float: ratio, operators (ms per kind in float and in
                                  int8), nodes (the slowest that do not run in int8: name, operator, ms)
    machine                       system, processor, cores
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inspector.bundle import Bundle, Precision, load_bundle
from inspector.errors import UserError
from inspector.pace import Pace, measure_paces, one_picture, ratios
from inspector.runtimes import RUNTIMES
from inspector.runtimes.node_times import NodeTime, by_operator, node_times

HELP = "measure how fast a bundle's networks are on this machine: runtimes x precisions"
ENOUGH = 1.8
"""At least so much faster than float a quantised network should be in the runtime that it is made for."""
SHOWN = 5
INT8_OPERATORS = ("QLinear", "QGemm", "MatMulInteger", "DynamicQuantize")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write all figures")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="time for each network")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="0: all cores but one, as on the line")
    parser.add_argument(
        "--hourly-cost",
        type=float,
        default=None,
        metavar="COST",
        help="of this machine; gives the cost of 10^6 pictures",
    )


def run(args: argparse.Namespace) -> int:
    _check(args)
    bundle = load_bundle(args.bundle)
    paces = measure_paces(bundle, args.seconds, args.threads, tuple(RUNTIMES))
    held_back = _held_back(bundle, paces)
    figures: dict[str, object] = {
        **ratios(paces),
        "bundle": bundle.id,
        "task": bundle.manifest.task,
        "input": one_picture(bundle).shape[1:],
        "networks": [{**asdict(pace), "cost_per_million": _cost(pace, args.hourly_cost)} for pace in paces],
        "held_back": held_back,
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
    }
    _print(bundle, paces, held_back, args.hourly_cost)
    _write(args.json, figures)
    return 0


def _check(args: argparse.Namespace) -> None:
    if not 0 < args.seconds <= 600:
        raise UserError(f"--seconds: expected more than 0 and at most 600, found {args.seconds:g}")
    if not 0 <= args.threads <= 256:
        raise UserError(f"--threads: expected 0 to 256, found {args.threads}")
    if args.hourly_cost is not None and not 0 < args.hourly_cost < float("inf"):
        raise UserError(f"--hourly-cost: expected more than 0, found {args.hourly_cost:g}")


def _cost(pace: Pace, hourly_cost: float | None) -> float | None:
    return None if hourly_cost is None else hourly_cost / (3600 * pace.images_per_s) * 1e6


def _held_back(bundle: Bundle, paces: Sequence[Pace]) -> list[dict[str, object]]:
    """Of the network made for processors, where it is less than `ENOUGH` times as fast as float on ONNX Runtime."""
    ratio = ratios(paces).get("onnxruntime_cpu_int8_ratio", ENOUGH)
    if ratio >= ENOUGH:
        return []
    threads = next(int(pace.describes["threads"]) for pace in paces if pace.precision == "cpu-int8")
    before, after = (_times(bundle, precision, threads) for precision in ("float", "cpu-int8"))
    kinds = {**by_operator(after), **{name: 0.0 for name in by_operator(before) if name not in by_operator(after)}}
    loose = [time for time in after if not time.operator.startswith(INT8_OPERATORS)]
    return [
        {
            "runtime": "onnxruntime",
            "precision": "cpu-int8",
            "ratio": ratio,
            "operators": [
                {"operator": kind, "float_ms": by_operator(before).get(kind, 0.0), "int8_ms": ms}
                for kind, ms in kinds.items()
            ],
            "nodes": [{"name": t.name, "operator": t.operator, "ms": t.mean_us / 1e3} for t in loose[:SHOWN]],
        }
    ]


def _times(bundle: Bundle, precision: Precision, threads: int) -> tuple[NodeTime, ...]:
    return node_times(bundle.model_path(precision), one_picture(bundle), threads)


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _write(path: Path | None, figures: dict[str, object]) -> None:
    if path is not None:
        try:
            path.write_text(json.dumps(figures, indent=2) + "\n")
        except OSError as error:
            raise UserError(f"--json: {path}: cannot be written ({error.strerror})") from error


def _print(
    bundle: Bundle, paces: Sequence[Pace], held_back: Sequence[dict[str, Any]], hourly_cost: float | None
) -> None:
    found = ratios(paces)
    print(f"bundle {bundle.id[:16]}, {bundle.manifest.task}, one picture of {one_picture(bundle).shape[1:]} at a time")
    print("runtime      precision   ratio   p50 ms   p99 ms  images/s memory MB  file MB")
    for pace in paces:
        ratio = found.get(f"{pace.runtime}_{pace.precision.replace('-', '_')}_ratio", 1.0)
        memory = "-" if pace.memory_mb is None else f"{pace.memory_mb:.0f}"
        print(
            f"{pace.runtime:12} {pace.precision:10} {ratio:6.2f} {pace.p50_ms:8.2f} {pace.p99_ms:8.2f} "
            f"{pace.images_per_s:9.1f} {memory:>9} {pace.file_mb:8.1f}"
        )
    _print_notes(paces, held_back, hourly_cost)


def _print_notes(paces: Sequence[Pace], held_back: Sequence[dict[str, Any]], hourly_cost: float | None) -> None:
    if any((pace.runtime, pace.precision) == ("onnxruntime", "trt-int8") for pace in paces):
        print("trt-int8 is made for TensorRT; on a processor it is for proofs only and slower than float")
    if hourly_cost is not None:
        for pace in paces:
            print(f"cost of 10^6 pictures, {pace.runtime} {pace.precision}: {_cost(pace, hourly_cost):.2f}")
    for network in held_back:
        print(f"{network['precision']} is {network['ratio']:.2f} times as fast as float, not {ENOUGH:g}; ms per kind:")
        for row in network["operators"]:
            print(f"  {row['operator']:24} float {row['float_ms']:7.3f}  int8 {row['int8_ms']:7.3f}")
        print("  slowest nodes that do not run in int8:")
        for row in network["nodes"]:
            print(f"  {row['ms']:7.3f} ms  {row['operator']:24} {row['name']}")
