"""From a fitted network to a bundle: export, quantise, calibrate, prove, and write, for tasks with one part score."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import (
    MODEL_FILES,
    Calibrations,
    KeptFloat,
    Lineage,
    Manifest,
    Parity,
    Precision,
    Task,
    Tiles,
)
from inspector.calibration import Calibration
from inspector.dataset import Dataset
from inspector.evaluation import calibration_of, policy_figures
from inspector.figures import Figures, JudgedPart, load_figures
from inspector.preprocess import InputSpec
from inspector.runtimes import Outputs
from inspector.verdict import Policy
from training.budget import Budget
from training.card import write_card
from training.certifying import deliver_bundle
from training.conversion import WRITERS, Keep, convert
from training.export import export_onnx
from training.golden_parts import golden_files
from training.graph import StationGraph
from training.guard import with_novelty
from training.mending import Attempt, Mending, mended
from training.order import say
from training.outputs import Floats, choose_policy, strangeness_policy
from training.recipe import PolicyRecipe, QuantiseRecipe
from training.scoring import (
    IDENTITY,
    calibrate_scores,
    compare,
    graph_outputs,
    judge,
    part_scores,
    predictions,
    require_small_drop,
    torch_outputs,
)
from training.shortfall import ScoreJudge
from training.splits import Parts
from training.viewed import Viewed

UNKNOWN_PARITY = Parity(n=1, float_max_difference=0, float_flips=0, int8_max_difference=0, int8_flips=0)
PRECISIONS: tuple[Precision, ...] = tuple(MODEL_FILES)


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A fitted network with all that its bundle needs."""

    task: Task
    graph: StationGraph
    outputs: tuple[str, ...]
    """Names of what the graph returns, in its order."""
    classes: tuple[str, ...]
    """Kinds of findings."""
    dataset: Dataset
    lineage: Lineage
    seed: int
    out: Path
    spec: InputSpec
    parts: Parts
    calibration: Viewed
    validation: Viewed
    ranges: NDArray[np.uint8]
    """(N, H, W, 3k) fitting pictures that set the activation ranges."""
    quantise: QuantiseRecipe
    policy: PolicyRecipe
    metric: str
    """The figure whose drop from float to int8 is bounded by `quantise.max_drop`."""
    training: Mapping[str, float | int | str]
    golden: int = 8
    several: bool = False
    """A part may have several classes at once."""
    label_column: str = "label"
    """Where the data set says them."""
    template: bool = False
    tiles: Tiles | None = None
    reading: Mapping[str, float] | None = None
    keep_float: Keep = ()
    """Nodes of the graph that are not quantised, or what finds them: names are given by the export."""

    @property
    def good(self) -> tuple[str, ...]:
        return self.dataset.good

    @property
    def has_good(self) -> bool:
        return any(sample.label in self.good for samples in self.parts.named().values() for sample in samples)


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What the calibration part has settled."""

    calibrations: Mapping[Precision, Calibration]
    policy: Policy
    held: Mapping[Precision, Sequence[JudgedPart]]


Calibrate = Callable[[Delivery, Manifest, Mapping[Precision, Sequence[Outputs]]], Calibrated]
"""From the calibration part's outputs at each precision, read with a draft of the manifest."""


