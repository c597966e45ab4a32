"""Classification with several labels per part: each label is a yes or no of its own.

`accuracy` is the share of parts whose labels are exactly right; `macro_f1` the mean over labels; `mean_ap` the mean
over labels of the average precision without interpolation; `ece` and `brier` are over all yes or no decisions; the
confusion holds a table [[no as no, no as yes], [yes as no, yes as yes]] for each label, in the order of `classes`;
`several` counts the parts with more than one label, and those of them whose labels are exactly right. A label is given
to a part from a probability of 0.5 on; where none reaches it, the part gets the most probable one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector import metrics
from inspector.bundle import Manifest
from inspector.figures import Figures, JudgedPart, row
from inspector.labels import split_labels
from inspector.risk import Rate


def figures(parts: Sequence[JudgedPart], manifest: Manifest) -> Figures:
    """Return the figures above, auroc of the defect probability, and per_label: n, f1, ap."""
    truth = label_table([part.sample.label for part in parts], manifest.classes)
    given = label_table([part.prediction.label for part in parts], manifest.classes)
    probabilities = np.array([part.prediction.class_probabilities for part in parts])
    defective = np.array([part.is_defect for part in parts])
    scores = np.array([part.prediction.defect_probability for part in parts])
    counts = [metrics.confusion(truth[:, k].astype(int), given[:, k].astype(int), 2) for k in range(truth.shape[1])]
    per_label = {
        name: {"n": int(truth[:, k].sum()), "f1": _f1(counts[k]), "ap": _ap(probabilities[:, k], truth[:, k])}
        for k, name in enumerate(manifest.classes)
    }
    both = 0 < int(defective.sum()) < len(parts)
    exact, several = (truth == given).all(axis=1), truth.sum(axis=1) > 1
    right = int(exact.sum())
    return {
        "accuracy": right / len(parts),
        "accuracy_text": f"{right} of {len(parts)} exactly right; {Rate(len(parts) - right, len(parts)).text()} not",
        "macro_f1": _mean([entry["f1"] for entry in per_label.values()]),
        "mean_ap": _mean([entry["ap"] for entry in per_label.values()]),
        "auroc": metrics.auroc(scores, defective) if both else None,
        "ece": metrics.ece(
            np.maximum(probabilities, 1 - probabilities).ravel(), ((probabilities >= 0.5) == truth).ravel()
        ),
        "brier": float(np.mean((probabilities - truth) ** 2)),
        "classes": list(manifest.classes),
        "confusion": [table.tolist() for table in counts],
        "per_label": per_label,
        "several": {"n": int(several.sum()), "exact": int((exact & several).sum())},
    }


def lines(figures: Figures) -> list[str]:
    shown = [row("accuracy", figures["accuracy"], str(figures["accuracy_text"]))]
    shown += [row(name, figures[name]) for name in ("macro_f1", "mean_ap", "auroc", "ece", "brier")]
    several, per_label = figures["several"], figures["per_label"]
    if isinstance(several, dict) and several["n"]:
        shown.append(f"{'several':12} {several['exact']} of {several['n']} parts with several labels exactly right")
    if isinstance(per_label, dict):
        shown += [row(f"  {name}"[:12], entry["f1"], f"F1; {entry['n']} parts") for name, entry in per_label.items()]
    return shown


def label_table(cells: Sequence[str], classes: Sequence[str]) -> NDArray[np.bool_]:
    """(N, C): which labels each cell holds."""
    return np.array([[name in split_labels(cell) for name in classes] for cell in cells], bool).reshape(
        -1, len(classes)
    )


def average_precision(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    """Sum over thresholds of precision times the step of recall; ties are one threshold. Both (N,)."""
    if not is_positive.any():
        raise ValueError("average precision needs at least one positive")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_positive[order])
    last = np.append(np.diff(scores[order]) != 0, True)
    precision, recall = (hits / np.arange(1, len(hits) + 1))[last], (hits / hits[-1])[last]
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def _ap(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float | None:
    return average_precision(scores, is_positive) if is_positive.any() else None


def _f1(counts: NDArray[np.int64]) -> float | None:
    """None where the label is neither there nor given."""
    total = 2 * counts[1, 1] + counts[0, 1] + counts[1, 0]
    return float(2 * counts[1, 1] / total) if total else None


def _mean(values: Sequence[float | int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
