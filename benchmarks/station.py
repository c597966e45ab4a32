"""The whole station against a bare loop of preprocess + the same session, on the same frames, in the same run.

    python -m benchmarks.station --bundle BUNDLE --json FILE

The station runs with durable ledger, image files for rejects, quality checks, drift watch and output; `--health` adds
the health port with its preview. The bare loop is what a script would do: take the next frame from memory, preprocess,
infer. Both run one after the other in turns, each in a process of its own, with the same threads. Throughput is
measured as fast as possible; latency (trigger to verdict acted on) at 70 % of the bare rate, since a saturated queue
says nothing about a station's own delay. A virtual machine is fast and slow by turns of some seconds: turns of latency
are as short, and percentiles are of all turns together, so that both sides have met the same machine. The first 50
pictures of every turn warm up, on both sides alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import psutil

from benchmarks import overload, report
from benchmarks.cpu_time import CpuWatch
from db.engine import open_engine
from db.queries import records
from inspector.bundle import load_bundle
from inspector.inspection import Inspector
from inspector.model import load_model
from inspector.preprocess import preprocess, read_image
from inspector.recipe import Recipe
from inspector.runtimes import RuntimeSettings
from inspector.values import Frame, InspectionRecord, Outcome
from inspector.verdict import Policy
from station.config import StationConfig, station_config
from station.running import RunSummary, run_station

FRAMES = 24
WARM_UP = 50
"""Pictures of every turn that count for neither side's latency."""
FRAME_PX = (1280, 1024)


@dataclass(frozen=True, slots=True)
class StationRun:
    """One run with what it used."""

    summary: RunSummary
    rows: list[InspectionRecord]
    latencies_s: list[float]
    rate_hz: float
    rejects: int
    rss_mb: list[float]
    cpu_ms: dict[str, float]
    """Per part."""