def deliver(delivery: Delivery, budget: Budget, calibrate: Calibrate | None = None) -> Path:
    """Write the bundle below `delivery.out` and return its folder.

    `calibrate` is for tasks whose calibration is more than Platt scaling of a part's score.

    Raises:
        ParityBroken, QuantisationDrop: an exported graph is not what was fitted.
    """
    with tempfile.TemporaryDirectory() as scratch:
        calibrate = calibrate or calibrate_part_scores
        draft = _manifest(delivery, Policy(pass_below=0, reject_above=0), UNKNOWN_PARITY, ())
        attempt, judge = _export(delivery, Path(scratch), draft, calibrate)
        delivery = replace(delivery, graph=attempt.graph, training={**delivery.training, **attempt.notes()})
        graphs = attempt.converted.paths
        calibrated = calibrate(delivery, draft, {name: judge.said[path] for name, path in graphs.items()})
        seen = {name: graph_outputs(path, delivery.validation) for name, path in graphs.items()}
        judged = {name: _judged(delivery, draft, calibrated, name, outputs) for name, outputs in seen.items()}
        parity = _prove(delivery, draft, calibrated, judged)
        figures = {name: _figures(delivery, draft, parts) for name, parts in judged.items()}
        _require_small_drops(delivery, {name: found[delivery.metric] for name, found in figures.items()})
        manifest = _manifest(delivery, calibrated.policy, parity, attempt.converted.kept)
        tables = {name: _table(delivery, figures[name], judged[name]) for name in PRECISIONS}
        files = _files(delivery, graphs, calibrated, manifest, tables)
        folder = deliver_bundle(delivery.out, manifest, files, delivery.dataset, delivery.parts, delivery.policy)
    _tell(tables, parity)
    say(f"bundle {folder} after {budget.used_s() / 60:.1f} min")
    return folder


def _require_small_drops(delivery: Delivery, values: Mapping[Precision, object]) -> None:
    for name in WRITERS:
        require_small_drop(f"{name} {delivery.metric}", values["float"], values[name], delivery.quantise.max_drop)


def _export(delivery: Delivery, folder: Path, draft: Manifest, calibrate: Calibrate) -> tuple[Attempt, ScoreJudge]:
    """Export and quantise; layers that hurt on the calibration part stay float, and where that is not enough, mend.

    An anomaly network is not fine-tuned: its pictures show no real defect, so it would be free to forget what it says
    of them.
    """

    def hold(floats: Sequence[Outputs], ints: Sequence[Outputs]) -> tuple[Sequence[JudgedPart], Sequence[JudgedPart]]:
        # Judged as the graph of the line is: limits are chosen for it.
        held = calibrate(delivery, draft, {"float": floats, "cpu-int8": ints}).held
        return held["float"], held["cpu-int8"]

    def export(graph: StationGraph, path: Path) -> None:
        channels = 6 if delivery.template else 3
        export_onnx(graph, delivery.spec.height, delivery.spec.width, path, delivery.outputs, channels)

    path = folder / MODEL_FILES["float"]
    export(delivery.graph, path)
    judge = ScoreJudge(
        path,
        delivery.calibration,
        delivery.quantise,
        hold,
        lambda parts: _figures(delivery, draft, parts).get(delivery.metric),
    )
    images, recipe, keep = delivery.ranges, delivery.quantise, delivery.keep_float
    attempt = Attempt(delivery.graph, convert(path, images, recipe, keep, judge))
    if delivery.task != "anomaly":
        attempt = mended(attempt, Mending(export, judge, images, recipe, keep, delivery.seed))
    return attempt, judge


def calibrate_part_scores(
    delivery: Delivery, draft: Manifest, outputs: Mapping[Precision, Sequence[Outputs]]
) -> Calibrated:
    """Each precision has its own calibration; the limits are those that the quantised graph needs."""
    viewed = delivery.calibration
    is_defect = viewed.is_defect(delivery.good)
    scores = {name: part_scores(predictions(draft, IDENTITY, one, viewed)) for name, one in outputs.items()}
    fit = partial(
        calibrate_scores,
        is_defect=is_defect,
        has_good=delivery.has_good,
        groups=viewed.groups,
        strange=delivery.task == "anomaly",
    )
    chosen = fit(scores["cpu-int8"])
    fitted = {name: fit(one, method=chosen.method) for name, one in scores.items()} | {"cpu-int8": chosen}
    calibrations = {name: with_novelty(fitted[name], one) for name, one in outputs.items()}
    policy = _policy(delivery, calibrations["cpu-int8"], scores["cpu-int8"], is_defect)
    held = {
        name: judge(viewed, predictions(draft, calibrations[name], one, viewed), policy, delivery.good)
        for name, one in outputs.items()
    }
    return Calibrated(calibrations, policy, held)


