"""How fast a bundle's networks are on this machine: every runtime at every precision that the bundle has."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from inspector.bundle import MODEL_FILES, Bundle, Precision
from inspector.errors import BundleError, RuntimeUnavailable
from inspector.runtimes import RUNTIMES, Batch, Runtime, RuntimeSettings, load_runtime

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
ROUND = 5
"""Inferences of one network before the next has its turn: what else the machine does hits all alike."""


class Loader(Protocol):
    def __call__(self, model: Path, settings: RuntimeSettings) -> Runtime: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """One network on one runtime, one picture at a time."""

    runtime: str
    precision: Precision
    p50_ms: float
    p99_ms: float
    images_per_s: float
    """From the mean time, not from the median."""
    runs: int
    memory_mb: float | None
    """Growth of the process's resident memory by loading and running it once; None where the system does not say."""
    file_mb: float
    describes: Mapping[str, str]


@dataclass(slots=True, eq=False)
class _Candidate:
    kind: str
    precision: Precision
    runtime: Runtime
    memory_mb: float | None
    file_mb: float
    seconds: list[float] = field(default_factory=list)

    def pace(self) -> Pace:
        spent = np.array(self.seconds)
        p50, p99 = np.percentile(1e3 * spent, [50, 99])
        return Pace(
            runtime=self.kind,
            precision=self.precision,
            p50_ms=float(p50),
            p99_ms=float(p99),
            images_per_s=float(1 / spent.mean()),
            runs=len(spent),
            memory_mb=self.memory_mb,
            file_mb=self.file_mb,
            describes=dict(self.runtime.describe()),
        )


def measure_paces(
    bundle: Bundle,
    seconds: float,
    threads: int = 0,
    kinds: Sequence[str] = tuple(RUNTIMES),
    clock: Clock = time.perf_counter,
    load: Loader = load_runtime,
) -> tuple[Pace, ...]:
    """Time every network of the bundle for about `seconds`, in turns.

    A runtime whose library or device is missing, and a network that a runtime does not take, are left out.

    Raises:
        BundleError: nothing at all could be loaded; with the reasons.
    """
    batch = one_picture(bundle)
    candidates, reasons = [], []
    for kind, precision in _pairs(bundle, kinds):
        try:
            candidates.append(_load(bundle, kind, precision, threads, batch, load))
        except (RuntimeUnavailable, BundleError) as error:
            logger.info("%s at %s is left out: %s", kind, precision, error)
            reasons.append(str(error))
    if not candidates:
        raise BundleError(f"{bundle.path}: no runtime of this machine takes it: {'; '.join(reasons)}")
    began = clock()
    while clock() - began < seconds * len(candidates) or not candidates[-1].seconds:
        for candidate in candidates:
            candidate.seconds += [_time(candidate.runtime, batch, clock) for _ in range(ROUND)]
    return tuple(candidate.pace() for candidate in candidates)


def _pairs(bundle: Bundle, kinds: Sequence[str]) -> Iterator[tuple[str, Precision]]:
    for kind in kinds:
        for precision, file in MODEL_FILES.items():
            if (bundle.path / file).is_file():
                yield kind, precision


def one_picture(bundle: Bundle) -> Batch:
    """(1, H, W, 3 or 6) uint8 noise of the bundle's input: how long a network takes does not depend on the picture."""
    spec = bundle.manifest.input
    shape = (1, spec.height, spec.width, 6 if bundle.manifest.template else 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _load(bundle: Bundle, kind: str, precision: Precision, threads: int, batch: Batch, load: Loader) -> _Candidate:
    before = resident_mb()
    path = bundle.model_path(precision)
    runtime = load(path, RuntimeSettings(kind=kind, threads=threads))
    for _ in range(3):
        runtime.run(batch)
    after = resident_mb()
    memory = None if before is None or after is None else after - before
    return _Candidate(kind, precision, runtime, memory, path.stat().st_size / 1e6)


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
    """Median time of the float network over that of each quantised one, same runtime; above 1 int8 is faster."""
    floats = {pace.runtime: pace.p50_ms for pace in paces if pace.precision == "float"}
    return {
        f"{pace.runtime}_{pace.precision.replace('-', '_')}_ratio": floats[pace.runtime] / pace.p50_ms
        for pace in paces
        if pace.precision != "float" and pace.runtime in floats
    }
