"""Certificates on real parts: certify on one half of the held groups, count on the other, many times over.

    python -m benchmarks.certified_splits BUNDLE DATASET --good LABEL,... --splits 200 --json FILE

Held parts (`val`) are judged once, by the line's own inspection; where the bundle has no good class (`--good` names
some), a part's probability of a defect is the sum over the others. Groups are split at random, half and half. On each
split the least escape bound that the calibration half can prove is claimed (and 1.5 times it, so that misses may be
allowed), and the true rate of the test half is compared with it.

The test half is small, so its rate can exceed a bound that holds. `exceeded` is the raw share of splits in which the
counted rate is above the bound, over groups (a group escapes with any of its parts) and over parts. `refuted` counts
splits whose test half refutes the bound at 95 % by the exact test: where all bounds hold exactly at their limit that
happens in at most 5 % + 5 %.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from inspector.bundle import load_bundle
from inspector.certifying import held_parts
from inspector.dataset import SPLITS, read_dataset
from inspector.errors import CertificateError
from inspector.evaluation import judge
from inspector.figures import JudgedPart
from inspector.held import Parts, Unit
from inspector.inspection import Inspector
from inspector.limits import ANY, GOOD, Claim, Held, Reach, certified_reach, misses_at
from inspector.recipe import Recipe
from inspector.risk import Rate, binomial_cdf, refuting
from inspector.samples import Split as DatasetSplit

CONFIDENCE = 0.95
BOUNDS = tuple(round(0.005 * step, 3) for step in range(1, 199))


@dataclass(frozen=True, slots=True)
class Split:
    """One certificate and what the other half says of it."""

    escape: float
    groups: Rate
    parts: Rate
    overkill: float
    good_groups: Rate

    def refuted(self, rate: Rate, bound: float) -> bool:
        """Is a rate as high as this on the test half improbable (below 5 %) if the bound holds?"""
        return rate.count > 0 and 1 - binomial_cdf(rate.count - 1, rate.n, bound) < 1 - CONFIDENCE


def judged_parts(bundle: Path, dataset: Path, good: Sequence[str], split: DatasetSplit) -> Parts:
    """Judge all parts of a split; `good` are the labels that count as good."""
    inspector = Inspector(load_bundle(bundle), Recipe())
    rows = read_dataset(dataset, good=good, splits=(split,)).select(split)
    judged = judge(inspector, rows, lambda _: None)
    own = inspector.bundle.manifest.good
    if set(own) == set(good):
        return held_parts(judged, inspector.policy)
    return _as_if_good(judged, inspector.names, good)


def _as_if_good(judged: Sequence[JudgedPart], names: Sequence[str], good: Sequence[str]) -> Parts:
    columns = [names.index(name) for name in good]
    chances = np.array([part.prediction.class_probabilities for part in judged])
    scores = np.clip(1 - chances[:, columns].sum(axis=1), 0, 1)
    is_defect = np.array([part.sample.label not in good for part in judged], bool)
    kinds = tuple((part.sample.label,) if part.sample.label not in good else () for part in judged)
    return Parts(scores, scores, is_defect, kinds, tuple(part.sample.group for part in judged))


def halves(parts: Parts, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """Split by group, at random."""
    names = np.unique(parts.groups)
    chosen = set(rng.permutation(names)[: len(names) // 2].tolist())
    first = np.array([group in chosen for group in parts.groups])
    return _taken(parts, first), _taken(parts, ~first)


def _taken(parts: Parts, chosen: NDArray[np.bool_]) -> Parts:
    rows = np.flatnonzero(chosen)
    return Parts(
        parts.pass_scores[rows],
        parts.reject_scores[rows],
        parts.is_defect[rows],
        tuple(parts.kinds[i] for i in rows),
        tuple(parts.groups[i] for i in rows),
    )


def claim_for(held: Held, slack: float) -> Claim:
    """Return the least bounds that the counts can prove, times `slack`; half of the error for each."""
    share = (1 - CONFIDENCE) / 2
    escape, overkill = (_least_bound(n, share) * slack for n in (held.defective[ANY].size, held.good.size))
    return Claim(escape=min(escape, 0.95), overkill=min(overkill, 0.95), confidence=CONFIDENCE)


def _least_bound(n: int, error: float) -> float:
    return next(bound for bound in BOUNDS if refuting(n, bound, error).size)


def one_split(parts: Parts, unit: Unit, slack: float, rng: np.random.Generator) -> Split | None:
    """Certify on one half, count on the other; None where a half lacks good or defective parts."""
    first, second = halves(parts, rng)
    try:
        held = first.held((), unit)
        claim = claim_for(held, slack)
        reach, _ = certified_reach(held, claim)
    except (CertificateError, StopIteration):
        return None
    return _counted(second, reach, claim)


def _counted(test: Parts, reach: Reach, claim: Claim) -> Split | None:
    groups, singly = test.held((), "group"), test.held((), "part")
    if not groups.defective[ANY].size or not groups.good.size:
        return None
    by_group, by_part = misses_at(groups, reach), misses_at(singly, reach)
    return Split(
        claim.escape,
        Rate(by_group[ANY], groups.defective[ANY].size),
        Rate(by_part[ANY], singly.defective[ANY].size),
        claim.overkill,
        Rate(by_group[GOOD], groups.good.size),
    )


def figures(parts: Parts, splits: int, seed: int) -> dict[str, float | int | str | bool | None]:
    """Return exceeded and refuted bounds, for both units and both sizes of the claim."""
    found: dict[str, float | int | str | bool | None] = {
        "parts": len(parts),
        "groups": len(set(parts.groups)),
        "defective": int(parts.is_defect.sum()),
    }
    units: tuple[Unit, ...] = ("group", "part")
    for unit in units:
        for slack in (1.0, 1.5):
            rng = np.random.default_rng(seed)
            made = [one_split(parts, unit, slack, rng) for _ in range(splits)]
            named = _shares([split for split in made if split is not None])
            found |= {f"by_{unit}_slack_{slack:g}_{name}": value for name, value in named.items()}
    return found


def _shares(made: Sequence[Split]) -> dict[str, float | int]:
    return {
        "splits": len(made),
        "escape_bound_mean": float(np.mean([split.escape for split in made])),
        "exceeded_by_groups_share": float(np.mean([split.groups.value > split.escape for split in made])),
        "exceeded_by_parts_share": float(np.mean([split.parts.value > split.escape for split in made])),
        "refuted_by_groups_share": float(np.mean([split.refuted(split.groups, split.escape) for split in made])),
        "refuted_by_parts_share": float(np.mean([split.refuted(split.parts, split.escape) for split in made])),
        "overkill_exceeded_share": float(np.mean([split.good_groups.value > split.overkill for split in made])),
        "overkill_refuted_share": float(np.mean([split.refuted(split.good_groups, split.overkill) for split in made])),
        "escape_on_test_mean": float(np.mean([split.parts.value for split in made])),
    }


def main() -> None:
    parser = report.arguments("certificates on random halves of real held parts")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle whose fitting part had no held group")
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="labelled folder")
    parser.add_argument("--good", default="good", metavar="LABEL,...", help="labels that count as good")
    parser.add_argument("--split", choices=SPLITS, default="val", help="rows that are held")
    parser.add_argument("--splits", type=int, default=200, help="random halves")
    parser.add_argument("--seed", type=int, default=0, help="seed of the halves")
    parser.add_argument(
        "--scores", type=Path, default=None, metavar="FILE", help="keeps the scores between runs with one bundle"
    )
    args = parser.parse_args()
    parts = _scored(args.scores, args.bundle, args.dataset, tuple(args.good.split(",")), args.split)
    report.write({**figures(parts, args.splits, args.seed), "seed": args.seed}, args.json)


def _scored(kept: Path | None, bundle: Path, dataset: Path, good: Sequence[str], split: DatasetSplit) -> Parts:
    question = [str(bundle.resolve()), str(dataset.resolve()), list(good), split]
    rows = json.loads(kept.read_text()) if kept is not None and kept.is_file() else {}
    if rows.get("question") == question:
        passing, rejecting = np.array(rows["pass"], np.float64), np.array(rows["reject"], np.float64)
        kinds = tuple(tuple(mine) for mine in rows["kinds"])
        return Parts(passing, rejecting, np.array(rows["is_defect"], bool), kinds, tuple(rows["groups"]))
    parts = judged_parts(bundle, dataset, good, split)
    if kept is not None:
        kept.write_text(
            json.dumps(
                {
                    "question": question,
                    "pass": parts.pass_scores.tolist(),
                    "reject": parts.reject_scores.tolist(),
                    "is_defect": parts.is_defect.tolist(),
                    "kinds": parts.kinds,
                    "groups": parts.groups,
                }
            )
        )
    return parts


if __name__ == "__main__":
    main()