def _policy(delivery: Delivery, calibration: Calibration, scores: Floats, is_defect: NDArray[np.bool_]) -> Policy:
    """Limits on the probability, or on the p-value while there is nothing that a probability could rest on."""
    if calibration.conformal is not None and calibration.n_defect == 0:
        return strangeness_policy(calibration.conformal, delivery.policy)
    probability = calibration.part_probability(scores)
    return choose_policy(probability, is_defect, delivery.policy, has_good=delivery.has_good)


def _judged(
    delivery: Delivery, draft: Manifest, calibrated: Calibrated, precision: Precision, outputs: Sequence[Outputs]
) -> list[JudgedPart]:
    predicted = predictions(draft, calibrated.calibrations[precision], outputs, delivery.validation)
    return judge(delivery.validation, predicted, calibrated.policy, delivery.good)


def _prove(
    delivery: Delivery, draft: Manifest, calibrated: Calibrated, judged: Mapping[Precision, Sequence[JudgedPart]]
) -> Parity:
    outputs = torch_outputs(delivery.graph, delivery.outputs, delivery.validation)
    return compare(_judged(delivery, draft, calibrated, "float", outputs), judged, delivery.quantise)


def _figures(delivery: Delivery, draft: Manifest, parts: Sequence[JudgedPart]) -> Figures:
    return load_figures(delivery.task).figures(parts, draft)


def _table(delivery: Delivery, figures: Figures, parts: Sequence[JudgedPart]) -> list[tuple[str, str]]:
    policy = policy_figures(parts)
    rates = [(name, str(rate["text"])) for name in ("escape", "overkill") if isinstance(rate := policy[name], dict)]
    review = f"{100 * float(str(policy['review_rate'])):.1f} % of {len(parts)}"
    named = [line.partition(" ") for line in load_figures(delivery.task).lines(figures)]
    return [*((name, text.strip()) for name, _, text in named), *rates, ("to review", review), *_trust(parts)]


def _trust(parts: Sequence[JudgedPart]) -> list[tuple[str, str]]:
    found = calibration_of(parts)
    return found.rows() if found else []


def _manifest(delivery: Delivery, policy: Policy, parity: Parity, kept: tuple[KeptFloat, ...]) -> Manifest:
    counts = {f"{name}_images": len(samples) for name, samples in delivery.parts.named().items()}
    return Manifest(
        task=delivery.task,
        classes=delivery.classes,
        good=delivery.good if delivery.has_good else (),
        input=delivery.spec,
        several=delivery.several,
        label_column=delivery.label_column,
        template=delivery.template,
        tiles=delivery.tiles,
        output_names=delivery.outputs,
        reading=dict(delivery.reading or {}),
        limits=policy,
        lineage=delivery.lineage,
        parity=parity,
        kept_float=kept,
        training={
            **delivery.training,
            **counts,
            "validation_is": delivery.parts.validation_origin,
        },
    )


def _files(
    delivery: Delivery,
    graphs: Mapping[Precision, Path],
    calibrated: Calibrated,
    manifest: Manifest,
    tables: Mapping[Precision, Sequence[tuple[str, str]]],
) -> dict[str, bytes]:
    return {
        **{MODEL_FILES[precision]: path.read_bytes() for precision, path in graphs.items()},
        **golden_files(delivery.calibration, calibrated.held, calibrated.policy, delivery.golden, delivery.good),
        "calibration.json": (Calibrations(dict(calibrated.calibrations)).model_dump_json(indent=2) + "\n").encode(),
        "card.md": write_card(manifest, delivery.parts, tables, calibrated.calibrations).encode(),
    }


def _tell(tables: Mapping[Precision, Sequence[tuple[str, str]]], parity: Parity) -> None:
    for precision, rows in tables.items():
        say(f"validation, {precision}: " + "; ".join(f"{name} {text}" for name, text in rows))
    say(f"verdicts changed on {parity.n}: {parity.float_flips} by export, {parity.int8_flips} by quantisation")