def main() -> None:
    parser = report.arguments("station throughput and latency against a bare loop")
    default = Path(__file__).parents[1] / "station" / "demo" / "bundle"
    parser.add_argument("--bundle", type=Path, default=default, help="bundle that both run")
    parser.add_argument("--frames", type=int, default=3000, help="frames per throughput run")
    parser.add_argument("--turns", type=int, default=3, help="turns of bare loop and station")
    parser.add_argument("--short-turns", type=int, default=8, help="turns of bare loop and paced station for latency")
    parser.add_argument("--short-frames", type=int, default=800, help="frames of each")
    parser.add_argument("--stored", type=int, default=2, help=f"of {FRAMES} pictures, how many are rejected and stored")
    parser.add_argument("--soak", type=int, default=0, help="frames of a further run that watches memory")
    parser.add_argument("--bare", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--cameras", type=int, choices=(1, 2), default=1, help="2: two views of each part")
    parser.add_argument("--groups", type=int, choices=(1, 2), default=2, help="vision processes of two cameras")
    parser.add_argument(
        "--overload", type=_factors, default=(), metavar="X,X", help="multiples of the capacity to offer"
    )
    parser.add_argument("--seconds", type=float, default=300, help="seconds of each overload run")
    parser.add_argument("--deadline", type=float, default=200, help="deadline of the overload runs, in ms")
    parser.add_argument("--health", action="store_true", help="with the health port and its preview")
    args = parser.parse_args()
    if args.bare is not None:
        _bare_loop(args.bundle, args.bare, args.frames)
        return
    with tempfile.TemporaryDirectory() as scratch:
        measured = _measure_overload if args.overload else _measure_two if args.cameras == 2 else _measure
        report.write(measured(args, Path(scratch)), args.json)


def _measure_two(args: argparse.Namespace, scratch: Path) -> dict[str, float | int | str]:
    """Pictures a second of a station with two views, over those of two bare loops at once on the same cores."""
    pictures = _write_pictures(scratch / "pictures")
    _write_recipe(scratch, args.bundle, pictures, args.stored)
    os.sync()
    ratios: list[float] = []
    single_ratios: list[float] = []
    rates: list[float] = []
    not_inspected = 0
    for turn in range(args.turns):
        both_hz = _bare_pair_hz(args.bundle, pictures, args.frames)
        alone_hz = _rate_hz(_run_bare(args.bundle, pictures, args.frames))
        folder = scratch / f"two-{turn}"
        run = _run_config(
            _config(folder, args.bundle, pictures, args.frames, 0.0, views=2, groups=args.groups, health=args.health)
        )
        rates.append(2 * run.rate_hz)
        ratios.append(rates[-1] / both_hz)
        single_ratios.append(rates[-1] / alone_hz)
        not_inspected += run.summary.status.outcomes[Outcome.NOT_INSPECTED]
    return {
        "two_cameras_throughput_ratio": median(ratios),
        "two_cameras_throughput_ratio_least": min(ratios),
        "two_cameras_to_one_bare_loop_ratio": median(single_ratios),
        "two_cameras_views_hz": median(rates),
        "vision_processes": args.groups,
        "not_inspected": not_inspected,
        "turns": args.turns,
    }


def _bare_pair_hz(bundle: Path, pictures: Path, frames: int) -> float:
    with ThreadPoolExecutor(2) as pair:
        seconds = list(pair.map(lambda _: _run_bare(bundle, pictures, frames), range(2)))
    return sum(_rate_hz(each) for each in seconds)


def _factors(words: str) -> tuple[float, ...]:
    return tuple(float(word) for word in words.split(","))


def _measure_overload(args: argparse.Namespace, scratch: Path) -> dict[str, float | int | str]:
    pictures = _write_pictures(scratch / "pictures")
    _write_recipe(scratch, args.bundle, pictures, args.stored)
    os.sync()
    capacity = _run_station(scratch / "fast", args.bundle, pictures, args.frames, 0.0)

    def run(factor: float, rate_hz: float) -> overload.OverloadRun:
        folder = scratch / f"overload-{factor:g}"
        trigger: dict[str, float | int | str] = {
            "kind": "timer",
            "rate_hz": rate_hz,
            "count": int(rate_hz * args.seconds),
        }
        config = _config(folder, args.bundle, pictures, 10**7, 0.0, trigger, args.deadline)
        done = _run_config(config)
        return overload.OverloadRun(
            factor=factor,
            triggers=done.summary.status.triggers,
            rows=done.rows,
            deadline_ms=args.deadline,
            seconds=(len(done.rows) - 1) / done.rate_hz,
            restarts=done.summary.status.restarts,
            rss_growth_mb=float(_memory(done)["rss_growth_mb"]),
        )

    return {**overload.measure(args.overload, capacity.rate_hz, run)}


def _measure(args: argparse.Namespace, scratch: Path) -> dict[str, float | int | str]:
    pictures = _write_pictures(scratch / "pictures")
    _write_recipe(scratch, args.bundle, pictures, args.stored)
    os.sync()  # 100 MB on their way to the disk would hold up a commit of the ledger by 50 ms
    bare: list[list[float]] = []
    fast: list[StationRun] = []
    for turn in range(args.turns):
        bare.append(_run_bare(args.bundle, pictures, args.frames))
        fast.append(_run_station(scratch / f"fast-{turn}", args.bundle, pictures, args.frames, 0.0, args.health))
    latency = _measure_latency(args, scratch, pictures)
    soak = _run_station(scratch / "soak", args.bundle, pictures, args.soak, 0.0, args.health) if args.soak else None
    return {**_throughput(bare, fast), **latency, **_memory(soak or fast[-1])}


def _throughput(bare: list[list[float]], fast: list[StationRun]) -> dict[str, float | int | str]:
    ratios = [run.rate_hz / _rate_hz(seconds) for run, seconds in zip(fast, bare, strict=True)]
    return {
        "throughput_ratio": median(ratios),
        "throughput_ratio_least": min(ratios),
        "saturated_p99_ratio": report.percentile_ms(fast[-1].latencies_s, 0.99) / report.percentile_ms(bare[-1], 0.99),
        "bare_hz": median(_rate_hz(seconds) for seconds in bare),
        "station_hz": median(run.rate_hz for run in fast),
        "parts": sum(len(run.latencies_s) for run in fast),
        "stored_images_share": sum(run.rejects for run in fast) / sum(len(run.latencies_s) for run in fast),
        "not_inspected": sum(run.summary.status.outcomes[Outcome.NOT_INSPECTED] for run in fast),
        "turns": len(bare),
    }


def _measure_latency(args: argparse.Namespace, scratch: Path, pictures: Path) -> dict[str, float | int | str]:
    """Trigger to verdict at 70 % of the bare rate, in short turns with the bare loop."""
    bare: list[list[float]] = []
    paced: list[list[float]] = []
    cpu: list[dict[str, float]] = []
    not_inspected = 0
    for turn in range(args.short_turns):
        bare.append(_run_bare(args.bundle, pictures, args.short_frames))
        folder = scratch / f"paced-{turn}"
        pace_hz = 0.7 / median(bare[-1])
        run = _run_station(folder, args.bundle, pictures, WARM_UP + args.short_frames, pace_hz, args.health)
        paced.append(run.latencies_s[WARM_UP:])
        cpu.append(run.cpu_ms)
        not_inspected += run.summary.status.outcomes[Outcome.NOT_INSPECTED]
    bare_s, paced_s = [*chain(*bare)], [*chain(*paced)]
    turns = [report.percentile_ms(p, 0.99) / report.percentile_ms(b, 0.99) for p, b in zip(paced, bare, strict=True)]
    return {
        "p50_ratio": report.percentile_ms(paced_s, 0.5) / report.percentile_ms(bare_s, 0.5),
        "p99_ratio": report.percentile_ms(paced_s, 0.99) / report.percentile_ms(bare_s, 0.99),
        "p99_ratio_turns_median": median(turns),
        "p99_ratio_turns_least": min(turns),
        "p99_ratio_turns_greatest": max(turns),
        "bare_p50_ms": report.percentile_ms(bare_s, 0.5),
        "bare_p99_ms": report.percentile_ms(bare_s, 0.99),
        "paced_p50_ms": report.percentile_ms(paced_s, 0.5),
        "paced_p99_ms": report.percentile_ms(paced_s, 0.99),
        "paced_parts": len(paced_s),
        "paced_not_inspected": not_inspected,
        "short_turns": len(turns),
        **{name: median(turn.get(name, 0.0) for turn in cpu) for name in cpu[-1]},
    }


def _memory(run: StationRun) -> dict[str, float | int]:
    """Resident memory of both processes together, without the frames that the camera holds in memory."""
    pool_mb = FRAMES * FRAME_PX[0] * FRAME_PX[1] * 3 / 1e6
    settled = run.rss_mb[len(run.rss_mb) // 4 :] or run.rss_mb
    slope = np.polyfit(np.linspace(0, 1, len(settled)), settled, 1)[0] if len(settled) > 2 else 0.0
    return {
        "rss_mb": max(run.rss_mb),
        "rss_without_frame_pool_mb": max(run.rss_mb) - pool_mb,
        "rss_growth_mb": float(slope),
        "rss_frames": run.summary.status.triggers,
    }


def _write_pictures(folder: Path) -> Path:
    from station.demo.render import render

    folder.mkdir(parents=True)
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f"{index:03}.bmp"), render(99, index).image)
    return folder


