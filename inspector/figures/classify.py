"""Classification: accuracy, F1, calibration, and how defective parts separate from good ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inspector import metrics
from inspector.bundle import Manifest
from inspector.figures import Figures, JudgedPart, row
from inspector.figures import labels as labels_figures
from inspector.risk import Rate


def figures(parts: Sequence[JudgedPart], manifest: Manifest) -> Figures:
    """Return accuracy, macro_f1, auroc, ece, brier and the confusion table of a classifier.

    `auroc` is of the defect probability and None where only good or only defective parts are there. Where a part
    may have several labels, see `inspector.figures.labels`.
    """
    if manifest.several:
        return labels_figures.figures(parts, manifest)
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


def lines(figures: Figures) -> list[str]:
    if "per_label" in figures:
        return labels_figures.lines(figures)
    accuracy = row("accuracy", figures["accuracy"], str(figures["accuracy_text"]))
    return [accuracy, *(row(name, figures[name]) for name in ("macro_f1", "auroc", "ece", "brier"))]
