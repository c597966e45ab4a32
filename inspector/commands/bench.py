"""`inspector bench`: how fast a bundle's networks are on this machine, how near to its limits, and what they cost.

`--json FILE` holds, ratios first:

    onnxruntime_cpu_int8_ratio    median time of float over that of cpu-int8; a key per runtime and int8 precision;
                                  further threads and batches are marked: onnxruntime_cpu_int8_t2_b8_ratio
    bundle, task, input           id, task, (height, width, channels) of one picture
    networks                      by runtime, precision, threads and batch: best_ms, p50_ms, p99_ms, p999_ms,
                                  images_per_s, runs, memory_mb, file_mb, joules_per_image (null: nothing counts),
                                  roofline (share of the limit, compute_ms, memory_ms, bound_by; null on other devices),
                                  cost_per_million, cost_of_energy, machines (null without prices), describes
    steps                         decode_jpg_ms, decode_png_ms, assess_ms, preprocess_ms of one frame on one thread,
                                  preprocess_allocated_bytes, and the frame's size
    work                          macs, depthwise_macs, activation_bytes of one picture, from the float graph
    peaks                         measured limits per number of threads: float_macs_per_s, int8_macs_per_s, bytes_per_s
    prices, energy_counters       what the cost rests on
    held_back                     where cpu-int8 is below 1.8 times float: ratio, operators (ms per kind in float and in
                                  int8), nodes (the slowest that do not run in int8: name, operator, ms)
    machine                       system, processor, cores
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from inspector.benching import Bench, HeldBack, load_bench_report, threads_of
from inspector.bundle import Bundle, Precision, load_bundle
from inspector.documents import read_toml
from inspector.energy import meters
from inspector.errors import ConfigError, UserError
from inspector.pace import Pace, measure_paces, one_picture, ratios, ways
from inspector.peaks import measure_peaks
from inspector.preprocess import read_image
from inspector.prices import Prices
from inspector.runtimes import RUNTIMES
from inspector.runtimes.node_times import NodeTime, by_operator, node_times
from inspector.steps import measure_steps
from inspector.work import count_work

HELP = "measure how fast a bundle's networks are on this machine, and what an inspection costs"
ENOUGH = 1.8
"""At least so much faster than float a quantised network should be in the runtime that it is made for."""
SHOWN = 5
INT8_OPERATORS = ("QLinear", "QGemm", "MatMulInteger", "DynamicQuantize")
MOST_THREADS, MOST_BATCH = 256, 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write all figures")
    parser.add_argument("--html", type=Path, default=None, metavar="FILE", help="write a page with plots")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="time for each network")
    parser.add_argument(
        "--threads", type=_numbers, default=(0,), metavar="N,...", help="0: all cores but one, as on the line"
    )
    parser.add_argument("--batches", type=_numbers, default=(1,), metavar="N,...", help="pictures at once")
    parser.add_argument("--frame", type=Path, default=None, metavar="IMAGE", help="a frame of the line, for the steps")
    parser.add_argument(
        "--prices", type=Path, default=None, metavar="FILE", help="price file (TOML): cost of 10^6 parts"
    )
    parser.add_argument("--hourly-cost", type=float, default=None, metavar="COST", help="of this machine, all included")


def _numbers(words: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(word) for word in words.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{words!r}; expected numbers as in 1,2") from error


def run(args: argparse.Namespace) -> int:
    _check(args)
    prices, report = _prices(args), load_bench_report() if args.html else None
    bundle, counters = load_bundle(args.bundle), meters()
    wanted = ways(bundle, tuple(RUNTIMES), args.threads, args.batches)
    paces = measure_paces(bundle, args.seconds, wanted, counters=counters)
    bench = Bench(
        bundle=bundle,
        paces=paces,
        peaks={threads: measure_peaks(threads) for threads in sorted({threads_of(pace) for pace in paces})},
        work=count_work(bundle.model_path("float"), one_picture(bundle)),
        steps=measure_steps(bundle.manifest.input, read_image(args.frame) if args.frame else None),
        prices=prices,
        held_back=_held_back(bundle, paces),
        counters=[counter.name for counter in counters],
    )
    _print(bench)
    _write(args.json, bench.figures())
    if report:
        report.write_report(bench, args.html)
    return 0


def _check(args: argparse.Namespace) -> None:
    if not 0 < args.seconds <= 600:
        raise UserError(f"--seconds: expected more than 0 and at most 600, found {args.seconds:g}")
    for name, least, most in (("threads", 0, MOST_THREADS), ("batches", 1, MOST_BATCH)):
        if wrong := [number for number in getattr(args, name) if not least <= number <= most]:
            raise UserError(f"--{name}: expected {least} to {most}, found {wrong[0]}")
    if args.hourly_cost is not None and not 0 < args.hourly_cost < float("inf"):
        raise UserError(f"--hourly-cost: expected more than 0, found {args.hourly_cost:g}")
    if args.hourly_cost is not None and args.prices is not None:
        raise UserError("--hourly-cost: expected either it or --prices")


def _prices(args: argparse.Namespace) -> Prices | None:
    if args.prices:
        return read_toml(args.prices, Prices, ConfigError)
    if args.hourly_cost is None:
        return None
    return Prices(currency="", machine=args.hourly_cost, life_years=1, hours_per_year=1, power_w=0, energy_per_kwh=0)


def _held_back(bundle: Bundle, paces: Sequence[Pace]) -> HeldBack | None:
    """Of the network made for processors, where it is less than `ENOUGH` times as fast as float on ONNX Runtime."""
    ratio = ratios(paces).get("onnxruntime_cpu_int8_ratio", ENOUGH)
    if ratio >= ENOUGH:
        return None
    before, after = (_times(bundle, precision, threads_of(paces[0])) for precision in ("float", "cpu-int8"))
    kinds = {**by_operator(after), **{name: 0.0 for name in by_operator(before) if name not in by_operator(after)}}
    loose = [time for time in after if not time.operator.startswith(INT8_OPERATORS)]
    operators = [
        {"operator": kind, "float_ms": by_operator(before).get(kind, 0.0), "int8_ms": ms} for kind, ms in kinds.items()
    ]
    return HeldBack(ratio, operators, loose[:SHOWN])


def _times(bundle: Bundle, precision: Precision, threads: int) -> tuple[NodeTime, ...]:
    return node_times(bundle.model_path(precision), one_picture(bundle), threads)


def _write(path: Path | None, figures: dict[str, object]) -> None:
    if path is not None:
        try:
            path.write_text(json.dumps(figures, indent=2) + "\n")
        except OSError as error:
            raise UserError(f"--json: {path}: cannot be written ({error.strerror})") from error


def _print(bench: Bench) -> None:
    bundle, steps = bench.bundle, bench.steps
    print(f"bundle {bundle.id[:16]}, {bundle.manifest.task}, pictures of {one_picture(bundle).shape[1:]}")
    print(
        "runtime      precision  threads batch   p50 ms   p99 ms p99.9 ms  images/s  memory MB  limit "
        " J/image  cost/10^6"
    )
    for pace in bench.paces:
        limit, cost = bench.bound_of(pace), bench.cost_of(pace)
        print(
            f"{pace.runtime:12} {pace.precision:10} {threads_of(pace):7} {pace.batch:5} {pace.p50_ms:8.2f} "
            f"{pace.p99_ms:8.2f} {pace.p999_ms:8.2f} {pace.images_per_s:9.1f} {_or_dash(pace.memory_mb, 10, 0)} "
            f"{_or_dash(100 * limit.share if limit else None, 5, 0)}% {_or_dash(pace.joules_per_image, 8, 4)} "
            f"{_or_dash(cost.total if cost else None, 10, 2)}"
        )
    print(
        f"one frame of {steps['frame_width_px']:.0f}x{steps['frame_height_px']:.0f}, one thread: "
        f"decode {steps['decode_jpg_ms']:.2f} ms (JPEG) or {steps['decode_png_ms']:.2f} ms (PNG), "
        f"assess {steps['assess_ms']:.2f} ms, preprocess {steps['preprocess_ms']:.2f} ms"
    )
    _print_notes(bench)


def _or_dash(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def _print_notes(bench: Bench) -> None:
    for peaks in bench.peaks.values():
        print(
            f"limit of {peaks.threads} threads: {peaks.float_macs_per_s / 1e9:.0f} (float) and "
            f"{peaks.int8_macs_per_s / 1e9:.0f} (int8) G multiply-accumulates/s, {peaks.bytes_per_s / 1e9:.0f} GB/s; "
            f"the network has {bench.work.macs / 1e6:.0f} M, {100 * bench.work.depthwise_macs / bench.work.macs:.0f} % "
            "of them depthwise"
            if bench.work.macs
            else "the network has no weights"
        )
    if not bench.counters:
        print("energy: this machine counts none (no RAPL, no NVML)")
    if any((pace.runtime, pace.precision) == ("onnxruntime", "trt-int8") for pace in bench.paces):
        print("trt-int8 is made for TensorRT; on a processor it is for proofs only and slower than float")
    if bench.held_back:
        print(f"cpu-int8 is {bench.held_back.ratio:.2f} times as fast as float, not {ENOUGH:g}; ms per kind:")
        for row in bench.held_back.operators:
            print(f"  {row['operator']:24} float {row['float_ms']:7.3f}  int8 {row['int8_ms']:7.3f}")
        print("  slowest nodes that do not run in int8:")
        for node in bench.held_back.nodes:
            print(f"  {node.mean_us / 1e3:7.3f} ms  {node.operator:24} {node.name}")
