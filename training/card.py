"""The model card: what a quality engineer must know before this bundle judges parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector import metrics
from inspector.bundle import Manifest, Parity, Precision
from inspector.calibration import Calibration, defect_probability
from inspector.calibration.reliability import reliability
from inspector.risk import Rate
from training.golden import Judged
from training.outputs import Floats
from training.splits import Parts


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One precision on the validation part."""

    logits: Floats
    calibration: Calibration
    judged: Judged
    labels: NDArray[np.int64]
    groups: tuple[str, ...]


def figures(measured: Measured, manifest: Manifest) -> list[tuple[str, str]]:
    """Named figures of one precision, each with its count and, where it is a rate, its bound."""
    probabilities = measured.calibration.probabilities(measured.logits, manifest.good_columns)
    labels, predicted = measured.labels, measured.judged.labels
    wrong = Rate(int((labels != predicted).sum()), len(labels))
    rows = [
        ("accuracy", f"{1 - wrong.value:.4f} (wrong: {wrong.text()})"),
        ("ECE, 15 equal-mass bins", f"{metrics.ece(probabilities.max(1), labels == predicted):.4f}"),
        ("Brier score", f"{metrics.brier(probabilities, labels):.4f}"),
    ]
    return rows + _defect_figures(measured, probabilities, manifest)


def _defect_figures(measured: Measured, probabilities: Floats, manifest: Manifest) -> list[tuple[str, str]]:
    is_defect = ~np.isin(measured.labels, list(manifest.good_columns))
    if is_defect.all() or not is_defect.any():
        return [("AUROC, escape, overkill", "not defined: the part lacks good or defective samples")]
    scores = defect_probability(probabilities, manifest.good_columns)
    passed, rejected, review = (measured.judged.outcomes == outcome for outcome in (0, 2, 1))
    escape = Rate(int((passed & is_defect).sum()), int(is_defect.sum()))
    overkill = Rate(int((rejected & ~is_defect).sum()), int((~is_defect).sum()))
    return [
        ("AUROC, defective against good", f"{metrics.auroc(scores, is_defect):.4f} ({is_defect.sum()} defective)"),
        ("escape at the limits", escape.text()),
        ("overkill at the limits", overkill.text()),
        ("to review", f"{int(review.sum())} of {len(review)}"),
        *reliability(scores, is_defect, measured.groups).rows(),
    ]


