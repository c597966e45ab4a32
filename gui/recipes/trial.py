"""A recipe tried on recorded parts: their stored figures are judged again by the station's own rules. Pure.

What the network said stays as it is stored. A change that would give the network another picture, or run another
network, cannot be tried so: `other_pictures` names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gui.recipes.fields import differing
from inspector.quality import limited
from inspector.recipe import Recipe
from inspector.risk import Rate
from inspector.rules import apply_rules
from inspector.values import InspectionRecord, Outcome, Verdict, ViewInspection
from inspector.verdict import Policy, combine, decide

_PICTURES = ("roi", "precision", "template", "enrolment", "expected", "cameras", "runtime")
_NOT_STORED = ("quality.width_px", "quality.height_px", "quality.max_repeats", "policy.review_p_value")
Flip = tuple[Outcome, Outcome]


@dataclass(frozen=True, slots=True)
class Tried:
    """A recorded part, with the recipe that judged it and its bundle's limits, which hold where a recipe has none."""

    record: InspectionRecord
    recipe: Recipe
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What a recipe would make of recorded parts."""

    parts: int
    """Judged again."""
    flips: dict[Flip, int]
    """How many of them would have another outcome: from, to."""
    pictures: tuple[str, ...]
    """Fields for which pictures would have to be judged again; parts recorded under others are left out."""
    left_out: int

    @property
    def changed(self) -> Rate | None:
        """None where no part could be judged again."""
        return Rate(sum(self.flips.values()), self.parts) if self.parts else None


def try_out(recipe: Recipe, parts: Iterable[Tried]) -> Trial:
    """Judge parts again.

    One whose own recipe does not give its recorded outcome (a verdict that came late, a line in safe mode) is left out.
    """
    flips: Counter[Flip] = Counter()
    judged = left_out = 0
    pictures: set[str] = set()
    for part in parts:
        blocked = other_pictures(part.recipe, recipe)
        pictures |= set(blocked)
        before = None if blocked else again(part, part.recipe)
        if before is None or before is not part.record.outcome:
            left_out += 1
            continue
        judged += 1
        after = again(part, recipe)
        if after is not None and after is not before:
            flips[before, after] += 1
    return Trial(judged, dict(flips), tuple(sorted(pictures)), left_out)


def other_pictures(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """The fields in which two recipes differ and that stored figures cannot answer for."""
    paths = differing(before, after)
    return tuple(path for path in paths if path.partition(".")[0] in _PICTURES or path in _NOT_STORED)


def again(part: Tried, recipe: Recipe) -> Outcome | None:
    """Return the outcome of a part from its stored views; None where there is nothing to judge one of them by."""
    views, policy = part.record.views, recipe.policy or part.policy
    if policy is None or not views or any(view.prediction is None for view in views):
        return None
    return combine([_judged(view, recipe, policy) for view in views]).outcome


def _judged(view: ViewInspection, recipe: Recipe, policy: Policy) -> Verdict:
    quality = limited(view.quality, recipe.quality)
    verdict = decide(quality, view.prediction, policy)
    findings = () if view.prediction is None else view.prediction.findings
    return apply_rules(verdict, quality, findings, recipe.rules, recipe.mm_per_px)
