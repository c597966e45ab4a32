"""More parts than the station can inspect: what becomes of each, and of the memory. Run by `benchmarks.station`.

Capacity is what the same station inspects as fast as it can, in the same run. Then a timer triggers parts at multiples
of it. Each part must be judged in time or be NOT_INSPECTED for overload, at its deadline; rows must equal triggers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from inspector.values import InspectionRecord, Outcome

LATE_MS = 20.0
"""An answer so much after its deadline still counts as at its deadline: threads wait for two cores."""


@dataclass(frozen=True, slots=True)
class OverloadRun:
    """A run under overload with what it left."""

    factor: float
    triggers: int
    rows: Sequence[InspectionRecord]
    deadline_ms: float
    seconds: float
    restarts: int
    rss_growth_mb: float


def figures(run: OverloadRun, capacity_hz: float) -> dict[str, float | int]:
    """Count what the issue asks of a station under overload; keys end in the factor."""
    kinds = Counter(_kind(row) for row in run.rows)
    answered = [row.latency_ms for row in run.rows if row.latency_ms is not None]
    shed = [row.latency_ms for row in run.rows if _kind(row) == "overload" and row.latency_ms is not None]
    judged = [row.latency_ms for row in run.rows if _kind(row) == "judged" and row.latency_ms is not None]
    named: dict[str, float | int] = {
        "judged_to_capacity_ratio": kinds["judged"] / run.seconds / capacity_hz,
        "triggers": run.triggers,
        "triggers_without_a_row": run.triggers - len(run.rows),
        "open_rows": sum(row.outcome is None for row in run.rows),
        "judged_in_time": kinds["judged"],
        "judged_late": sum(latency > run.deadline_ms for latency in judged),
        "not_inspected_overload": kinds["overload"],
        "not_inspected_else": kinds["else"],
        "answered_late": sum(latency > run.deadline_ms + LATE_MS for latency in answered),
        "latest_answer_past_deadline_ms": max(answered) - run.deadline_ms,
        "overload_answer_p50_ms": _percentile(shed, 50),
        "overload_answer_p99_ms": _percentile(shed, 99),
        "judged_p50_ms": _percentile(judged, 50),
        "judged_p99_ms": _percentile(judged, 99),
        "restarts": run.restarts,
        "rss_growth_mb": run.rss_growth_mb,
        "seconds": run.seconds,
    }
    return {f"overload_{run.factor:g}x_{name}": value for name, value in named.items()}


def measure(
    factors: Sequence[float], capacity_hz: float, run: Callable[[float, float], OverloadRun]
) -> dict[str, float | int]:
    """Run each factor by `run(factor, rate_hz)` and return all figures."""
    found: dict[str, float | int] = {"capacity_hz": capacity_hz}
    for factor in factors:
        found |= figures(run(factor, factor * capacity_hz), capacity_hz)
    return found


def _kind(row: InspectionRecord) -> str:
    if row.outcome is not Outcome.NOT_INSPECTED:
        return "judged"
    return "overload" if "overload" in row.reasons[0] else "else"


def _percentile(values: Sequence[float], share: int) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100)[share - 1]
