"""What the exported graphs say about the parts kept apart: logits, calibration, limits, parity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.calibration import (
    Calibration,
    Conformal,
    defect_probability,
    defect_score,
    fit_classes,
    fit_temperature,
    softmax,
)
from inspector.errors import UserError
from inspector.novelty import fit_novelty
from inspector.runtimes import Outputs, RuntimeSettings, load_runtime
from inspector.verdict import Policy
from training.graph import StationGraph
from training.part_calibration import fit_scores
from training.pictures import Pictures
from training.recipe import PolicyRecipe, QuantiseRecipe

Floats = NDArray[np.float64]
BATCH = 16
CERTAIN = 0.9
LOG_T_LIMIT = 4.0
"""Temperatures are sought where `fit_temperature` seeks them, from e^-4 to e^4."""


class ParityBroken(UserError):
    """An exported graph decides otherwise than the network it was made from."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a graph is from the one it was made from, over `n` pictures."""

    n: int
    probability: float
    """Largest difference of any class probability."""
    logit: float
    """Largest difference of any logit."""
    flips: int
    """Pictures whose outcome under the policy, or whose most probable class, changed."""
    renamed: int = 0
    """Those of them whose most probable class changed; the others crossed a limit."""
    rejects_passed: int = 0
    """Pictures that were rejected before and pass after."""
    certain_passed: int = 0
    """Those of them whose defect probability before was at least `CERTAIN`: more than a hair's breadth at a limit."""

    @property
    def flip_share(self) -> float:
        return self.flips / self.n


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What a network says of the pictures of a part."""

    logits: Floats
    """(N, C)."""
    distance: Floats | None = None
    """(N,) from the training set; None for a network without an open-set guard."""


def torch_said(graph: StationGraph, names: Sequence[str], pictures: Pictures) -> Said:
    """The network as it was fitted, in float32; `names` are those of its outputs."""
    graph = graph.eval()
    outputs = []
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH):
            window = pictures.images[start : start + BATCH].permute(0, 2, 3, 1)
            given = [tensor.numpy() for tensor in graph(window)]
            outputs.append(dict(zip(names, given, strict=True)))
    return _said(outputs)


def graph_said(path: Path, pictures: Pictures) -> Said:
    """An exported graph, one picture at a time and on the runtime of the line."""
    runtime = load_runtime(path, RuntimeSettings())
    images = pictures.nhwc()
    return _said([runtime.run(images[i : i + 1]) for i in range(len(images))])


def _said(outputs: Sequence[Outputs]) -> Said:
    logits, *distance = (
        np.concatenate([one[name] for one in outputs]).astype(np.float64)
        for name in ("logits", "distance")
        if name in outputs[0]
    )
    return Said(logits, distance[0] if distance else None)


def calibrate(
    logits: Floats,
    labels: NDArray[np.int64],
    good_columns: Sequence[int],
    distance: Floats | None = None,
    groups: Sequence[str] | None = None,
    like: Calibration | None = None,
) -> Calibration:
    """Fit on the calibration part: class probabilities, novelty, and the part's where both kinds of part are there.

    With `like`, the kinds of calibration are that one's: of two graphs that say the same, two kinds would not.
    """
    is_defect = ~np.isin(labels, list(good_columns))
    both = bool(is_defect.any() and not is_defect.all())
    method = None if like is None else like.method
    part = fit_scores(defect_score(logits, good_columns), is_defect, groups, method) if both else {}
    fields = {
        "temperature": max(fit_temperature(logits, labels), modest_temperature(logits)),
        "classes": fit_classes(logits, labels, groups) if like is None or like.classes else (),
        "n": len(labels),
        "n_defect": int(is_defect.sum()),
        "novelty": None if distance is None else fit_novelty(distance),
    }
    return Calibration.model_validate({**fields, **part})


def strangers(said: Said, calibration: Calibration, policy: Policy) -> NDArray[np.bool_]:
    """(N,) parts so unlike the training set that they go to review, as `inspector.verdict.decide` has it."""
    if said.distance is None or calibration.novelty is None:
        return np.zeros(len(said.logits), bool)
    return np.asarray(calibration.novelty.share(said.distance) >= policy.review_novelty)


def modest_temperature(logits: Floats) -> float:
    """Least temperature at which the mean confidence on these N parts is no more than (N + 1) / (N + 2).

    Where every calibration part is right, least log loss asks for a temperature of zero and all probabilities become 0
    or 1; N parts without an error support no more than Laplace's rule of succession says.
    """
    supported = (len(logits) + 1) / (len(logits) + 2)
    low, high = -LOG_T_LIMIT, LOG_T_LIMIT
    while high - low > 1e-6:
        middle = (low + high) / 2
        confident = float(softmax(logits / np.exp(middle)).max(axis=1).mean()) > supported
        low, high = (middle, high) if confident else (low, middle)
    return float(np.exp(high))


def choose_policy(probability: Floats, is_defect: NDArray[np.bool_], recipe: PolicyRecipe, *, has_good: bool) -> Policy:
    """Limits on the defect probability (N,) that meet the aims on the calibration part, review between.

    Where both aims can be met without a gap, one limit in the middle leaves nothing to review.
    """
    n, n_defect = len(is_defect), int(is_defect.sum())
    if not has_good:
        return Policy(pass_below=0, reject_above=0, origin="no good class: every part is rejected; not certified")
    if n_defect in (0, n):
        return Policy(pass_below=0.02, reject_above=0.5, origin=f"default: {n_defect} of {n} defective; not certified")
    low = _lowest_escapes(np.sort(probability[is_defect]), recipe.escape)
    high = _highest_overkill(np.sort(probability[~is_defect]), recipe.overkill)
    if low > high:
        low = high = (low + high) / 2
    aims = f"escape {recipe.escape:g}, overkill {recipe.overkill:g}"
    origin = f"chosen for {aims} on {n} calibration parts, {n_defect} of them defective; not certified"
    return Policy(pass_below=low, reject_above=high, origin=origin)


def strangeness_policy(conformal: Conformal, recipe: PolicyRecipe) -> Policy:
    """Where no defective part is known: review from the p-value that alarms on the recipe's share of good parts.

    Nothing is rejected, since nothing is known of defects. Fewer good parts than one in that share cannot give so small
    a p-value; then whatever is stranger than all of them goes to review.
    """
    alarms, n = max(recipe.overkill, conformal.least), len(conformal.scores)
    origin = (
        f"review of {100 * alarms:.2g} % of good parts, by p-value of {n} held ones; no defect known, not certified"
    )
    return Policy(pass_below=1, reject_above=1, review_p_value=alarms, origin=origin)


def _lowest_escapes(defective: Floats, share: float) -> float:
    """Largest limit with at most `share` of the (sorted) defective below it."""
    return float(defective[int(share * len(defective))])


def _highest_overkill(good: Floats, share: float) -> float:
    """Smallest limit, just above a good part, with at most `share` of the (sorted) good parts at or above it."""
    allowed = int(share * len(good))
    return float(min(1.0, np.nextafter(good[len(good) - 1 - allowed], 2.0)))


def outcomes(probability: Floats, policy: Policy) -> NDArray[np.int64]:
    """0 pass, 1 review, 2 reject, as `inspector.verdict.decide` has it."""
    return np.where(probability >= policy.reject_above, 2, np.where(probability >= policy.pass_below, 1, 0))


def compare(
    before: tuple[Said, Calibration], after: tuple[Said, Calibration], policy: Policy, good_columns: Sequence[int]
) -> Difference:
    """Compare what two networks say of the same parts, each with the calibration it is used with."""
    was, now = (calibration.probabilities(said.logits, good_columns) for said, calibration in (before, after))
    defective = [defect_probability(probabilities, good_columns) for probabilities in (was, now)]
    decided = [
        np.where(strangers(*pair, policy), 1, outcomes(probability, policy))
        for pair, probability in zip((before, after), defective, strict=True)
    ]
    passed = (decided[0] == 2) & (decided[1] == 0)
    renamed = was.argmax(1) != now.argmax(1)
    flipped = (decided[0] != decided[1]) | renamed
    return Difference(
        n=len(was),
        probability=float(np.abs(was - now).max()),
        logit=float(np.abs(before[0].logits - after[0].logits).max()),
        flips=int(flipped.sum()),
        renamed=int(renamed.sum()),
        rejects_passed=int(passed.sum()),
        certain_passed=int((passed & (defective[0] >= CERTAIN)).sum()),
    )


def require_parity(
    float_difference: Difference,
    int8_difference: Difference,
    recipe: QuantiseRecipe,
    trt_difference: Difference | None = None,
) -> None:
    """Refuse a graph that changes more decisions than the recipe allows, or passes what the float graph rejects."""
    checks = [
        ("float", "float_flips", float_difference, recipe.float_flips),
        ("int8", "int8_flips", int8_difference, recipe.int8_flips),
    ]
    if trt_difference is not None:
        checks.append(("trt-int8", "int8_flips", trt_difference, recipe.int8_flips))
    for name, field, difference, limit in checks:
        if difference.flip_share > limit:
            raise ParityBroken(
                f"parity: the {name} graph changes {difference.flips} of {difference.n} decisions of the validation "
                f"part; expected at most {100 * limit:g} % (quantise.{field} of the training recipe)"
            )
        if difference.certain_passed:
            raise ParityBroken(
                f"parity: the {name} graph passes {difference.certain_passed} of {difference.n} parts of the "
                f"validation part that were defective with a probability of {CERTAIN:g} or more before; expected none"
            )
