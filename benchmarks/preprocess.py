"""Speed and faithfulness of `preprocess` against the exact area average of OpenCV, on one thread.

python -m benchmarks.preprocess --images FOLDER --json FILE
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from benchmarks import report
from inspector.preprocess import InputSpec, preprocess, read_image
from inspector.values import Image
from station.cameras.folder import SUFFIXES

FRAME = (1280, 1024)
RUNS_TO_WARM = 4


def main() -> None:
    parser = report.arguments("preprocess against cv2.resize with INTER_AREA, 1280x1024 frames")
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="folders of real pictures; else renderings")
    parser.add_argument("--size", type=int, default=224, help="input size of the network, px")
    parser.add_argument("--repeats", type=int, default=200, help="timed calls of each")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    frames = list(_frames(args.images))
    spec = InputSpec(height=args.size, width=args.size)
    differences = [_difference(preprocess(frame, spec), _exact(frame, spec)) for frame in frames]
    result = np.empty((args.size, args.size, 3), np.uint8)
    functions = (lambda f: preprocess(f, spec, out=result), lambda f: _exact(f, spec))
    ours, exact = _alternate(*functions, frames, args.repeats, warm=True)
    cold_ours, cold_exact = _alternate(*functions, frames, args.repeats, warm=False)
    figures = {
        "speedup_ratio": report.percentile_ms(exact, 0.5) / report.percentile_ms(ours, 0.5),
        "speedup_cold_ratio": report.percentile_ms(cold_exact, 0.5) / report.percentile_ms(cold_ours, 0.5),
        "mean_difference_grey_levels": float(np.mean(differences)),
        "worst_frame_difference_grey_levels": float(np.max(differences)),
        "preprocess_p50_ms": report.percentile_ms(ours, 0.5),
        "preprocess_p99_ms": report.percentile_ms(ours, 0.99),
        "preprocess_cold_p50_ms": report.percentile_ms(cold_ours, 0.5),
        "exact_area_cold_p50_ms": report.percentile_ms(cold_exact, 0.5),
        "exact_area_p50_ms": report.percentile_ms(exact, 0.5),
        "exact_area_p99_ms": report.percentile_ms(exact, 0.99),
        "frames": len(frames),
        "input_px": args.size,
    }
    report.write(figures, args.json)


def _frames(folders: Iterable[Path]) -> Iterable[Image]:
    """Yield up to 16 pictures of each folder at 1280x1024, or renderings of the demo's parts."""
    if not folders:
        from station.demo.render import render

        yield from (render(1, index).image for index in range(8))
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        for path in paths[:: max(1, len(paths) // 16)][:16]:
            yield np.asarray(cv2.resize(read_image(path), FRAME, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _exact(frame: Image, spec: InputSpec) -> Image:
    return np.asarray(cv2.resize(frame, (spec.width, spec.height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _difference(one: Image, other: Image) -> float:
    return float(np.mean(np.abs(one.astype(np.int16) - other.astype(np.int16))))


def _alternate(
    ours: Callable[[Image], Image], exact: Callable[[Image], Image], frames: list[Image], repeats: int, *, warm: bool
) -> tuple[list[float], list[float]]:
    """Time both on the same frames in turn, so that a busy machine slows both.

    `warm`: the frame is in the processor's cache, where it is after some runs over it (the fourth is as fast as any
    later one); else it comes from memory, as the next of many frames does.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(repeats):
        frame = frames[number % len(frames)]
        for function, seconds in zip((ours, exact), times, strict=True):
            for _ in range(RUNS_TO_WARM if warm else 0):
                function(frame)
            started = time.perf_counter()
            function(frame)
            seconds.append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    main()