def _write_recipe(folder: Path, bundle: Path, pictures: Path, stored: int) -> Path:
    """Write a recipe whose limit rejects `stored` of the pictures; a bundle that tells none apart rejects all.

    None goes to review for its novelty, which would be stored too.
    """
    inspector = Inspector(load_bundle(bundle), Recipe(policy=Policy(pass_below=1, reject_above=1, review_novelty=1)))
    frames = (Frame(read_image(path), "bench", 0, datetime.now(UTC)) for path in sorted(pictures.iterdir()))
    verdicts = [inspector.inspect([frame]).verdict for frame in frames]
    probabilities = sorted((verdict.defect_probability or 0.0 for verdict in verdicts), reverse=True)
    limit = probabilities[stored - 1] if stored else 1.0
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.toml"
    recipe.write_text(f"[policy]\npass_below = {limit!r}\nreject_above = {limit!r}\nreview_novelty = 1.0\n")
    return recipe


def _run_bare(bundle: Path, pictures: Path, frames: int) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.station", "--bundle", str(bundle), "--bare", str(pictures)]
    answer = subprocess.run([*command, "--frames", str(frames)], check=True, capture_output=True, text=True)
    return [float(seconds) for seconds in json.loads(answer.stdout)]


def _bare_loop(bundle_path: Path, pictures: Path, frames: int) -> None:
    cv2.setNumThreads(1)
    bundle = load_bundle(bundle_path)
    model = load_model(bundle, "cpu-int8", RuntimeSettings())
    images = [read_image(path) for path in sorted(pictures.iterdir())]
    seconds = []
    for number in range(WARM_UP + frames):
        started = time.perf_counter()
        model.predict([preprocess(images[number % len(images)], bundle.manifest.input)])
        seconds.append(time.perf_counter() - started)
    print(json.dumps(seconds[WARM_UP:]))


