"""What a part takes before the network: decoding, assessing, preprocessing; each apart, on one thread."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import cv2
import numpy as np

from inspector.preprocess import InputSpec, decode_image, preprocess
from inspector.quality import QualityLimits, assess
from inspector.values import Frame, Image

FRAME_PX = (1280, 1024)
ROUND, ROUNDS = 3, 10
Clock = Callable[[], float]


def measure_steps(spec: InputSpec, frame: Image | None = None, clock: Clock = time.perf_counter) -> Mapping[str, float]:
    """Return median milliseconds of each step, and what preprocessing allocates once it is warm.

    Without a frame of the line's own, one of 1280 x 1024 with the detail of a camera picture is made.
    """
    picture = made_frame() if frame is None else frame
    out = np.empty((spec.height, spec.width, 3), np.uint8)
    encoded = {kind: cv2.imencode(f".{kind}", picture)[1].tobytes() for kind in ("jpg", "png")}
    held = Frame(picture, "bench", 0, datetime.now(UTC))
    steps: dict[str, Callable[[], object]] = {
        "decode_jpg_ms": lambda: decode_image(encoded["jpg"], "bench"),
        "decode_png_ms": lambda: decode_image(encoded["png"], "bench"),
        "assess_ms": lambda: assess(held, QualityLimits()),
        "preprocess_ms": lambda: preprocess(picture, spec, out=out),
    }
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        spent = _in_turns(steps, clock)
        allocated = allocated_bytes(steps["preprocess_ms"])
    finally:
        cv2.setNumThreads(threads)
    rows, columns = picture.shape[:2]
    medians = {name: 1e3 * float(np.median(seconds)) for name, seconds in spent.items()}
    return {**medians, "preprocess_allocated_bytes": allocated, "frame_width_px": columns, "frame_height_px": rows}


def made_frame(size: tuple[int, int] = FRAME_PX) -> Image:
    """(H, W, 3) uint8: soft structures and noise, which compress about as a camera's picture does."""
    width, height = size
    rng = np.random.default_rng(0)
    soft = cv2.resize(rng.normal(128, 40, (height // 32, width // 32, 3)), size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(soft + rng.normal(0, 4, soft.shape), 0, 255), dtype=np.uint8)


def allocated_bytes(run: Callable[[], object]) -> int:
    """Return what Python and numpy allocate during one more call; zero but for a few hundred bytes of small objects."""
    run()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _in_turns(steps: Mapping[str, Callable[[], object]], clock: Clock) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, run in steps.items():
            run()
            for _ in range(ROUND):
                started = clock()
                run()
                spent[name].append(clock() - started)
    return spent
