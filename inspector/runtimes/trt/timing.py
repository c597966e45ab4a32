"""TensorRT's timing cache: how long kernels took, kept from one build to the next beside the engines.

A build on a GPU times many kernels per layer, which takes minutes; layers of the same kind and size, of this bundle or
another, need not be timed again. The file holds for one GPU, driver and library: `engines/timing.<target>.<library>`.
TensorRT-RTX times nothing when it builds (in its own words, since 1.2: "timing cache operations are no-ops"), so it
has none.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from inspector.runtimes.trt.library import Library

logger = logging.getLogger(__name__)


def timing_path(home: Path, target: str, library: Library) -> Path | None:
    """Return where the timings of a GPU are kept below the folder of engines; None where a library times nothing."""
    return home / f"timing.{target}.{library.name}" if library.kind == "tensorrt" else None


def use_timings(config: Any, path: Path) -> None:
    """Give a builder's configuration the timings in `path`, or an empty cache where they are missing or not its own."""
    kept = config.create_timing_cache(_read(path))
    if kept is not None and config.set_timing_cache(kept, False):
        return
    logger.warning("%s: not timings of this library and GPU; kernels are timed again", path)
    config.set_timing_cache(config.create_timing_cache(b""), False)


def keep_timings(config: Any, path: Path) -> None:
    """Write what a build has timed; a folder that cannot be written costs the next build its time, no more."""
    timings = bytes(config.get_timing_cache().serialize())
    if timings == _read(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.new")
        scratch.write_bytes(timings)
        scratch.replace(path)
    except OSError as error:
        logger.warning("%s: cannot be written (%s); kernels are timed at each build", path, error.strerror)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
