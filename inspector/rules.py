"""Rules on findings: what a recipe demands beyond the probability of a defect, in pixels or millimetres.

    mm_per_px = 0.02

    [[rules]]                  # reject when a scratch is longer than 2 mm
    label = "scratch"
    measure = "longest_mm"
    above = 2.0

A rule can only make a verdict stricter. Where rules alone are to decide, set the policy's limits to 1: then no part is
stopped for its probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from inspector.documents import Document
from inspector.values import Finding, Outcome, Quality, Verdict

Measure = Literal["longest_px", "longest_mm", "area_px", "area_mm2", "total_area_px", "total_area_mm2", "count"]
STRICTNESS = (Outcome.PASS, Outcome.REVIEW, Outcome.REJECT)


class Rule(Document):
    """What to do when a finding, or all findings of one view together, are too large or too many."""

    label: str | None = Field(default=None, min_length=1, description="kind of finding; unset: any")
    measure: Measure = Field(
        description="longest side or area of one finding, area of all together, or their number; "
        "_mm and _mm2 need mm_per_px"
    )
    above: float = Field(ge=0, le=1e9, description="holds when the measure is more than this; 0: any at all")
    least_probability: float = Field(
        default=0.5, ge=0, le=1, description="findings less probable than this do not count"
    )
    then: Literal["REJECT", "REVIEW"] = Field(default="REJECT", description="outcome where it holds")

    @property
    def needs_scale(self) -> bool:
        return "_mm" in self.measure


def apply_rules(
    verdict: Verdict, quality: Quality, findings: Sequence[Finding], rules: Sequence[Rule], mm_per_px: float | None
) -> Verdict:
    """Return the verdict on one view after the rules: the strictest that holds wins, and each says why.

    A picture unfit to be judged stays as it is (REVIEW), and so does a part that was not inspected.
    """
    if not quality.usable or verdict.outcome not in STRICTNESS:
        return verdict
    held = [(Outcome(rule.then), reason) for rule in rules if (reason := broken(rule, findings, mm_per_px))]
    outcome = max([verdict.outcome, *(then for then, _ in held)], key=STRICTNESS.index)
    own = verdict.reasons if verdict.outcome is outcome else ()
    reasons = (*own, *(reason for then, reason in held if then is outcome))
    return Verdict(outcome, reasons, verdict.defect_probability, verdict.label)


def broken(rule: Rule, findings: Sequence[Finding], mm_per_px: float | None) -> str:
    """Return why the rule holds, empty where it does not; raise ValueError for millimetres without a scale."""
    counted = [
        finding
        for finding in findings
        if finding.probability >= rule.least_probability and rule.label in (None, finding.label)
    ]
    found = _measured(rule, counted) * _unit(rule, mm_per_px)
    if found <= rule.above:
        return ""
    what, _, unit = rule.measure.rpartition("_") if rule.measure != "count" else ("count", "", "")
    return (
        f"{rule.label or 'finding'}: {what.replace('_', ' ')} {found:.4g} {unit}".rstrip() + f", above {rule.above:g}"
    )


def longest_px(finding: Finding) -> float:
    """Longest side in frame px; of a finding without a mask the diagonal of its box, which no defect in it exceeds."""
    return math.hypot(finding.width, finding.height) if finding.longest_px is None else finding.longest_px


def area_px(finding: Finding) -> float:
    """Area in frame px; of a finding without a mask that of its box."""
    return finding.width * finding.height if finding.area_px is None else finding.area_px


def _measured(rule: Rule, findings: Sequence[Finding]) -> float:
    """Count, or length or area in frame px."""
    if rule.measure == "count":
        return float(len(findings))
    if rule.measure.startswith("total_area"):
        return sum(area_px(finding) for finding in findings)
    measure = longest_px if rule.measure.startswith("longest") else area_px
    return max((measure(finding) for finding in findings), default=0.0)


def _unit(rule: Rule, mm_per_px: float | None) -> float:
    """What one px, or one square px, is in the rule's unit."""
    if not rule.needs_scale:
        return 1.0
    if mm_per_px is None:
        raise ValueError(f"rule on {rule.measure}: expected a scale, mm_per_px")
    return mm_per_px**2 if rule.measure.endswith("mm2") else mm_per_px
