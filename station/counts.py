"""Parts by outcome and kind of reason, and how long they took: counted by the line loop, read by whoever watches."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from inspector.values import Outcome, Verdict

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the latency histogram; what is longer is in a last, open class."""
NO_REASON, OTHER_REASON = "none", "other"

# A reason is a text with numbers in it; counted is its kind, so that the number of kinds is bounded. First match.
_KINDS = (
    ("runtime", re.compile(r"runtime: |defect probability is not a number")),
    ("defect", re.compile(r"(defect probability|like variant) .*reaches reject limit")),
    ("doubtful", re.compile(r"(defect probability|like variant) .* between ")),
    ("novelty", re.compile(r"unlike all that is known|stranger than good parts|the policy goes by a p-value")),
    (
        "picture",
        re.compile(r"focus |frozen: |size \d|brightness |dark share |saturated share |no prediction"),
    ),
    ("drift", re.compile(r"safe mode: |certificate void |drift, and no certificate")),
    ("deadline", re.compile(r"deadline of ")),
    ("overload", re.compile(r"overload: ")),
    ("no_exposure", re.compile(r"no exposure")),
    ("no_picture", re.compile(r"no picture")),
    ("vision", re.compile(r"vision process|frame no longer held")),
    ("ledger", re.compile(r"ledger: ")),
    ("trigger", re.compile(r"trigger missed")),
    ("stopped", re.compile(r"station (stopped|restarted)")),
    ("rule", re.compile(r".*, above ")),
)
REASONS = (NO_REASON, *(kind for kind, _ in _KINDS), OTHER_REASON)
_VIEW = re.compile(r'view "[^"]*": ')


def reason_kind(verdict: Verdict) -> str:
    """Return the kind of the verdict's first reason, one of REASONS."""
    if not verdict.reasons:
        return NO_REASON
    reason = _VIEW.sub("", verdict.reasons[0], count=1)
    return next((kind for kind, pattern in _KINDS if pattern.match(reason)), OTHER_REASON)


@dataclass(frozen=True, slots=True)
class Counts:
    """Every part that has a verdict, once in each of the two."""

    parts: Mapping[tuple[Outcome, str], int] = field(default_factory=dict)
    """By outcome and kind of reason."""
    latencies: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    """Parts within each class of BOUNDS_S, not added up; the last class is open."""
    latency_sum_s: float = 0.0


class Counting:
    """Only the line loop calls `add`; any thread may call `counts`."""

    def __init__(self) -> None:
        self._parts: Counter[tuple[Outcome, str]] = Counter()
        self._latencies = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, verdict: Verdict, latency_ms: float) -> None:
        latency_s = latency_ms / 1e3
        self._parts[verdict.outcome, reason_kind(verdict)] += 1
        self._latencies[bisect_left(BOUNDS_S, latency_s)] += 1
        self._sum_s += latency_s

    def counts(self) -> Counts:
        return Counts(self._parts.copy(), tuple(self._latencies), self._sum_s)
