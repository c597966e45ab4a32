"""What the calibration part settles for an embedding: match probability, references, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest, Precision
from inspector.calibration import Calibration, Platt, fit_platt
from inspector.dataset import Sample
from inspector.errors import DatasetError
from inspector.matching import References, as_references, similarities, unit, variant_probabilities
from inspector.runtimes import Outputs
from inspector.verdict import Policy
from training.delivery import Calibrated, Delivery
from training.embed.recipe import EmbedRecipe
from training.outputs import choose_policy
from training.scoring import judge, predictions

DIGITS = 6
DRAWS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MatchCalibration:
    """A `training.delivery.Calibrate`: each precision has its own; the limits are those of the quantised graph."""

    recipe: EmbedRecipe
    seed: int

    def __call__(
        self, delivery: Delivery, draft: Manifest, outputs: Mapping[Precision, Sequence[Outputs]]
    ) -> Calibrated:
        samples = delivery.calibration.samples
        chosen = choose_references(samples, self.recipe.metric.references)
        embeddings = {name: _embeddings(one) for name, one in outputs.items()}
        calibrations = {
            name: self._calibration(rows, samples, chosen, delivery.classes) for name, rows in embeddings.items()
        }
        quantised = calibrations["cpu-int8"].platt
        if quantised is None:
            raise ValueError("a match calibration without Platt scaling")
        policy = self._policy(embeddings["cpu-int8"], samples, chosen, quantised)
        held = {
            name: judge(
                delivery.calibration,
                predictions(draft, calibrations[name], one, delivery.calibration),
                policy,
                delivery.good,
            )
            for name, one in outputs.items()
        }
        return Calibrated(calibrations, policy, held)

    def _calibration(
        self, embeddings: Floats, samples: Sequence[Sample], chosen: Mapping[str, Sequence[int]], known: Sequence[str]
    ) -> Calibration:
        kept = {label: embeddings[list(chosen[label])].round(DIGITS).tolist() for label in known if label in chosen}
        return Calibration(
            temperature=1.0,
            platt=fit_match(embeddings, samples, self.recipe.metric.typical_references, self.seed),
            n=len(samples),
            n_defect=sum(sample.label not in known for sample in samples),
            references={label: tuple(tuple(row) for row in rows) for label, rows in kept.items()},
        )

    def _policy(
        self, embeddings: Floats, samples: Sequence[Sample], chosen: Mapping[str, Sequence[int]], platt: Platt
    ) -> Policy:
        mismatch, is_wrong = expectations(embeddings, samples, chosen, platt)
        policy = choose_policy(mismatch, is_wrong, self.recipe.policy, has_good=True)
        return policy.model_copy(update={"review_novelty": self.recipe.metric.review_novelty})


def fit_match(embeddings: Floats, samples: Sequence[Sample], references: int, seed: int) -> Platt:
    """Platt on what a station will compare: the mean cosine of a part to so many references of a variant.

    References are drawn anew for each of `DRAWS` rounds, from groups whose other parts are then not asked about. There
    are as many pairs of the same variant as of different ones: the probability is at even odds.
    """
    rng = np.random.default_rng(seed)
    rounds = [_round(embeddings, samples, references, rng) for _ in range(DRAWS)]
    similarity, same = (np.concatenate(parts) for parts in zip(*rounds, strict=True))
    count = min(int(same.sum()), int((~same).sum()))
    if count == 0:
        raise DatasetError(
            "calibration: expected parts of the same and of different variants in unlike groups; give more groups"
        )
    chosen = np.concatenate([rng.choice(np.flatnonzero(same == kind), count, replace=False) for kind in (True, False)])
    return fit_platt(similarity[chosen], same[chosen])


def _round(
    embeddings: Floats, samples: Sequence[Sample], references: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Similarity and its truth, (Q * V,), of every part against every variant that has groups to spare."""
    chosen = {label: _drawn(samples, label, references, rng) for label in sorted({s.label for s in samples})}
    known = {label: embeddings[rows] for label, rows in chosen.items() if rows}
    taken = {samples[i].group for rows in chosen.values() for i in rows}
    asked = [i for i, sample in enumerate(samples) if sample.group not in taken]
    if not known or not asked:
        return np.zeros(0), np.zeros(0, bool)
    same = np.array([[samples[i].label == label for label in known] for i in asked])
    return similarities(embeddings[asked], known).reshape(-1), same.reshape(-1)


def _drawn(samples: Sequence[Sample], label: str, most: int, rng: np.random.Generator) -> list[int]:
    """One part each of at most `most` groups of a variant, one group at least being left over."""
    groups: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        if sample.label == label:
            groups.setdefault(sample.group, []).append(i)
    names = [sorted(groups)[k] for k in rng.permutation(len(groups))[: min(most, len(groups) - 1)]]
    return [int(rng.choice(groups[name])) for name in names]


def choose_references(samples: Sequence[Sample], most: int) -> dict[str, tuple[int, ...]]:
    """Positions of at most `most` parts of each label, of different groups, and never all parts of a label."""
    chosen: dict[str, list[int]] = {}
    for label in sorted({sample.label for sample in samples}):
        mine = [i for i, sample in enumerate(samples) if sample.label == label]
        first = {samples[i].group: i for i in reversed(mine)}
        chosen[label] = sorted(first.values())[: max(1, min(most, len(mine) // 2))]
    return {label: tuple(positions) for label, positions in chosen.items()}


def expectations(
    embeddings: Floats, samples: Sequence[Sample], chosen: Mapping[str, Sequence[int]], platt: Platt
) -> tuple[Floats, NDArray[np.bool_]]:
    """Probability of a mismatch and its truth, (Q * V,), of every part that is no reference against every variant."""
    references: References = as_references({label: embeddings[list(rows)].tolist() for label, rows in chosen.items()})
    taken = {i for rows in chosen.values() for i in rows}
    queries = [i for i in range(len(samples)) if i not in taken]
    probabilities = variant_probabilities(similarities(unit(embeddings[queries]), references), platt)[:, :-1]
    wrong = np.array([[samples[i].label != label for label in references] for i in queries])
    return (1 - probabilities).reshape(-1), wrong.reshape(-1)


def _embeddings(outputs: Sequence[Outputs]) -> Floats:
    return unit(np.concatenate([one["embedding"] for one in outputs]).astype(np.float64))
