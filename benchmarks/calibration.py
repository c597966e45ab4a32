"""Do probabilities mean what they say? Random cuts of held parts by group: calibrate on one half, measure on the other.

    python -m benchmarks.calibration --held tiles BUNDLE DATASET good --held steel BUNDLE DATASET crazing --cache FOLDER

Scores are those of the quantised graph (`benchmarks.held`). A part's score is the log odds of any other class against
the one that counts as good. Keys are `NAME_METHOD_FIGURE`: `ece` (equal-mass, 15 bins), Brier score and log loss are
means over the cuts; `ece_lower_share` is the share of cuts with an ECE of at most 0.02, `ece_met_share` that of cuts
with such an ECE or a bootstrap interval (by group, basic) that reaches down to it, and `ece_met_percentile_share` the
same with plain percentiles, which add the upward bias of an ECE once more instead of taking it off. `NAME_ideal_...`
is what a perfectly calibrated model would show on these parts: truths drawn from the chosen probabilities, each part
by itself; `NAME_ideal_together_ece` the same where the parts of a group hang together as the residuals of one sigmoid
for all parts do (`residual_correlation`; normal scores with one share for all parts of a group). `fitted_on_test_ece`
is that of a sigmoid fitted on the half it is measured on, which nobody may do; `defect_share_gap` how far apart the
halves' shares of defective parts are on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.held import Cut, Held, cuts, held_parts
from inspector.calibration import Calibration, defect_score, fit_temperature, sigmoid
from inspector.calibration.choice import FITS, fit_as, fit_classes, fit_each_class, fit_part
from inspector.calibration.folds import group_numbers
from inspector.calibration.reliability import binned_ece, brier_score, log_loss, resamples
from training.outputs import modest_temperature

Floats = NDArray[np.float64]
FLOOR = 0.02


@dataclass(frozen=True, slots=True)
class Measured:
    """One method on the test half of one cut."""

    ece: float
    brier: float
    log_loss: float
    basic_low: float
    percentile_low: float

    def figures(self) -> tuple[float, ...]:
        met = self.ece <= FLOOR
        return (
            self.ece,
            self.brier,
            self.log_loss,
            float(met),
            float(met or self.basic_low <= FLOOR),
            float(met or self.percentile_low <= FLOOR),
        )


NAMES = ("ece", "brier", "log_loss", "ece_lower_share", "ece_met_share", "ece_met_percentile_share")


def main() -> None:
    parser = report.arguments("calibration of part scores on random cuts of held parts")
    parser.add_argument(
        "--held", nargs=4, action="append", required=True, metavar=("NAME", "BUNDLE", "DATASET", "GOOD")
    )
    parser.add_argument("--cuts", type=int, default=200, help="random cuts by group")
    parser.add_argument("--draws", type=int, default=400, help="bootstrap draws for each interval")
    parser.add_argument("--seed", type=int, default=0, help="of cuts, folds and draws")
    parser.add_argument("--cache", type=Path, required=True, help="folder where scores are kept")
    args = parser.parse_args()
    figures: dict[str, float | int | str | bool | None] = {"cuts": args.cuts, "draws": args.draws, "seed": args.seed}
    for name, bundle, dataset, good in args.held:
        held = held_parts(Path(bundle), Path(dataset), args.cache)
        figures |= {
            f"{name}_{key}": value for key, value in measure(held, good, args.cuts, args.draws, args.seed).items()
        }
    report.write(figures, args.json)


def measure(held: Held, good: str, count: int, draws: int, seed: int) -> dict[str, float | int | str]:
    """Return the figures of one data set."""
    scores, is_defect = defect_score(held.logits, (held.classes.index(good),)), held.is_defect(good)
    rows: dict[str, list[tuple[float, ...]]] = {}
    chosen: list[str] = []
    ideal: list[tuple[float, ...]] = []
    classes: list[tuple[float, ...]] = []
    gaps: list[float] = []
    together: list[float] = []
    own: list[float] = []
    whole = _platt(scores, is_defect, scores)
    residual = residual_correlation(whole, is_defect, held.groups)
    latent = latent_correlation(whole, held.groups, residual, seed)
    for number, cut in enumerate(cuts(held.groups, is_defect, count, seed)):
        said, method = _said(scores, is_defect, held.groups, cut, seed)
        groups = [held.groups[i] for i in cut[1]]
        for name, probability in said.items():
            rows.setdefault(name, []).append(_measured(probability, is_defect[cut[1]], groups, draws, seed).figures())
        chosen.append(method)
        gaps.append(abs(float(is_defect[cut[0]].mean() - is_defect[cut[1]].mean())))
        ideal.append(_ideal(said["chosen"], groups, draws, number).figures())
        alike = truths_together(said["chosen"], groups, latent, np.random.default_rng(number))
        together.append(binned_ece(said["chosen"], alike))
        own.append(binned_ece(_platt(scores[cut[1]], is_defect[cut[1]], scores[cut[1]]), is_defect[cut[1]]))
        classes.append(_classes(held, good, cut, seed))
    means = {f"{name}_{key}": round(value, 5) for name, found in rows.items() for key, value in _means(found).items()}
    return {
        **means,
        "chosen_to_uncalibrated_ece_ratio": round(means["chosen_ece"] / means["uncalibrated_ece"], 4),
        **{f"ideal_{key}": round(value, 5) for key, value in _means(ideal).items()},
        "ideal_together_ece": round(float(np.mean(together)), 5),
        "fitted_on_test_ece": round(float(np.mean(own)), 5),
        "residual_correlation": round(residual, 5),
        **{f"chose_{name}": chosen.count(name) for name in FITS},
        **dict(zip(CLASS_NAMES, _rounded(classes), strict=True)),
        "defect_share_gap": round(float(np.mean(gaps)), 5),
        "n": len(scores),
        "n_defect": int(is_defect.sum()),
        "groups": len(set(held.groups)),
        "good": good,
        "bundle": held.bundle[:16],
    }


def _said(
    scores: Floats, is_defect: NDArray[np.bool_], groups: Sequence[str], cut: Cut, seed: int
) -> tuple[dict[str, Floats], str]:
    """Probabilities of the test half by each method, the score itself, and the chosen one."""
    fit, test = cut
    said = {"uncalibrated": sigmoid(scores[test])}
    for name in FITS:
        said[name] = _calibration(fit_as(name, scores[fit], is_defect[fit]).fields()).part_probability(scores[test])
    found = fit_part(scores[fit], is_defect[fit], [groups[i] for i in fit], seed)
    said["chosen"] = _calibration(found.fields()).part_probability(scores[test])
    return said, found.method


def _calibration(fields: dict[str, object]) -> Calibration:
    return Calibration.model_validate({"temperature": 1.0, "n": 1, "n_defect": 0, **fields})


def _measured(said: Floats, is_defect: NDArray[np.bool_], groups: Sequence[str], draws: int, seed: int) -> Measured:
    ece = binned_ece(said, is_defect)
    drawn = [
        binned_ece(said[some], is_defect[some]) for some in resamples(group_numbers(groups, len(said)), draws, seed)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Measured(
        ece, brier_score(said, is_defect), log_loss(said, is_defect), max(0.0, 2 * ece - float(high)), float(low)
    )


def _ideal(said: Floats, groups: Sequence[str], draws: int, seed: int) -> Measured:
    """The same figures of these probabilities (N,) were they perfect, every part a draw of its own."""
    truth = np.random.default_rng(seed).random(len(said)) < said
    return _measured(said, truth, groups, draws, seed)


def _platt(scores: Floats, is_defect: NDArray[np.bool_], asked: Floats) -> Floats:
    return _calibration(fit_as("platt", scores, is_defect).fields()).part_probability(asked)


def residual_correlation(said: Floats, is_defect: NDArray[np.bool_], groups: Sequence[str]) -> float:
    """Mean product of the standardised residuals of two parts of one group, in shares of their mean square."""
    residuals = (is_defect - said) / np.sqrt(said * (1 - said))
    numbers = group_numbers(groups, len(said))
    sums, sizes = np.bincount(numbers, residuals), np.bincount(numbers)
    squares = float(residuals @ residuals)
    return (float(sums @ sums) - squares) / float(sizes @ (sizes - 1)) / (squares / len(said))


def truths_together(said: Floats, groups: Sequence[str], latent: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw truths (N,) that these probabilities are right of, with normal scores that a group's parts share partly."""
    numbers = group_numbers(groups, len(said))
    shared = rng.normal(size=int(numbers.max()) + 1)[numbers]
    scores = np.sqrt(latent) * shared + np.sqrt(1 - latent) * rng.normal(size=len(said))
    limits = [NormalDist().inv_cdf(each) for each in np.clip(said, 1e-12, 1 - 1e-12).tolist()]
    return np.asarray(scores < np.array(limits))


