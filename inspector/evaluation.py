"""How good a bundle is on a labelled data set, through the very inspection that the line runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from inspector.bundle import Manifest
from inspector.calibration.reliability import Reliability, reliability
from inspector.dataset import Sample
from inspector.errors import DatasetError
from inspector.figures import JudgedPart
from inspector.inspection import Inspector
from inspector.labels import split_labels
from inspector.preprocess import placement, read_image
from inspector.risk import Rate
from inspector.values import Frame, Image, Outcome, PartResult, Prediction

CONFIDENCE = 0.95


def judge(inspector: Inspector, samples: Sequence[Sample], progress: Callable[[int], None]) -> list[JudgedPart]:
    """Inspect each sample as a part of one view; raise DatasetError for labels that the bundle does not know."""
    manifest = inspector.bundle.manifest
    _require_known(samples, manifest)
    parts = []
    for number, sample in enumerate(samples):
        parts.append(_judge_one(inspector, sample, number))
        progress(number + 1)
    return parts


def _judge_one(inspector: Inspector, sample: Sample, number: int) -> JudgedPart:
    manifest, roi = inspector.bundle.manifest, inspector.recipe.roi
    frame = frame_of(sample, manifest, number)
    started = time.perf_counter()
    inspected = inspector.inspect([frame])
    seconds = time.perf_counter() - started
    prediction = _prediction(inspected, sample)
    place = placement(frame.image.shape, manifest.input, roi)
    return JudgedPart(sample, inspected.verdict, prediction, inspector.is_defect(sample.label), seconds, place)


def frame_of(sample: Sample, manifest: Manifest, number: int) -> Frame:
    """Return a sample as a camera would give it, with its golden template where the network compares."""
    template = template_of(sample, manifest) if manifest.template else None
    return Frame(read_image(sample.path), "dataset", number, datetime.now(UTC), sample.name, template=template)


def template_of(sample: Sample, manifest: Manifest) -> Image:
    """Return the sample's golden template; a good part without one is its own."""
    if sample.template_path is None and sample.label not in manifest.good:
        raise DatasetError(f"{sample.path}: template_path: expected a golden template, which the network compares with")
    return read_image(sample.template_path or sample.path)


def _require_known(samples: Sequence[Sample], manifest: Manifest) -> None:
    if not samples:
        raise DatasetError("no part in this split; expected at least one")
    if manifest.task != "classify":  # Only classifiers name the part's label; others tell defective from good.
        return
    if manifest.several:
        labels = {label for sample in samples for label in split_labels(sample.label)} - set(manifest.good)
    else:
        labels = {sample.label for sample in samples}
    if unknown := sorted(labels - set(manifest.classes)):
        raise DatasetError(f"label {', '.join(unknown)} unknown to the bundle; expected {', '.join(manifest.classes)}")


def _prediction(inspected: PartResult, sample: Sample) -> Prediction:
    prediction = inspected.views[0].prediction
    if prediction is None:
        raise DatasetError(f"{sample.path}: could not be inspected ({'; '.join(inspected.verdict.reasons)})")
    return prediction


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


def calibration_of(parts: Sequence[JudgedPart]) -> Reliability | None:
    """Return how far the defect probabilities can be trusted; None where all parts are of one kind."""
    is_defect = np.array([part.is_defect for part in parts])
    if is_defect.all() or not is_defect.any():
        return None
    said = np.array([part.prediction.defect_probability for part in parts])
    return reliability(said, is_defect, [part.sample.group for part in parts])


def _rate(count: int, n: int) -> dict[str, object] | None:
    """A rate of no parts is None, not 0."""
    if n == 0:
        return None
    rate = Rate(count, n)
    bound = rate.upper(CONFIDENCE)
    return {"count": count, "n": n, "rate": rate.value, "at_most": bound, "confidence": CONFIDENCE, "text": rate.text()}
