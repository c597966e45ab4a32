"""How fast a bundle's networks are on this machine: every runtime at every precision that the bundle has."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from inspector.bundle import MODEL_FILES, Bundle, Precision
from inspector.energy import Meter, joules
from inspector.errors import BundleError, RuntimeUnavailable
from inspector.runtimes import RUNTIMES, Batch, Runtime, RuntimeSettings, load_runtime

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
ROUND = 5
"""Inferences of one network before the next has its turn: what else the machine does hits all alike."""


class Loader(Protocol):
    def __call__(self, model: Path, settings: RuntimeSettings) -> Runtime: ...


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run one of a bundle's networks."""

    runtime: str
    precision: Precision
    threads: int
    """0: all cores but one, as on the line."""
    batch: int

    @property
    def settings(self) -> RuntimeSettings:
        """Several pictures at once run side by side where the runtime can do that."""
        hint: Literal["latency", "throughput"] = "latency" if self.batch == 1 else "throughput"
        return RuntimeSettings(kind=self.runtime, threads=self.threads, hint=hint, largest_batch=max(8, self.batch))


@dataclass(frozen=True, slots=True)
class Pace:
    """One network on one runtime; times are of a whole batch."""

    runtime: str
    precision: Precision
    threads: int
    batch: int
    best_ms: float
    """The fastest run: what the network takes when nothing else does, and what is held against the limit."""
    p50_ms: float
    p99_ms: float
    p999_ms: float
    """The greatest time where there were fewer than a thousand runs."""
    images_per_s: float
    """From the mean time, not from the median."""
    runs: int
    memory_mb: float | None
    """Growth of the process's resident memory by loading and running it; None where the system does not say."""
    file_mb: float
    joules_per_image: float | None
    """As the machine counts, so with all else that ran; None where it does not count."""
    describes: Mapping[str, str]


@dataclass(slots=True, eq=False)
class _Candidate:
    way: Way
    runtime: Runtime
    pictures: Batch
    memory_mb: float | None
    file_mb: float
    seconds: list[float] = field(default_factory=list)
    joules: float | None = None

    def turn(self, clock: Clock, counters: Sequence[Meter]) -> None:
        before = joules(counters)
        self.seconds += [_time(self.runtime, self.pictures, clock) for _ in range(ROUND)]
        after = joules(counters)
        if before is not None and after is not None:
            self.joules = (self.joules or 0.0) + after - before

    def pace(self) -> Pace:
        spent, way = np.array(self.seconds), self.way
        p50, p99 = np.percentile(1e3 * spent, [50, 99])
        return Pace(
            runtime=way.runtime,
            precision=way.precision,
            threads=way.threads,
            batch=way.batch,
            best_ms=float(1e3 * spent.min()),
            p50_ms=float(p50),
            p99_ms=float(p99),
            p999_ms=float(np.percentile(1e3 * spent, 99.9, method="higher")),
            images_per_s=float(way.batch / spent.mean()),
            runs=len(spent),
            memory_mb=self.memory_mb,
            file_mb=self.file_mb,
            joules_per_image=None if self.joules is None else self.joules / (len(spent) * way.batch),
            describes=dict(self.runtime.describe()),
        )


def ways(
    bundle: Bundle, kinds: Sequence[str] = tuple(RUNTIMES), threads: Sequence[int] = (0,), batches: Sequence[int] = (1,)
) -> tuple[Way, ...]:
    """Return every runtime at every precision that the bundle has, threads and batch."""
    present = [precision for precision, file in MODEL_FILES.items() if (bundle.path / file).is_file()]
    return tuple(Way(*one) for one in itertools.product(kinds, present, threads, batches))


def measure_paces(
    bundle: Bundle,
    seconds: float,
    wanted: Sequence[Way],
    clock: Clock = time.perf_counter,
    load: Loader = load_runtime,
    counters: Sequence[Meter] = (),
) -> tuple[Pace, ...]:
    """Time every way to run the bundle for about `seconds`, in turns.

    A runtime whose library or device is missing, and a network that a runtime does not take, are left out.

    Raises:
        BundleError: nothing at all could be loaded; with the reasons.
    """
    candidates, reasons = [], []
    for way in wanted:
        try:
            candidates.append(_load(bundle, way, load))
        except (RuntimeUnavailable, BundleError) as error:
            logger.info("%s at %s is left out: %s", way.runtime, way.precision, error)
            reasons.append(str(error))
    if not candidates:
        raise BundleError(f"{bundle.path}: no runtime of this machine takes it: {'; '.join(dict.fromkeys(reasons))}")
    began = clock()
    while clock() - began < seconds * len(candidates) or not candidates[-1].seconds:
        for candidate in candidates:
            candidate.turn(clock, counters)
    return tuple(candidate.pace() for candidate in candidates)


def one_picture(bundle: Bundle) -> Batch:
    """(1, H, W, 3 or 6) uint8 noise of the bundle's input: how long a network takes does not depend on the picture."""
    spec = bundle.manifest.input
    shape = (1, spec.height, spec.width, 6 if bundle.manifest.template else 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _load(bundle: Bundle, way: Way, load: Loader) -> _Candidate:
    before = resident_mb()
    path = bundle.model_path(way.precision)
    runtime, pictures = load(path, way.settings), np.repeat(one_picture(bundle), way.batch, axis=0)
    for _ in range(3):
        runtime.run(pictures)
    after = resident_mb()
    memory = None if before is None or after is None else after - before
    return _Candidate(way, runtime, pictures, memory, path.stat().st_size / 1e6)


def _time(runtime: Runtime, batch: Batch, clock: Clock) -> float:
    began = clock()
    runtime.run(batch)
    return clock() - began


def resident_mb() -> float | None:
    """Resident memory of this process; None off Linux."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
    return float(line.split()[1]) / 1024


def ratios(paces: Sequence[Pace]) -> dict[str, float]:
    """Median time of the float network over that of each quantised one, all else alike; above 1 int8 is faster.

    The first threads and batch have no mark in their keys; others are marked `t2`, `b8`.
    """
    first = paces[0].threads, paces[0].batch
    floats = {(pace.runtime, pace.threads, pace.batch): pace.p50_ms for pace in paces if pace.precision == "float"}
    found = {}
    for pace in paces:
        alike = pace.runtime, pace.threads, pace.batch
        if pace.precision != "float" and alike in floats:
            mark = "" if alike[1:] == first else f"_t{pace.threads}_b{pace.batch}"
            key = f"{pace.runtime}_{pace.precision.replace('-', '_')}{mark}_ratio"
            found[key] = floats[alike] / pace.p50_ms
    return found
