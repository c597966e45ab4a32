"""How good a bundle is on a labelled data set, through the very inspection that the line runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from inspector import metrics
from inspector.bundle import Manifest
from inspector.dataset import Sample
from inspector.errors import DatasetError
from inspector.inspection import Inspector
from inspector.preprocess import read_image
from inspector.risk import Rate
from inspector.values import Frame, Outcome, PartResult, Prediction, Verdict

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """A labelled part with what the inspection said of it."""

    sample: Sample
    verdict: Verdict
    prediction: Prediction
    is_defect: bool
    seconds: float


def judge(inspector: Inspector, samples: Sequence[Sample], progress: Callable[[int], None]) -> list[JudgedPart]:
    """Inspect each sample as a part of one view; raise DatasetError for labels that the bundle does not know."""
    manifest = inspector.bundle.manifest
    _require_known(samples, manifest)
    parts = []
    for number, sample in enumerate(samples):
        frame = Frame(read_image(sample.path), "dataset", number, datetime.now(UTC), sample.name)
        started = time.perf_counter()
        inspected = inspector.inspect([frame])
        seconds = time.perf_counter() - started
        prediction = _prediction(inspected, sample)
        parts.append(JudgedPart(sample, inspected.verdict, prediction, sample.label not in manifest.good, seconds))
        progress(number + 1)
    return parts


def _require_known(samples: Sequence[Sample], manifest: Manifest) -> None:
    if not samples:
        raise DatasetError("no part in this split; expected at least one")
    if unknown := sorted({sample.label for sample in samples} - set(manifest.classes)):
        raise DatasetError(f"label {', '.join(unknown)} unknown to the bundle; expected {', '.join(manifest.classes)}")


def _prediction(inspected: PartResult, sample: Sample) -> Prediction:
    prediction = inspected.views[0].prediction
    if prediction is None:
        raise DatasetError(f"{sample.path}: could not be inspected ({'; '.join(inspected.verdict.reasons)})")
    return prediction


def classify_figures(parts: Sequence[JudgedPart], manifest: Manifest) -> dict[str, object]:
    """Return accuracy, macro_f1, auroc, ece, brier and the confusion table of a classifier.

    `auroc` is of the defect probability and None where only good or only defective parts are there.
    """
    columns = {name: i for i, name in enumerate(manifest.classes)}
    labels = np.array([columns[part.sample.label] for part in parts])
    probabilities = np.array([part.prediction.class_probabilities for part in parts])
    predicted = probabilities.argmax(axis=1)
    defective = np.array([part.is_defect for part in parts])
    scores = np.array([part.prediction.defect_probability for part in parts])
    counts = metrics.confusion(labels, predicted, len(columns))
    both = 0 < int(defective.sum()) < len(parts)
    hits = int((labels == predicted).sum())
    return {
        "accuracy": metrics.accuracy(labels, predicted),
        "accuracy_text": f"{hits} of {len(parts)} right; {Rate(len(parts) - hits, len(parts)).text()} wrong",
        "macro_f1": metrics.macro_f1(counts),
        "auroc": metrics.auroc(scores, defective) if both else None,
        "ece": metrics.ece(probabilities.max(axis=1), predicted == labels),
        "defect_ece": metrics.ece(scores, defective) if both else None,
        "brier": metrics.brier(probabilities, labels),
        "classes": list(manifest.classes),
        "confusion": counts.tolist(),
    }


def policy_figures(parts: Sequence[JudgedPart]) -> dict[str, object]:
    """Return escapes, overkill and review at the policy, each with count and exact one-sided 95 % bound."""
    defective = [part for part in parts if part.is_defect]
    good = [part for part in parts if not part.is_defect]
    reviewed = sum(part.verdict.outcome is Outcome.REVIEW for part in parts)
    return {
        "escape": _rate(sum(part.verdict.outcome is Outcome.PASS for part in defective), len(defective)),
        "overkill": _rate(sum(part.verdict.outcome is Outcome.REJECT for part in good), len(good)),
        "review_rate": reviewed / len(parts),
        "outcomes": {outcome.value: sum(part.verdict.outcome is outcome for part in parts) for outcome in Outcome},
    }


def _rate(count: int, n: int) -> dict[str, object] | None:
    """A rate of no parts is None, not 0."""
    if n == 0:
        return None
    rate = Rate(count, n)
    bound = rate.upper(CONFIDENCE)
    return {"count": count, "n": n, "rate": rate.value, "at_most": bound, "confidence": CONFIDENCE, "text": rate.text()}