def write_card(
    manifest: Manifest,
    parts: Parts,
    tables: Mapping[Precision, Sequence[tuple[str, str]]],
    calibrations: Mapping[Precision, Calibration],
) -> str:
    """Return the card in Markdown; `tables` are each precision's named figures on the validation part."""
    labels = sorted({sample.label for samples in parts.named().values() for sample in samples})
    sections = [
        _head(manifest),
        _table("Data", ("part", "images", "groups", *labels), _counts(parts, labels)),
        f"Validation is {parts.validation_origin}. It chose nothing: not the epoch, not the calibration, not a limit. "
        "Rows of `test` were not opened. Parts share no group.",
        *(_table(f"Validation, {precision}", ("figure", "value"), rows) for precision, rows in tables.items()),
        "Bounds are one-sided, exact (Clopper-Pearson) and take every image as independent. Images of one group "
        "show the same piece, so the true uncertainty is larger.",
        _table("Calibration", ("precision", "what it rests on"), _calibrated(calibrations)),
        "Intervals of ECE, Brier score and log loss are bootstrapped by group. The method is the simplest whose "
        "cross-validated log loss on the calibration part no other beats by more than its standard error.",
        _parity(manifest),
        _training(manifest),
        _use(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _head(manifest: Manifest) -> str:
    limits, lineage = manifest.limits, manifest.lineage
    good = ", ".join(manifest.good) or "none: every class is a defect"
    return (
        f"# Model card: {lineage.dataset}\n\n"
        f"Task: {manifest.task}. Classes: {', '.join(manifest.classes)}. Defect-free: {good}.\n"
        f"Input: {manifest.input.width} x {manifest.input.height} px, {manifest.input.fit}.\n"
        f"Limits on the defect probability: PASS below {limits.pass_below:.4f}, REJECT from "
        f"{limits.reject_above:.4f} ({limits.origin}).\n"
        f"Made {lineage.created_at:%Y-%m-%d %H:%M} UTC by version {lineage.code_version}, seed {lineage.seed}; "
        f"data set hash {lineage.dataset_hash[:16]}."
    )


def _counts(parts: Parts, classes: Sequence[str]) -> list[tuple[str, ...]]:
    rows = []
    for name, samples in parts.named().items():
        counts = Counter(sample.label for sample in samples)
        groups = len({sample.group for sample in samples})
        rows.append((name, str(len(samples)), str(groups), *(str(counts[label]) for label in classes)))
    return rows


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join([f"## {title}", "", *lines])


def _calibrated(calibrations: Mapping[Precision, Calibration]) -> list[tuple[str, str]]:
    return [(precision, _rests_on(one)) for precision, one in calibrations.items()]


def _rests_on(calibration: Calibration) -> str:
    counts = f"{calibration.n} parts, {calibration.n_defect} of them defective"
    if calibration.n_defect == 0 and calibration.conformal is not None:
        return f"no probability: p-values of {len(calibration.conformal.scores)} held good parts; {counts}"
    if calibration.platt is None or not 0 < calibration.n_defect < calibration.n:
        return f"class probabilities alone: parts of one kind; {counts}"
    tried = ", ".join(f"{name} {loss:.4f}" for name, loss in calibration.log_losses.items())
    losses = f"cross-validated log loss: {tried}" if tried else "too few parts for a choice"
    classes = "; each class by its own sigmoid" if calibration.classes else ""
    return f"{calibration.method}; {losses}; {counts}{classes}"


def _parity(manifest: Manifest) -> str:
    parity = manifest.parity
    return (
        f"## Parity on {parity.n} validation images\n\n"
        f"Network to float graph: largest difference of a probability {parity.float_max_difference:.2g}, "
        f"{parity.float_flips} decisions changed.\n"
        f"Float to cpu-int8 graph: {parity.int8_max_difference:.2g}, {parity.int8_flips} decisions changed"
        f"{'' if parity.int8_renamed is None else f', {parity.int8_renamed} of them the class'}.\n"
        f"{_to_trt(parity)}"
        "A decision has changed when the outcome under the limits or the most probable class has.\n\n"
        f"{_kept(manifest)}"
    )


def _to_trt(parity: Parity) -> str:
    if parity.trt_int8_max_difference is None:
        return ""
    return (
        f"Float to trt-int8 graph: {parity.trt_int8_max_difference:.2g}, {parity.trt_int8_flips} decisions changed.\n"
    )


def _kept(manifest: Manifest) -> str:
    rows = Counter((kept.precision, kept.reason) for kept in manifest.kept_float)
    lines = [f"- {count} in {precision}: {reason}" for (precision, reason), count in rows.items()]
    return "\n".join(["Layers with weights that are float in a quantised graph:", "", *(lines or ["- none"])])


def _training(manifest: Manifest) -> str:
    rows = [(name.replace("_", " "), f"{value}") for name, value in manifest.training.items()]
    return _table("Training", ("what", "value"), rows)


def _use(manifest: Manifest) -> str:
    return (
        "## What it must not be used for\n\n"
        "- Parts, surfaces, cameras, lenses or lighting other than those of the data set above.\n"
        "- Defect kinds that are not among the classes: it has never seen them and may call them anything.\n"
        f"- Shipping on the word of these figures alone. The limits named at the top aim at the recipe's rates on "
        f"{manifest.training.get('calibration_images', 'few')} calibration images; what is proved, and of which "
        "limits, stands under Certificate below. Prove it on parts of the line first.\n"
        "- Any judgement about people, or where a wrong verdict can injure someone and nothing else catches it."
    )