def _run_station(
    folder: Path, bundle: Path, pictures: Path, frames: int, pace_hz: float, health: bool = False
) -> StationRun:
    return _run_config(_config(folder, bundle, pictures, frames, pace_hz, health=health))


def _run_config(config: StationConfig) -> StationRun:
    rss_mb: list[float] = []
    stop = threading.Event()
    watcher = threading.Thread(target=_watch_memory, args=(rss_mb, stop), name="memory")
    watcher.start()
    watch = CpuWatch()
    try:
        summary = run_station(config, threading.Event(), watch)
    finally:
        stop.set()
        watcher.join()
    engine = open_engine(summary.database)
    with engine.connect() as connection:
        parts = list(records(connection, summary.run_id))
    engine.dispose()
    parts.sort(key=lambda part: part.trigger)
    span_s = (parts[-1].triggered_at - parts[0].triggered_at).total_seconds()
    latencies = [part.latency_ms / 1e3 for part in parts if part.latency_ms is not None]
    kept = sum(part.image_sha256 is not None for part in parts)
    return StationRun(summary, parts, latencies, (len(parts) - 1) / span_s, kept, rss_mb, watch.ms_per_part())


def _config(
    folder: Path,
    bundle: Path,
    pictures: Path,
    frames: int,
    pace_hz: float,
    trigger: dict[str, float | int | str] | None = None,
    deadline_ms: float = 1000,
    views: int = 1,
    groups: int = 1,
    health: bool = False,
) -> StationConfig:
    camera = {
        "kind": "folder",
        "path": str(pictures),
        "preload": True,
        "loops": min(1_000_000, max(1, frames // FRAMES)),
        "pace_hz": pace_hz,
    }
    recipe = str(pictures.parent / "recipe.toml")
    station = {
        "name": "bench",
        "folder": str(folder),
        "bundle": str(bundle.absolute()),
        "recipe": recipe,
        "deadline_ms": deadline_ms,
    }
    cameras = [{**camera, "name": f"view-{view}", "group": f"vision-{view % groups}"} for view in range(views)]
    tables = {"station": station, "camera": cameras, "trigger": trigger or {}}
    if health:
        tables["health"] = {"port": 0}
    return station_config(tables, "benchmark", folder)


def _watch_memory(rss_mb: list[float], stop: threading.Event) -> None:
    """Sample the resident memory of this process and its vision processes once they work.

    They are looked for once: going through all processes takes 10 ms of this interpreter, which the line needs.
    """
    line = psutil.Process()
    vision: list[psutil.Process] = []
    while not stop.wait(0.5):
        with contextlib.suppress(psutil.Error):  # a process that has just ended
            if not vision:
                vision = [child for child in line.children() if "resource_tracker" not in " ".join(child.cmdline())]
            if vision:
                rss_mb.append(sum(process.memory_info().rss for process in (line, *vision)) / 1e6)


def _rate_hz(seconds: list[float]) -> float:
    return len(seconds) / sum(seconds)


if __name__ == "__main__":
    main()
