"""What the exported graphs say about parts that were kept apart: calibration, limits, parity, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector import metrics
from inspector.bundle import Parity, Precision
from inspector.calibration import Calibration, defect_probability
from inspector.verdict import Policy
from training.card import Measured
from training.golden import Judged, judge
from training.graph import StationGraph
from training.material import Material
from training.outputs import (
    Difference,
    Floats,
    Said,
    calibrate,
    choose_policy,
    compare,
    graph_said,
    require_parity,
    torch_said,
)
from training.pictures import Pictures
from training.recipe import TrainingRecipe
from training.scoring import require_small_drop
from training.shortfall import described


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Each precision with its own calibration; the limits are those that the quantised graph needs."""

    calibrations: dict[Precision, Calibration]
    policy: Policy
    held: dict[Precision, Judged]
    """On the calibration part."""
    measured: dict[Precision, Measured]
    """On the validation part."""
    parity: Parity


def prove(
    graph: StationGraph,
    outputs: Sequence[str],
    paths: Mapping[Precision, Path],
    material: Material,
    recipe: TrainingRecipe,
) -> Proof:
    """Calibrate on the calibration part, compare on the validation part; raises `ParityBroken`, `QuantisationDrop`."""
    good = material.good_columns
    labels, groups = material.calibration.labels.numpy(), material.calibration.groups
    held = {name: graph_said(path, material.calibration) for name, path in paths.items()}
    seen = {name: graph_said(path, material.validation) for name, path in paths.items()}
    serving = held["cpu-int8"]
    chosen = calibrate(serving.logits, labels, good, serving.distance, groups)
    calibrations = {
        name: calibrate(said.logits, labels, good, said.distance, groups, chosen) for name, said in held.items()
    }
    calibrations["cpu-int8"] = chosen
    policy = _policy(held["cpu-int8"].logits, calibrations["cpu-int8"], material, recipe)
    parity = _parity(torch_said(graph, outputs, material.validation), seen, calibrations, policy, good, recipe)
    _require_small_drops(seen, calibrations, material, recipe)

    def measure(said: Said, calibration: Calibration) -> Measured:
        judged = judge(said, calibration, policy, good)
        labels, groups = material.validation.labels.numpy(), material.validation.groups
        return Measured(said.logits, calibration, judged, labels, groups)

    return Proof(
        calibrations=calibrations,
        policy=policy,
        held={name: judge(said, calibrations[name], policy, good) for name, said in held.items()},
        measured={name: measure(said, calibrations[name]) for name, said in seen.items()},
        parity=parity,
    )


class LogitJudge:
    """Holds a quantised classifier against the float one on the calibration part, each with its own calibration."""

    def __init__(self, float_path: Path, material: Material, recipe: TrainingRecipe) -> None:
        self.material, self.recipe = material, recipe
        self.before = self._calibrated(float_path)

    def complaint(self, path: Path) -> str:
        good, pictures = self.material.good_columns, self.material.calibration
        after = self._calibrated(path, self.before[1])
        policy = _policy(after[0].logits, after[1], self.material, self.recipe)
        difference = compare(self.before, after, policy, good)
        figures = tuple(headline(*said, pictures, good)[1] for said in (self.before, after))
        return described(
            difference.flips, difference.n, difference.certain_passed, (figures[0], figures[1]), self.recipe.quantise
        )

    def _calibrated(self, path: Path, like: Calibration | None = None) -> tuple[Said, Calibration]:
        said, pictures = graph_said(path, self.material.calibration), self.material.calibration
        labels, good = pictures.labels.numpy(), self.material.good_columns
        calibration = calibrate(said.logits, labels, good, said.distance, pictures.groups, like)
        return said, calibration


def headline(
    said: Said, calibration: Calibration, pictures: Pictures, good_columns: Sequence[int]
) -> tuple[str, float]:
    """Return the figure whose drop is bounded: AUROC where good and defective parts are there, else accuracy."""
    probabilities = calibration.probabilities(said.logits, good_columns)
    is_defect = pictures.is_defect(good_columns)
    if is_defect.all() or not is_defect.any():
        return "accuracy", float((probabilities.argmax(1) == pictures.labels.numpy()).mean())
    return "AUROC", metrics.auroc(defect_probability(probabilities, good_columns), is_defect)


def _require_small_drops(
    seen: Mapping[Precision, Said],
    calibrations: Mapping[Precision, Calibration],
    material: Material,
    recipe: TrainingRecipe,
) -> None:
    figures = {
        name: headline(said, calibrations[name], material.validation, material.good_columns)
        for name, said in seen.items()
    }
    for name, (metric, value) in figures.items():
        require_small_drop(f"{name} {metric}", figures["float"][1], value, recipe.quantise.max_drop)


def _policy(logits: Floats, calibration: Calibration, material: Material, recipe: TrainingRecipe) -> Policy:
    good = material.good_columns
    defective = defect_probability(calibration.probabilities(logits, good), good)
    is_defect = material.calibration.is_defect(good)
    return choose_policy(defective, is_defect, recipe.policy, has_good=bool(good))


def _parity(
    fitted: Said,
    seen: Mapping[Precision, Said],
    calibrations: Mapping[Precision, Calibration],
    policy: Policy,
    good: tuple[int, ...],
    recipe: TrainingRecipe,
) -> Parity:
    floats, ints, symmetric = ((seen[name], calibrations[name]) for name in ("float", "cpu-int8", "trt-int8"))
    to_float: Difference = compare((fitted, calibrations["float"]), floats, policy, good)
    to_int8: Difference = compare(floats, ints, policy, good)
    to_trt: Difference = compare(floats, symmetric, policy, good)
    require_parity(to_float, to_int8, recipe.quantise, to_trt)
    return Parity(
        n=to_float.n,
        float_max_difference=to_float.probability,
        float_flips=to_float.flips,
        int8_max_difference=to_int8.probability,
        int8_flips=to_int8.flips,
        int8_renamed=to_int8.renamed,
        int8_rejects_passed=to_int8.rejects_passed,
        trt_int8_max_difference=to_trt.probability,
        trt_int8_flips=to_trt.flips,
        trt_int8_rejects_passed=to_trt.rejects_passed,
    )
