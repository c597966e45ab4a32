"""The cheapest pair of limits among those that are certified: least review, or least expected cost.

Certified are all pairs with `pass_below` up to one limit and `reject_above` from another on. They are certified at
once, so which of them is taken may follow from the very parts that proved them.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from inspector.documents import Document
from inspector.errors import CertificateError
from inspector.held import Parts
from inspector.limits import Floats, Reach

THOUSAND = 1000


class Costs(Document):
    """What a mistake costs, in any one currency; a right verdict costs nothing beyond the part itself."""

    escape: float = Field(ge=0, description="cost of a defective part that passes")
    overkill: float = Field(ge=0, description="cost of a good part that is rejected")
    review: float = Field(ge=0, description="cost of a part that a person looks at")
    defect_share: float = Field(gt=0, lt=1, description="expected share of defective parts on the line")


def cheapest(parts: Parts, reach: Reach, costs: Costs | None) -> Reach:
    """Return the certified pair of least expected cost, without costs the one of least review.

    Raises:
        CertificateError: no limit up to 1 keeps the overkill bound, or the pair passes no good part.
    """
    if reach.reject_above > 1:
        raise CertificateError(
            "certificate refused: even a reject limit of 1 rejects more good parts than the overkill bound allows; "
            "expected fewer good parts with a defect probability of 1, or a larger bound"
        )
    limits = least_review(reach) if costs is None else least_cost(parts, reach, costs)
    if not (parts.passed(limits) & ~parts.is_defect).any():
        raise CertificateError(
            f"certificate refused: of {int((~parts.is_defect).sum())} good parts none lies below "
            f"{limits.pass_below:.4g} (at most {reach.pass_below:.4g} can be certified), so that every part would be "
            "stopped; expected a network that tells good from defective parts, or a larger escape bound"
        )
    return limits


def least_review(reach: Reach) -> Reach:
    """Return the certified pair with the least between its limits.

    Where the certified ranges overlap, nothing need be reviewed: one limit in the middle of the overlap is the farthest
    from where either rate would no longer be certified. Where they do not, the ends of both ranges are the pair.
    """
    if reach.pass_below >= reach.reject_above:
        middle = (reach.pass_below + reach.reject_above) / 2
        return Reach(middle, middle)
    return reach


def least_cost(parts: Parts, reach: Reach, costs: Costs) -> Reach:
    """Return the certified pair of least expected cost on these parts, by exact search over all their scores.

    The cost of a pair is a constant, one term in `pass_below` and one in `reject_above`, so the best partner of each
    reject limit is a running minimum. Of equal costs the pair that passes and rejects least is taken.
    """
    scores = np.concatenate([parts.pass_scores, parts.reject_scores])
    steps = np.unique(scores[scores <= 1])
    steps = np.concatenate([[0.0], steps, np.nextafter(steps, np.inf), [reach.pass_below, reach.reject_above, 1.0]])
    lower, upper = np.unique(steps[steps <= reach.pass_below]), _between(steps, reach.reject_above)
    by_pass, by_reject = _pass_costs(parts, lower, costs), _reject_costs(parts, upper, costs)
    partner = np.searchsorted(lower, upper, side="right") - 1
    total = by_reject + np.minimum.accumulate(by_pass)[partner]
    best = int(np.flatnonzero(_least(total))[-1])
    first = int(np.flatnonzero(_least(by_pass[: partner[best] + 1]))[0])
    return Reach(float(lower[first]), float(upper[best]))


def _between(steps: Floats, least: float) -> Floats:
    return np.unique(steps[(steps >= least) & (steps <= 1)])


def _least(costs: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where the least is reached, up to rounding."""
    return np.asarray(costs <= costs.min() + 1e-12 * np.abs(costs).max())


def _pass_costs(parts: Parts, limits: Floats, costs: Costs) -> Floats:
    """What a pass limit adds to the expected cost of a part: escapes, less the reviews that it saves. (L,)."""
    bad = _share_below(parts.pass_scores[parts.is_defect], limits)
    good = _share_below(parts.pass_scores[~parts.is_defect], limits)
    share = costs.defect_share
    return np.asarray(share * (costs.escape - costs.review) * bad - (1 - share) * costs.review * good)


def _reject_costs(parts: Parts, limits: Floats, costs: Costs) -> Floats:
    """The same of a reject limit: overkill, less the reviews that it saves. (L,)."""
    bad = 1 - _share_below(parts.reject_scores[parts.is_defect], limits)
    good = 1 - _share_below(parts.reject_scores[~parts.is_defect], limits)
    share = costs.defect_share
    return np.asarray((1 - share) * (costs.overkill - costs.review) * good - share * costs.review * bad)


def _share_below(scores: Floats, limits: Floats) -> Floats:
    return np.asarray(np.searchsorted(np.sort(scores), limits, side="left") / len(scores))


def cost_per_thousand(parts: Parts, limits: Reach, costs: Costs) -> float:
    """Return the expected cost of 1,000 parts of the line at `limits`, with the rates seen on these parts."""
    at = np.array([limits.pass_below]), np.array([limits.reject_above])
    decided = float(_pass_costs(parts, at[0], costs)[0] + _reject_costs(parts, at[1], costs)[0])
    return THOUSAND * (costs.review + decided)
