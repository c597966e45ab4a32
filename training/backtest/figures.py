"""What a back-test comes to: flips, mistakes by labels, time, overhead and cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inspector.documents import Document
from inspector.prices import Prices, cost_per_million
from inspector.risk import Rate
from inspector.values import Outcome
from training.backtest.parts import RecordedPart, Rejudged


class Flip(Document):
    """A part of which another outcome is said now."""

    part_id: str
    station: str
    lot: str | None
    triggered_at: datetime
    before: str
    now: str
    label_before: str | None
    label_now: str | None
    defect_probability: float | None
    is_defect: bool | None


class BacktestReport(Document):
    """`--json` of `inspector backtest`."""

    bundle_id: str
    engine: str
    workers: int
    inspected: int
    """Parts of the period, with pictures or without."""
    parts: int
    """Parts that were inspected again."""
    unreadable: int
    changes: dict[str, int]
    """Parts by `BEFORE>NOW`."""
    flips: tuple[Flip, ...]
    labelled: int
    escapes_before: int
    escapes_now: int
    overkill_before: int
    overkill_now: int
    wall_s: float
    inspecting_s: float
    """Of all workers together: reading, decoding, inspecting."""
    seconds_per_part: float
    overhead_s: float
    """What the workers' time came to beyond that: starting them, loading, handing over, waiting."""
    overhead_share: float
    cost_per_million: float | None
    currency: str | None

    def lines(self) -> list[str]:
        """What is printed."""
        told = [
            f"{self.parts} of {self.inspected} parts inspected again by bundle {self.bundle_id[:16]}, "
            f"{self.unreadable} unreadable ({self.engine}, {self.workers} workers)",
            f"flips: {Rate(len(self.flips), self.parts).text()}",
            *(f"  {change}: {count}" for change, count in sorted(self.changes.items()) if _is_flip(change)),
        ]
        if self.labelled:
            told.append(
                f"of {self.labelled} labelled: escapes {self.escapes_before} -> {self.escapes_now}, "
                f"overkill {self.overkill_before} -> {self.overkill_now}"
            )
        told.append(
            f"{self.wall_s:.1f} s, {1e3 * self.seconds_per_part:.2f} ms a part; overhead {self.overhead_s:.1f} s of "
            f"workers' time ({100 * self.overhead_share:.0f} %)"
        )
        if self.cost_per_million is not None:
            told.append(f"10^6 parts: {self.cost_per_million:.2f} {self.currency}")
        return told


@dataclass(frozen=True, slots=True)
class Run:
    """How a back-test went."""

    bundle_id: str
    engine: str
    workers: int
    inspected: int
    wall_s: float


def summarise(
    parts: Sequence[RecordedPart], said: Sequence[Rejudged], run: Run, prices: Prices | None
) -> BacktestReport:
    """Hold what is said now against what was said then; both in the same order."""
    pairs = [(part, now) for part, now in zip(parts, said, strict=True) if now.outcome is not None]
    known = [(part, now) for part, now in pairs if part.is_defect is not None]
    inspecting_s = sum(now.seconds for now in said)
    busy_s = run.wall_s * run.workers
    per_part = inspecting_s / len(said)
    return BacktestReport(
        bundle_id=run.bundle_id,
        engine=run.engine,
        workers=run.workers,
        inspected=run.inspected,
        parts=len(pairs),
        unreadable=len(said) - len(pairs),
        changes=dict(Counter(f"{part.outcome}>{now.outcome}" for part, now in pairs)),
        flips=tuple(_flip(part, now) for part, now in pairs if part.outcome is not now.outcome),
        labelled=len(known),
        escapes_before=sum(bool(part.is_defect) and part.outcome is Outcome.PASS for part, _ in known),
        escapes_now=sum(bool(part.is_defect) and now.outcome is Outcome.PASS for part, now in known),
        overkill_before=sum(not part.is_defect and part.outcome is Outcome.REJECT for part, _ in known),
        overkill_now=sum(not part.is_defect and now.outcome is Outcome.REJECT for part, now in known),
        wall_s=run.wall_s,
        inspecting_s=inspecting_s,
        seconds_per_part=per_part,
        overhead_s=max(0.0, busy_s - inspecting_s),
        overhead_share=max(0.0, 1 - inspecting_s / busy_s),
        cost_per_million=cost_per_million(prices, 1 / per_part, None).total if prices else None,
        currency=prices.currency if prices else None,
    )


def _is_flip(change: str) -> bool:
    before, _, now = change.partition(">")
    return before != now


def _flip(part: RecordedPart, now: Rejudged) -> Flip:
    return Flip(
        part_id=str(part.part_id),
        station=part.station,
        lot=part.lot,
        triggered_at=part.triggered_at,
        before=part.outcome.value,
        now=str(now.outcome),
        label_before=part.label,
        label_now=now.label,
        defect_probability=now.defect_probability,
        is_defect=part.is_defect,
    )
