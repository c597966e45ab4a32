"""Do certified bounds hold? Certificates from known score models, and how often their true rates break the bounds.

    python -m benchmarks.certificates --json FILE

Each draw takes a model (separable, overlapping, heavily tied scores), a share of defects (0.1 % to 20 %), a number of
parts (60 to 5,000) and bounds, and calls what `inspector certify` calls. The true rates are known, so that a broken
bound is counted without an error of measurement: at the limits chosen, and at the ends of what is certified, which is
the sharper question. `*_nominal_share` is the error that the counts let the walks spend, that is, what scores without
ties should show at the ends.

A certificate is *possible* where the counts can prove both bounds without a miss, and the largest limit that truly
keeps the escape bound passes at least one good part in five. Draws go on until so many are possible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from inspector.certifying import Request, prove
from inspector.errors import CertificateError
from inspector.held import Parts
from inspector.limits import Claim, Reach, certified_reach
from inspector.risk import Rate
from inspector.verdict import Policy

Floats = NDArray[np.float64]
USED = Policy(pass_below=0.5, reject_above=0.5)
USEFUL = 0.2
CONFIDENCE = 0.95
BATCH = 20
"""Draws of each model in a row."""
ESCAPES = (0.01, 0.02, 0.05, 0.1, 0.2)
OVERKILLS = (0.02, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """Scores sigmoid(z) of normal z: mean -distance / 2 of good parts, +distance / 2 of defective ones.

    `step` rounds z, so that scores tie; `hidden` is the share of defective parts that look like good ones.
    """

    distance: float
    step: float = 0.0
    hidden: float = 0.0

    def draw(self, rng: np.random.Generator, is_defect: NDArray[np.bool_]) -> Floats:
        seen = is_defect & (rng.random(len(is_defect)) >= self.hidden)
        z = rng.normal(np.where(seen, self.distance / 2, -self.distance / 2))
        return 1 / (1 + np.exp(-(np.round(z / self.step) * self.step if self.step else z)))

    def below(self, limit: float, *, is_defect: bool) -> float:
        """Return the true probability that a part's score is below `limit`."""
        if limit <= 0 or limit > 1:
            return float(limit > 1)
        z = math.inf if limit == 1 else math.log(limit) - math.log1p(-limit)
        if self.step and math.isfinite(z):
            z = self._edge(limit, z)
        good, bad = _normal_cdf(z + self.distance / 2), _normal_cdf(z - self.distance / 2)
        return self.hidden * good + (1 - self.hidden) * bad if is_defect else good

    def _edge(self, limit: float, z: float) -> float:
        """Upper edge of the last cell whose score, as `draw` computes it, is below `limit`."""
        cells = np.round(z / self.step) + np.arange(-2, 3)
        below = 1 / (1 + np.exp(-(cells * self.step))) < limit
        return float((cells[below][-1] + 0.5) * self.step)


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


MODELS = {
    "separable": ScoreModel(8.0),
    "overlapping": ScoreModel(2.5),
    "overlapping_hidden": ScoreModel(5.0, hidden=0.03),
    "tied": ScoreModel(4.0, step=1.0),
    "heavily_tied": ScoreModel(4.0, step=2.0),
}


@dataclass(frozen=True, slots=True)
class Draw:
    """One attempt at a certificate."""

    model: str
    countable: bool
    """The counts can prove both bounds without a miss."""
    possible: bool
    issued: bool = False
    escape_broken: bool = False
    overkill_broken: bool = False
    escape_end_broken: bool = False
    overkill_end_broken: bool = False
    escape_nominal: float = 0.0
    overkill_nominal: float = 0.0
    good_passed: float = 0.0
    """True share of good parts that pass."""


