"""What the exported graphs say about parts that were kept apart: calibration, limits, parity, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
    calibrate,
    choose_policy,
    compare,
    graph_logits,
    require_parity,
    torch_logits,
)
from training.recipe import TrainingRecipe


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


def prove(graph: StationGraph, paths: Mapping[Precision, Path], material: Material, recipe: TrainingRecipe) -> Proof:
    """Calibrate on the calibration part, compare on the validation part; raises `ParityBroken`."""
    good = material.good_columns
    labels = material.calibration.labels.numpy()
    held = {name: graph_logits(path, material.calibration) for name, path in paths.items()}
    seen = {name: graph_logits(path, material.validation) for name, path in paths.items()}
    calibrations = {name: calibrate(logits, labels, good) for name, logits in held.items()}
    policy = _policy(held["cpu-int8"], calibrations["cpu-int8"], material, recipe)
    parity = _parity(torch_logits(graph, material.validation), seen, calibrations, policy, good, recipe)

    def measure(logits: Floats, calibration: Calibration) -> Measured:
        judged = judge(logits, calibration, policy, good)
        return Measured(logits, calibration, judged, material.validation.labels.numpy())

    return Proof(
        calibrations=calibrations,
        policy=policy,
        held={name: judge(logits, calibrations[name], policy, good) for name, logits in held.items()},
        measured={name: measure(logits, calibrations[name]) for name, logits in seen.items()},
        parity=parity,
    )


def _policy(logits: Floats, calibration: Calibration, material: Material, recipe: TrainingRecipe) -> Policy:
    good = material.good_columns
    defective = defect_probability(calibration.probabilities(logits, good), good)
    is_defect = material.calibration.is_defect(good)
    return choose_policy(defective, is_defect, recipe.policy, has_good=bool(good))


def _parity(
    fitted: Floats,
    seen: Mapping[Precision, Floats],
    calibrations: Mapping[Precision, Calibration],
    policy: Policy,
    good: tuple[int, ...],
    recipe: TrainingRecipe,
) -> Parity:
    floats, ints = ((seen[name], calibrations[name]) for name in ("float", "cpu-int8"))
    to_float: Difference = compare((fitted, calibrations["float"]), floats, policy, good)
    to_int8: Difference = compare(floats, ints, policy, good)
    require_parity(to_float, to_int8, recipe.quantise)
    return Parity(
        n=to_float.n,
        float_max_difference=to_float.probability,
        float_flips=to_float.flips,
        int8_max_difference=to_int8.probability,
        int8_flips=to_int8.flips,
    )
