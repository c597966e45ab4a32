"""What a run amounts to once the truth is known: counts, rates with their bounds, bins. Pure, and never a bare rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from inspector.errors import UserError
from inspector.risk import Rate
from inspector.values import InspectionRecord, Outcome
from station.demo.plan import GOOD

Floats = NDArray[np.float64]
_TWO_SIDED = 0.975
"""One-sided confidence of each end of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class KnownPart:
    """A completed record with its truth."""

    record: InspectionRecord
    truth: str

    @property
    def is_defect(self) -> bool:
        return self.truth != GOOD

    @property
    def escaped(self) -> bool:
        return self.is_defect and self.record.outcome is Outcome.PASS

    @property
    def overkilled(self) -> bool:
        return not self.is_defect and self.record.outcome is Outcome.REJECT


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One true class: how its parts came out, and what the network called them."""

    truth: str
    n: int
    outcomes: Mapping[Outcome, int]
    labels: Mapping[str, int]
    """Parts without a label (not inspected) are in none."""
    escape: Rate | None
    """None for good parts."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Parts of similar defect probability: the mean said, and the share that was defective with its interval."""

    mean_probability: float
    defective: Rate

    @property
    def low(self) -> float:
        return self.defective.lower(_TWO_SIDED)

    @property
    def high(self) -> float:
        return self.defective.upper(_TWO_SIDED)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one run. A rate is None where the run had no part that it could be about."""

    parts: tuple[KnownPart, ...]
    open_parts: int
    outcomes: Mapping[Outcome, int]
    escape: Rate | None
    overkill: Rate | None
    review: Rate
    not_inspected: Rate
    p50_ms: float | None
    p99_ms: float | None
    bins: tuple[ReliabilityBin, ...]
    by_truth: tuple[TruthRow, ...]


def figures(records: Sequence[InspectionRecord], truth: Mapping[UUID, str]) -> Figures:
    """Set records against the truth of their parts (by part id).

    Raises:
        UserError: no record has an outcome, or the truth of one is not known.
    """
    parts = known_parts(records, truth)
    n = len(parts)
    outcomes = Counter(part.record.outcome for part in parts)
    latencies = latencies_ms(parts)
    return Figures(
        parts=parts,
        open_parts=len(records) - n,
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        escape=_rate([part.escaped for part in parts if part.is_defect]),
        overkill=_rate([part.overkilled for part in parts if not part.is_defect]),
        review=Rate(outcomes[Outcome.REVIEW], n),
        not_inspected=Rate(outcomes[Outcome.NOT_INSPECTED], n),
        p50_ms=_percentile(latencies, 0.50),
        p99_ms=_percentile(latencies, 0.99),
        bins=reliability(parts),
        by_truth=_by_truth(parts),
    )


def known_parts(records: Sequence[InspectionRecord], truth: Mapping[UUID, str]) -> tuple[KnownPart, ...]:
    complete = sorted((record for record in records if record.outcome is not None), key=lambda record: record.trigger)
    if not complete:
        raise UserError(f"report: none of {len(records)} records has an outcome; expected at least one inspected part")
    if unknown := [record.trigger for record in complete if record.part_id not in truth]:
        raise UserError(f"report: truth of part {unknown[0]} is not known ({len(unknown)} such parts)")
    return tuple(KnownPart(record, truth[record.part_id]) for record in complete)


def latencies_ms(parts: Sequence[KnownPart]) -> Floats:
    """Trigger to verdict of every part that has one, in the order of the triggers."""
    return np.array([part.record.latency_ms for part in parts if part.record.latency_ms is not None], np.float64)


def reliability(parts: Sequence[KnownPart], most_bins: int = 16) -> tuple[ReliabilityBin, ...]:
    """Sort parts by defect probability and cut them into bins of equal count; empty where no part has one."""
    judged = [(part.record.defect_probability, part.is_defect) for part in parts]
    return bins_of([(probability, defect) for probability, defect in judged if probability is not None], most_bins)


def bins_of(judged: Sequence[tuple[float, bool]], most_bins: int = 16) -> tuple[ReliabilityBin, ...]:
    """Cut pairs of probability said and whether defective into bins of equal count, by probability."""
    said = sorted(judged, key=itemgetter(0))  # ties stay in their order, so that the truth does not sort them
    cuts = np.array_split(np.arange(len(said)), max(1, min(most_bins, len(said))))
    return tuple(_bin([said[i] for i in cut]) for cut in cuts if cut.size)


def _bin(said: Sequence[tuple[float, bool]]) -> ReliabilityBin:
    mean = float(np.mean([probability for probability, _ in said]))
    return ReliabilityBin(mean, Rate(sum(defect for _, defect in said), len(said)))


def _by_truth(parts: Sequence[KnownPart]) -> tuple[TruthRow, ...]:
    names = sorted({part.truth for part in parts}, key=lambda name: (name != GOOD, name))
    return tuple(_truth_row(name, [part for part in parts if part.truth == name]) for name in names)


def _truth_row(truth: str, parts: Sequence[KnownPart]) -> TruthRow:
    outcomes = Counter(part.record.outcome for part in parts)
    return TruthRow(
        truth=truth,
        n=len(parts),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        labels=Counter(part.record.label for part in parts if part.record.label is not None),
        escape=None if truth == GOOD else _rate([part.escaped for part in parts]),
    )


def _rate(events: Sequence[bool]) -> Rate | None:
    return Rate(sum(events), len(events)) if events else None


def _percentile(values: Floats, share: float) -> float | None:
    return float(np.quantile(values, share, method="inverted_cdf")) if values.size else None