def attempt(rng: np.random.Generator, name: str) -> Draw:
    """Draw parts and try to certify them; whatever is refused counts as refused."""
    model = MODELS[name]
    n = int(np.exp(rng.uniform(np.log(60), np.log(5000))))
    is_defect = rng.random(n) < np.exp(rng.uniform(np.log(0.001), np.log(0.2)))
    claim = Claim(escape=float(rng.choice(ESCAPES)), overkill=float(rng.choice(OVERKILLS)), confidence=CONFIDENCE)
    scores = model.draw(rng, is_defect)
    kinds = tuple(("defect",) if defect else () for defect in is_defect)
    parts = Parts(scores, scores, is_defect, kinds, tuple(map(str, range(n))))
    countable = (1 - claim.escape) ** is_defect.sum() + (1 - claim.overkill) ** (~is_defect).sum() <= claim.error
    draw = Draw(name, bool(countable), bool(countable) and _passing_at_bound(model, claim.escape) >= USEFUL)
    try:
        limits = prove(parts, Request(claim, unit="part"), USED).limits
    except CertificateError:
        return draw
    reach, allowance = certified_reach(parts.held((), "part"), claim)
    return replace(
        _checked(draw, model, claim, limits, reach),
        escape_nominal=allowance.escape_error,
        overkill_nominal=allowance.overkill_error,
    )


def _checked(draw: Draw, model: ScoreModel, claim: Claim, limits: Reach, reach: Reach) -> Draw:
    return replace(
        draw,
        issued=True,
        escape_broken=model.below(limits.pass_below, is_defect=True) > claim.escape,
        overkill_broken=1 - model.below(limits.reject_above, is_defect=False) > claim.overkill,
        escape_end_broken=model.below(reach.pass_below, is_defect=True) > claim.escape,
        overkill_end_broken=1 - model.below(reach.reject_above, is_defect=False) > claim.overkill,
        good_passed=model.below(limits.pass_below, is_defect=False),
    )


def _passing_at_bound(model: ScoreModel, escape: float) -> float:
    """Return the true share of good parts below the largest limit whose true escape rate keeps the bound."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if model.below(middle, is_defect=True) <= escape else (low, middle)
    return model.below(low, is_defect=False)


def figures(possible: int, seed: int) -> dict[str, float | int | str | bool | None]:
    """Return broken bounds and issued certificates, over all models and of each."""
    rng = np.random.default_rng(seed)
    names = sorted(MODELS)
    made: list[Draw] = []
    while sum(draw.possible for draw in made) < possible:
        made += [attempt(rng, name) for name in names for _ in range(BATCH)]
    each = {f"{name}_{key}": value for name in names for key, value in _counts(made, name).items()}
    return {**_counts(made, None), **each, "draws": len(made), "seed": seed, "confidence": CONFIDENCE}


def _counts(draws: Sequence[Draw], model: str | None) -> dict[str, float | int]:
    mine = [draw for draw in draws if model in (None, draw.model)]
    issued = [draw for draw in mine if draw.issued]
    either = sum(draw.escape_end_broken or draw.overkill_end_broken for draw in issued)
    events = ("escape_broken", "overkill_broken", "escape_end_broken", "overkill_end_broken")
    return {
        **{f"{event}_share": sum(getattr(draw, event) for draw in issued) / len(issued) for event in events},
        "either_end_broken_share": either / len(issued),
        "either_end_broken_at_least_99_share": Rate(either, len(issued)).lower(0.99),
        "escape_nominal_share": float(np.mean([draw.escape_nominal for draw in issued])),
        "overkill_nominal_share": float(np.mean([draw.overkill_nominal for draw in issued])),
        "issued": len(issued),
        "issued_where_possible_share": _issued_share([draw for draw in mine if draw.possible]),
        "issued_where_countable_share": _issued_share([draw for draw in mine if draw.countable]),
        "good_passed_mean_share": float(np.mean([draw.good_passed for draw in issued])),
    }


def _issued_share(draws: Sequence[Draw]) -> float:
    return sum(draw.issued for draw in draws) / len(draws)


def main() -> None:
    parser = report.arguments("validity of certificates by simulation")
    parser.add_argument("--possible", type=int, default=2000, help="draws in which a certificate is possible")
    parser.add_argument("--seed", type=int, default=0, help="seed of all draws")
    args = parser.parse_args()
    report.write(figures(args.possible, args.seed), args.json)


if __name__ == "__main__":
    main()
