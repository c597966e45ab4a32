"""What `inspector bench` finds out of a bundle on this machine: one value, and the figures that are written of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from inspector.bundle import Bundle
from inspector.errors import UserError
from inspector.pace import Pace, one_picture, ratios
from inspector.peaks import Bound, Peaks, bound
from inspector.plugins import load_plugin
from inspector.prices import Cost, Prices, cost_per_million
from inspector.reporting import GROUP
from inspector.runtimes import RuntimeSettings, thread_count
from inspector.runtimes.node_times import NodeTime
from inspector.work import Work

_PROCESSOR_ONLY = ("onnxruntime", "openvino")
"""Runtimes whose default device is the processor, whose peaks were measured."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Where int8 falls short of what it should be: what each kind of operator takes, and which stay float."""

    ratio: float
    operators: Sequence[Mapping[str, object]]
    nodes: Sequence[NodeTime]


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that was measured."""

    bundle: Bundle
    paces: Sequence[Pace]
    peaks: Mapping[int, Peaks]
    """By number of threads."""
    work: Work
    steps: Mapping[str, float]
    prices: Prices | None
    held_back: HeldBack | None
    counters: Sequence[str]
    """Energy counters that this machine has."""

    def bound_of(self, pace: Pace) -> Bound | None:
        """Hold a pace against this machine's limits; None where it runs on a device whose limits were not measured.

        What has to be moved is the weights once a batch, and each picture; what lies between may stay in the caches.
        """
        if pace.runtime not in _PROCESSOR_ONLY:
            return None
        picture = one_picture(self.bundle).nbytes
        moved = 1e6 * pace.file_mb + pace.batch * picture
        peaks = self.peaks[threads_of(pace)]
        return bound(pace.batch * self.work.macs, moved, pace.best_ms / 1e3, pace.precision, peaks)

    def cost_of(self, pace: Pace) -> Cost | None:
        return cost_per_million(self.prices, pace.images_per_s, pace.joules_per_image) if self.prices else None

    def figures(self) -> dict[str, Any]:
        """Return what `--json` writes, ratios first."""
        return {
            **ratios(self.paces),
            "bundle": self.bundle.id,
            "task": self.bundle.manifest.task,
            "input": one_picture(self.bundle).shape[1:],
            "networks": [self._network(pace) for pace in self.paces],
            "steps": dict(self.steps),
            "work": asdict(self.work),
            "peaks": [asdict(peaks) for peaks in self.peaks.values()],
            "prices": self.prices.model_dump() if self.prices else None,
            "energy_counters": list(self.counters),
            "held_back": _held_back(self.held_back),
            "machine": {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()},
        }

    def _network(self, pace: Pace) -> dict[str, Any]:
        limit, cost = self.bound_of(pace), self.cost_of(pace)
        return {
            **asdict(pace),
            "roofline": None if limit is None else limit.fields(),
            "cost_per_million": None if cost is None else cost.total,
            "cost_of_energy": None if cost is None else cost.energy,
            "machines": None if cost is None else cost.machines,
        }


def threads_of(pace: Pace) -> int:
    return pace.threads or thread_count(RuntimeSettings())


def _held_back(held: HeldBack | None) -> list[dict[str, object]]:
    if held is None:
        return []
    nodes = [{"name": t.name, "operator": t.operator, "ms": t.mean_us / 1e3} for t in held.nodes]
    which = {"runtime": "onnxruntime", "precision": "cpu-int8", "ratio": held.ratio}
    return [{**which, "operators": list(held.operators), "nodes": nodes}]


def processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


class BenchReport(Protocol):
    """A module, named by the entry point `bench` of the group `inspector.reports`."""

    def require_packages(self) -> None:
        """Raise UserError, saying what to install, where a package is missing; called before anything is measured."""
        ...

    def write_report(self, bench: Bench, out: Path) -> None:
        """Write one self-contained file; raise UserError where it cannot be written."""
        ...


def load_bench_report() -> BenchReport:
    """Return the report plug-in, its packages checked; raise UserError where it or one of them is not installed."""
    if not entry_points(group=GROUP, name="bench"):
        raise UserError("--html: no report is installed; reinstall open-inspector")
    report = cast(BenchReport, load_plugin(GROUP, "bench", {}))
    report.require_packages()
    return report
