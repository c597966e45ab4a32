"""Does the audit's bound cover, and how wide is it? Simulated lines, drawn and labelled many times.

    python -m benchmarks.audit --json FILE

A line has 20,000 passes, 5 % of them near the limit. Its escapes are spread evenly over the passes, or four in five of
them are near the limit, as with scores that mean something. Two plans ask for equally many labels: one share for all,
and ten times the share near the limit. Beside each stands the naive way: as many labels of a simple random sample, and
the binomial limit of Clopper and Pearson. `width_ratio` is the mean upper bound over that of the naive way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks import report
from inspector.audit import AuditedStratum, EscapeEstimate, estimate_escapes
from inspector.risk import Rate

PASSES, NEAR = 20_000, 1_000
ESCAPES = (0.0001, 0.001, 0.005, 0.02)
LABELS = (0.005, 0.02, 0.1)
NEAR_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Line:
    """Passes and escapes, far from the limit and near it."""

    name: str
    escapes: tuple[int, int]
    sizes: tuple[int, int] = (PASSES - NEAR, NEAR)


@dataclass(frozen=True, slots=True)
class Plan:
    """Probability to be drawn, far from the limit and near it; with one stratum, both are the same."""

    name: str
    shares: tuple[float, float]
    strata: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the draws of one line by one plan gave."""

    covered: int
    interval_covered: int
    bound: float
    """Mean upper bound, as a share of the passes."""
    naive_bound: float
    naive_covered: int
    bias: float
    """Mean estimate less the truth, as a share of the passes."""


def main() -> None:
    parser = report.arguments("coverage and width of the audit's bounds")
    parser.add_argument("--draws", type=int, default=2000, help="draws of each line by each plan")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    report.write(measure(args.draws, args.seed), args.json)


def measure(draws: int, seed: int) -> report.Figures:
    rng = np.random.default_rng(seed)
    seen = {(line, plan): _simulate(line, plan, draws, rng) for line, plan in _settings()}
    coverages = {key: one.covered / draws for key, one in seen.items()}
    floor = 0.95 - 3 * math.sqrt(0.05 * 0.95 / draws)
    banded = [one.bound / one.naive_bound for (_, plan), one in seen.items() if plan.strata == 2]
    plain = [one.bound / one.naive_bound for (_, plan), one in seen.items() if plan.strata == 1]
    figures: dict[str, float | int] = {
        "coverage_least": min(coverages.values()),
        "coverage_floor": floor,
        "settings_below_floor": sum(value < floor for value in coverages.values()),
        "interval_coverage_least": min(one.interval_covered for one in seen.values()) / draws,
        "naive_coverage_least": min(one.naive_covered for one in seen.values()) / draws,
        "width_ratio_one_share_mean": float(np.mean(plain)),
        "width_ratio_bands_least": min(banded),
        "width_ratio_bands_greatest": max(banded),
        "bias_greatest_percent_of_passes": 100 * max(abs(one.bias) for one in seen.values()),
        "settings": len(seen),
        "draws": draws,
    }
    for (line, plan), one in seen.items():
        name = f"{line.name}_{plan.name}"
        figures[f"{name}_coverage"] = one.covered / draws
        figures[f"{name}_at_most_percent"] = 100 * one.bound
        figures[f"{name}_width_ratio"] = one.bound / one.naive_bound
    return figures


def _settings() -> Iterator[tuple[Line, Plan]]:
    for share, informative, labels in product(ESCAPES, (False, True), LABELS):
        bad = round(share * PASSES)
        near = round(bad * (0.8 if informative else NEAR / PASSES))
        words = "telling" if informative else "idle"
        line = Line(f"escapes_{100 * share:g}_percent_{words}_scores", (bad - near, near))
        yield line, Plan(f"labels_{100 * labels:g}_percent_one_share", (labels, labels), 1)
        yield line, Plan(f"labels_{100 * labels:g}_percent_bands", _banded(labels), 2)


def _banded(labels: float) -> tuple[float, float]:
    """Shares that ask for as many labels as one share would, with more of them near the limit."""
    far = labels * PASSES / (PASSES - NEAR + NEAR_FACTOR * NEAR)
    near = min(1.0, NEAR_FACTOR * far)
    return (labels * PASSES - near * NEAR) / (PASSES - NEAR), near


def _simulate(line: Line, plan: Plan, draws: int, rng: np.random.Generator) -> Seen:
    truth = sum(line.escapes)
    covered = interval = naive_covered = 0
    bounds, naive, estimates = [], [], []
    for _ in range(draws):
        estimate = _draw(line, plan, rng)
        found = int(rng.hypergeometric(truth, PASSES - truth, estimate.labelled))
        naive.append(_clopper_pearson(found, estimate.labelled))
        naive_covered += naive[-1] * PASSES >= truth
        covered += estimate.bounds.at_most >= truth
        interval += estimate.bounds.low <= truth <= estimate.bounds.high
        bounds.append(estimate.at_most)
        estimates.append(estimate.hajek)
    bias = (float(np.mean(estimates)) - truth) / PASSES
    return Seen(covered, interval, float(np.mean(bounds)), float(np.mean(naive)), naive_covered, bias)


def _draw(line: Line, plan: Plan, rng: np.random.Generator) -> EscapeEstimate:
    """Draw each pass by itself with its probability, and label all that were drawn."""
    drawn = [int(rng.binomial(size, share)) for size, share in zip(line.sizes, plan.shares, strict=True)]
    found = [
        int(rng.hypergeometric(bad, size - bad, count))
        for bad, size, count in zip(line.escapes, line.sizes, drawn, strict=True)
    ]
    if plan.strata == 1:
        return estimate_escapes([AuditedStratum("all", plan.shares[0], PASSES, sum(drawn), sum(drawn), sum(found))])
    return estimate_escapes(
        [
            AuditedStratum(name, share, size, count, count, bad)
            for name, share, size, count, bad in zip(
                ("far", "near"), plan.shares, line.sizes, drawn, found, strict=True
            )
        ]
    )


def _clopper_pearson(found: int, labelled: int) -> float:
    return Rate(found, labelled).upper() if labelled else 1.0


if __name__ == "__main__":
    main()
