"""From raw part scores to probabilities, limits and proof, for tasks whose network gives a part one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.bundle import Manifest, Parity, Precision
from inspector.calibration import Calibration, Method, Platt, fit_conformal
from inspector.errors import UserError
from inspector.figures import JudgedPart
from inspector.heads import load_head
from inspector.runtimes import Outputs, RuntimeSettings, load_runtime
from inspector.values import Outcome, Prediction, Quality
from inspector.verdict import Policy, decide
from training.graph import StationGraph
from training.outputs import Floats, ParityBroken
from training.part_calibration import fit_scores
from training.recipe import QuantiseRecipe
from training.viewed import Viewed

IDENTITY = Calibration(temperature=1.0, platt=Platt(slope=1.0, intercept=0.0), n=1, n_defect=0)
"""Heads give raw scores with any calibration; this one is for when there is none yet."""
UNSEEN = Quality(focus=0.0, brightness=0.0, dark_share=0.0, saturated_share=0.0)
CERTAIN = 20.0
"""Log odds of a defect where no part can be good."""
USUAL_GOOD = 0.95
LEAST_SPAN = 0.1
"""Of the middle score: a few good parts that happen to be alike do not make the next one strange."""
SURE = 0.9
"""A defect of at least this probability is a certain one, which no other graph of the bundle may pass."""
Pair = tuple[Sequence[JudgedPart], Sequence[JudgedPart]]


class QuantisationDrop(UserError):
    """The int8 graph is worse than the recipe allows."""


def graph_outputs(path: Path, viewed: Viewed) -> list[Outputs]:
    """Outputs of an exported graph, one picture at a time and on the runtime of the line."""
    runtime = load_runtime(path, RuntimeSettings())
    return [runtime.run(viewed.pictures(i)) for i in range(len(viewed))]


def torch_outputs(graph: StationGraph, names: Sequence[str], viewed: Viewed) -> list[Outputs]:
    """Outputs of the network as it was fitted, in float32."""
    graph = graph.eval()
    found: list[Outputs] = []
    with torch.no_grad():
        for i in range(len(viewed)):
            given = graph(torch.from_numpy(viewed.pictures(i)))
            tensors = given if isinstance(given, tuple) else (given,)
            found.append({name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)})
    return found


def predictions(
    manifest: Manifest, calibration: Calibration, outputs: Sequence[Outputs], viewed: Viewed
) -> list[Prediction]:
    head = load_head(manifest, calibration)
    return [viewed.merged(i, head.predict(one, viewed.places(i))) for i, one in enumerate(outputs)]


def part_scores(predicted: Sequence[Prediction]) -> Floats:
    return np.array([prediction.scores[0] for prediction in predicted], np.float64)


def calibrate_scores(
    scores: Floats,
    is_defect: NDArray[np.bool_],
    *,
    has_good: bool,
    groups: Sequence[str] | None = None,
    strange: bool = False,
    method: Method | None = None,
) -> Calibration:
    """Choose a calibration where good and defective parts are there; else what can be said without the other kind.

    Without any good part every part is defective. With good parts alone the slope is an assumption, and `n_defect` of
    0 says so: the unusual end of the good scores gets 2 %, twice as far from the middle 50 %. With `strange`, the good
    scores are kept for p-values. With a `method`, that one is fitted and none is chosen.
    """
    n, n_defect = len(scores), int(is_defect.sum())
    conformal = fit_conformal(scores[~is_defect]) if strange and n_defect < n else None
    if not has_good:
        part: dict[str, object] = {"platt": Platt(slope=0.0, intercept=CERTAIN)}
    elif 0 < n_defect < n:
        part = fit_scores(scores, is_defect, groups, method)
    else:
        part = {"platt": _assumed(scores)}
    fields = {"temperature": 1.0, "n": n, "n_defect": n_defect, "conformal": conformal}
    return Calibration.model_validate({**fields, **part})


def _assumed(scores: Floats) -> Platt:
    middle, usual = float(np.median(scores)), float(np.quantile(scores, USUAL_GOOD))
    span = max(usual - middle, LEAST_SPAN * abs(middle), 1e-6)
    slope = float(np.log(0.98 / 0.02)) / span
    return Platt(slope=slope, intercept=-slope * (usual + span))


def judge(viewed: Viewed, predicted: Sequence[Prediction], policy: Policy, good: Sequence[str]) -> list[JudgedPart]:
    """Return labelled parts with their verdicts, as `inspector evaluate` would on usable pictures."""
    return [
        JudgedPart(sample, decide(UNSEEN, prediction, policy), prediction, sample.label not in good, 0.0, place)
        for sample, prediction, place in zip(viewed.samples, predicted, viewed.frames(), strict=True)
    ]


def compare(
    fitted: Sequence[JudgedPart], graphs: Mapping[Precision, Sequence[JudgedPart]], recipe: QuantiseRecipe
) -> Parity:
    """Return parity of torch, float and int8 on the same parts; raise ParityBroken above the recipe's limits."""
    to_float, to_int8 = (fitted, graphs["float"]), (graphs["float"], graphs["cpu-int8"])
    to_trt = (graphs["float"], graphs["trt-int8"]) if "trt-int8" in graphs else None
    parity = Parity(
        n=len(fitted),
        float_max_difference=_largest(*to_float),
        float_flips=_flips(*to_float),
        int8_max_difference=_largest(*to_int8),
        int8_flips=_flips(*to_int8),
        int8_rejects_passed=_rejects_passed(*to_int8),
        trt_int8_max_difference=_largest(*to_trt) if to_trt else None,
        trt_int8_flips=_flips(*to_trt) if to_trt else None,
        trt_int8_rejects_passed=_rejects_passed(*to_trt) if to_trt else None,
    )
    _require(parity, recipe)
    _require_no_certain_defect_passed({name: (graphs["float"], graphs[name]) for name in graphs if name != "float"})
    return parity


