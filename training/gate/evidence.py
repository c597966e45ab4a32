"""What both bundles said of the same parts, and what became of it: frozen, so that the decision is a pure function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from inspector.bundle import Parity, Precision
from inspector.documents import Document
from inspector.gate_settings import GateSettings
from inspector.values import Outcome
from training.gate.paired_test import Paired

REFUSED = 1
"""Exit status of `inspector retrain gate` for a candidate that is refused."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a bundle said of one part; no probability where it did not judge it."""

    part: str
    group: str
    label: str
    is_defect: bool
    outcome: Outcome
    probability: float | None
    seconds: float
    weight: float = 1.0
    """Parts of the line that it stands for."""

    @property
    def judged(self) -> bool:
        return self.probability is not None and math.isfinite(self.probability)


@dataclass(frozen=True, slots=True)
class Side:
    """One bundle, on all parts."""

    bundle_id: str
    said: tuple[Said, ...]
    classes: tuple[str, ...]
    good: tuple[str, ...]
    parity: Parity
    certified: bool
    standing: str
    """What its certificate proves, or why nothing is proved."""
    takes: str = ""
    """Task, size and cut of the pictures: what recipe and camera were set up for."""
    self_test: str = ""
    """The fault of its golden self-test; empty: every sample as recorded."""


class MarginTest(Document):
    """One kind of mistake: does the candidate make it hardly more often?"""

    name: str
    n: int = Field(ge=0, description="groups of parts; a group counts once, by its worst part")
    lost: int = Field(ge=0, description="groups that go wrong with the candidate only")
    gained: int = Field(ge=0, description="groups that went wrong with the serving bundle only")
    margin: float
    needed: int = Field(description="groups that show the margin where none is lost or gained")
    p_value: float | None = Field(description="exact, of `worse by the margin or more`; unset without a group")
    at_most: float | None = Field(description="exact upper bound on how much worse the candidate is")
    weighed: float | None = Field(
        default=None,
        description="how much worse it is on these parts, each weighed by how many it stands for; unset: all stand for "
        "as many",
    )
    shown: bool = Field(description="by the exact test, and by the weighed share too where there is one")

    def text(self) -> str:
        """Return e.g. `crack passed: 1 lost, 2 gained of 120; at most 3.1 % more, margin 5 %`."""
        if self.at_most is None:
            return f"{self.name}: no such part; expected {self.needed} groups or more"
        seen = f"{self.name}: {self.lost} lost, {self.gained} gained of {self.n} groups"
        bound = f"at most {100 * self.at_most:.1f} % more, margin {100 * self.margin:g} %"
        few = f"; at least {self.needed} groups are needed" if not self.shown and self.n < self.needed else ""
        weighed = "" if self.weighed is None else f"; weighed as the line makes them, {100 * self.weighed:+.1f} %"
        return f"{seen}; {bound}{weighed}{few}"


class KnownVerdict(Document):
    """A part of known truth, judged by both."""

    source: Literal["golden", "challenge"]
    part: str
    expected: Outcome = Field(description="of a golden sample PASS or REJECT, by its label")
    label: str | None = Field(description="that it must be given; of a golden sample, what it is")
    candidate: Outcome
    candidate_met: bool
    serving: Outcome
    serving_met: bool

    @property
    def fault(self) -> str:
        """Return why the candidate is refused for it; empty where it is not.

        What must be stopped and passes is refused whatever the serving bundle says; else the candidate may miss what
        the serving bundle misses too.
        """
        is_escape = self.expected is not Outcome.PASS and self.candidate is Outcome.PASS
        if self.candidate_met:
            return ""
        if self.source == "challenge" and is_escape:
            return f"challenge part {self.part}, to be {self.expected}, passes"
        if self.serving_met:
            label = f" ({self.label})" if self.label else ""
            return f"{self.source} part {self.part}{label}: {self.candidate}, expected {self.expected}"
        return ""