def latent_correlation(said: Floats, groups: Sequence[str], residual: float, seed: int) -> float:
    """Return the least of 0, 0.05, ... whose truths have at least that correlation of residuals, in the mean of 40."""
    rng = np.random.default_rng(seed)
    for latent in np.arange(0, 0.95, 0.05).tolist():
        drawn = [residual_correlation(said, truths_together(said, groups, latent, rng), groups) for _ in range(40)]
        if np.mean(drawn) >= residual:
            return float(latent)
    return 0.95


def _rounded(rows: Sequence[tuple[float, ...]]) -> list[float]:
    return [round(float(np.mean(column)), 5) for column in zip(*rows, strict=True)]


def _means(found: Sequence[tuple[float, ...]]) -> dict[str, float]:
    return dict(zip(NAMES, np.mean(found, axis=0).tolist(), strict=True))


CLASS_NAMES = (
    "classes_together_log_loss",
    "classes_apart_log_loss",
    "classes_chosen_log_loss",
    "classes_together_ece",
    "classes_apart_ece",
    "classes_chosen_ece",
    "classes_chose_apart_share",
)


def _classes(held: Held, good: str, cut: Cut, seed: int) -> tuple[float, ...]:
    """Log loss and ECE of the named class: one temperature for all, each class its own, and what is chosen."""
    fit, test = cut
    logits, labels = held.logits[fit], held.labels[fit]
    groups = [held.groups[i] for i in fit]
    every = fit_each_class(logits, labels) if len(np.unique(labels)) == len(held.classes) else ()
    chosen = fit_classes(logits, labels, groups, seed)
    temperature = max(fit_temperature(logits, labels), modest_temperature(logits))
    one = [_class_figures(held, test, temperature, classes) for classes in ((), every, chosen)]
    return (*(loss for loss, _ in one), *(ece for _, ece in one), float(bool(chosen)))


def _class_figures(held: Held, test: NDArray[np.intp], temperature: float, classes: object) -> tuple[float, float]:
    fields = {"temperature": temperature, "n": 1, "n_defect": 0, "classes": classes}
    said = Calibration.model_validate(fields).probabilities(held.logits[test], ())
    right = said.argmax(axis=1) == held.labels[test]
    loss = -np.log(np.clip(said[np.arange(len(test)), held.labels[test]], 1e-12, 1))
    return float(loss.mean()), binned_ece(said.max(axis=1), right)


if __name__ == "__main__":
    main()