def _largest(before: Sequence[JudgedPart], after: Sequence[JudgedPart]) -> float:
    pairs = zip(before, after, strict=True)
    return max(abs(a.prediction.defect_probability - b.prediction.defect_probability) for a, b in pairs)


def _flips(before: Sequence[JudgedPart], after: Sequence[JudgedPart]) -> int:
    return sum(a.verdict.outcome is not b.verdict.outcome for a, b in zip(before, after, strict=True))


def _rejects_passed(before: Sequence[JudgedPart], after: Sequence[JudgedPart]) -> int:
    return sum(
        a.verdict.outcome is Outcome.REJECT and b.verdict.outcome is Outcome.PASS
        for a, b in zip(before, after, strict=True)
    )


def _require(parity: Parity, recipe: QuantiseRecipe) -> None:
    checks = (
        ("float", "float_flips", parity.float_flips, recipe.float_flips),
        ("int8", "int8_flips", parity.int8_flips, recipe.int8_flips),
        ("trt-int8", "int8_flips", parity.trt_int8_flips or 0, recipe.int8_flips),
    )
    for name, field, flips, limit in checks:
        if flips > limit * parity.n:
            raise ParityBroken(
                f"parity: the {name} graph changes {flips} of {parity.n} verdicts of the validation part; expected at "
                f"most {100 * limit:g} % (quantise.{field} of the training recipe)"
            )


def _require_no_certain_defect_passed(pairs: Mapping[str, Pair]) -> None:
    """A reject near the limit may pass, and is counted as a flip; what the float graph was sure of must not."""
    for name, (before, after) in pairs.items():
        passed = sum(
            was.verdict.outcome is Outcome.REJECT
            and was.prediction.defect_probability >= SURE
            and now.verdict.outcome is Outcome.PASS
            for was, now in zip(before, after, strict=True)
        )
        if passed:
            raise ParityBroken(
                f"parity: the {name} graph passes {passed} of {len(before)} parts of the validation part that the "
                f"float graph rejects with a probability of at least {SURE:g}; expected none"
            )


def require_small_drop(metric: str, before: object, after: object, max_drop: float) -> None:
    """Refuse an int8 graph whose figure `metric` is more than `max_drop` below the float graph's."""
    if isinstance(before, float) and isinstance(after, float) and before - after > max_drop:
        raise QuantisationDrop(
            f"quantisation: {metric} fell from {before:.4f} to {after:.4f} on the validation part; expected a drop of "
            f"at most {max_drop:g} (quantise.max_drop of the training recipe)"
        )