class Trust(Document):
    """Expected calibration error of the defect probability, with its 95 % interval."""

    ece: float
    low: float
    high: float

    def text(self) -> str:
        return f"{self.ece:.4f} (95 %: {self.low:.4f} to {self.high:.4f})"


class Flip(Document):
    """A part on which the bundles differ."""

    part: str
    label: str
    serving: Outcome
    candidate: Outcome
    serving_probability: float | None
    candidate_probability: float | None
    worse: bool = Field(description="the candidate is wrong and the serving bundle was not")


class Subject(Document):
    """What was compared, and by what rules."""

    candidate: str
    serving: str
    precision: Precision
    dataset: str
    dataset_hash: str
    split: str
    settings: GateSettings
    runtime: str
    made_at: datetime


class GateReport(Document):
    """What the gate decided, with all that it rests on."""

    format: Literal[1] = 1
    outcome: Literal["candidate", "refused"]
    reasons: tuple[str, ...] = Field(description="why it is refused; none for a candidate")
    subject: Subject
    parts: int
    groups: int
    tests: tuple[MarginTest, ...]
    candidate_trust: Trust | None
    serving_trust: Trust | None
    latency_ratio: float | None = Field(description="median time of a part, candidate to serving bundle")
    candidate_ms: float | None
    serving_ms: float | None
    parity: Parity = Field(description="the candidate's exported networks against the trained one")
    candidate_certificate: str
    serving_certificate: str
    flips: tuple[Flip, ...]
    known: tuple[KnownVerdict, ...] = Field(default=(), description="golden samples and challenge parts")

    def lines(self) -> list[str]:
        """Return the report for a terminal: the outcome first, its reasons, then the figures."""
        head = f"{self.outcome.upper()}: bundle {self.subject.candidate[:16]} against {self.subject.serving[:16]}"
        seen = f"{self.parts} parts in {self.groups} groups of {self.subject.split}, {self.subject.precision}"
        trust = self.candidate_trust.text() if self.candidate_trust else "undefined"
        ratio = "not timed" if self.latency_ratio is None else f"{self.latency_ratio:.2f} times the serving bundle's"
        return [
            f"{head}, {seen}",
            *(f"refused: {reason}" for reason in self.reasons),
            *(f"{'shown' if test.shown else 'NOT SHOWN':10} {test.text()}" for test in self.tests),
            f"trust      ECE {trust} of the defect probability",
            f"latency    {ratio}",
            f"limits     {self.candidate_certificate}",
            f"known      {sum(one.candidate_met for one in self.known)} of {len(self.known)} parts of known truth as "
            "they must be",
            f"flips      {len(self.flips)}, {sum(flip.worse for flip in self.flips)} of them for the worse",
        ]


Wrong = Callable[[Said], bool]


def passed(said: Said) -> bool:
    return said.is_defect and said.outcome is Outcome.PASS


def rejected(said: Said) -> bool:
    return not said.is_defect and said.outcome is Outcome.REJECT


def reviewed(said: Said) -> bool:
    return not said.is_defect and said.outcome not in (Outcome.PASS, Outcome.REJECT)


def unsettled(said: Said) -> bool:
    return said.is_defect and said.outcome not in (Outcome.PASS, Outcome.REJECT)


def paired(candidate: Sequence[Said], serving: Sequence[Said], wrong: Wrong) -> Paired | None:
    """Count groups, each by its worst part; None where there is none. Both sides name the same parts."""
    now, before = _by_group(candidate, wrong), _by_group(serving, wrong)
    if not now:
        return None
    lost = sum(bad and not before[group] for group, bad in now.items())
    gained = sum(bad and not now[group] for group, bad in before.items())
    return Paired(len(now), lost, gained)


def _by_group(said: Iterable[Said], wrong: Wrong) -> Mapping[str, bool]:
    groups: dict[str, bool] = {}
    for one in said:
        groups[one.group] = groups.get(one.group, False) or wrong(one)
    return groups
