"""Labels that the rest of the data set contradicts: confident learning on probabilities from folds kept apart.

A logistic regression on frozen features is fitted to four fifths of the groups and asked about the last fifth, five
times. How many pictures of each label it names right is reported beside the suspects. Labels of fewer than five groups,
and pictures with several labels, are not judged.

A label is suspect where cleanlab's confident joint (Northcutt et al., "Confident Learning", JAIR 70, 2021) finds
another class more confidently held than the given one. That a defective picture looks good says nothing where its
defect is marked by a mask or a box: features of a whole picture miss what is small (on mt_tiles they tell the labels
apart for 76 % only, and named 103 tiles, nearly all with a marked crack). Nor does it say anything that a golden
template looks defective (42 of 430 boards' were named). Those are not named.

Labels that features tell badly are judged all the same: with 5 % of the labels of mt_tiles exchanged, where of 39
cracks 4 are foretold, about half of those were named, and hardly any other (docs/datasets.md).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.dataset import Sample
from inspector.documents import Document
from inspector.labels import has_several

FOLDS = 5
COMPONENTS = 128
"""Principal components that are kept of the features: the fit takes seconds instead of minutes."""
REGULARISATION = 0.003
"""Weight of the fit against its penalty."""
SURE = 0.8
"""How probable the other class must be; below, features that tell classes apart badly name every second tile."""


class Suspect(Document):
    """A label to look at."""

    picture: str
    split: str
    label: str
    likelier: str = Field(description="the class that pictures like this one have")
    given_probability: float = Field(ge=0, le=1, description="of the given label, from folds without this group")
    likelier_probability: float = Field(ge=0, le=1)
    resembles: str = Field(description="of the pictures of that class in other groups, the one most alike")


class LabelCheck(Document):
    """What the pictures say of their labels."""

    foretold: dict[str, int] = Field(description="pictures of each judged label that fits without their group name so")
    not_judged: tuple[str, ...] = Field(description="labels of fewer than five groups, or all where only one has more")
    suspects: tuple[Suspect, ...] = Field(description="the worst first")


def check_labels(samples: Sequence[Sample], features: NDArray[np.float32], good: Sequence[str]) -> LabelCheck:
    """Hold every label against those of the pictures of other groups; `features` (N, F) are of the samples."""
    single = [sample.label for sample in samples if not has_several([sample.label])]
    counts = {label: len({s.group for s in samples if s.label == label}) for label in sorted(set(single))}
    classes = [label for label, count in counts.items() if count >= FOLDS]
    if len(classes) < 2:
        return LabelCheck(foretold={}, not_judged=tuple(counts), suspects=())
    judged = _judged(samples, features, classes)
    probabilities = out_of_fold(judged.places, judged.labels, judged.groups)
    right = judged.labels[probabilities.argmax(axis=1) == judged.labels]
    return LabelCheck(
        foretold={label: int((right == column).sum()) for column, label in enumerate(classes)},
        not_judged=tuple(label for label in counts if label not in classes),
        suspects=tuple(_suspects(judged, probabilities, good)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """N pictures whose labels can be judged."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    places: NDArray[np.float32]
    """(N, K): where the pictures lie among all."""
    labels: NDArray[np.int64]
    """(N,) positions in the classes."""
    groups: NDArray[np.str_]
    """(N,)"""


def _judged(samples: Sequence[Sample], features: NDArray[np.float32], classes: Sequence[str]) -> _Judged:
    rows = [position for position, sample in enumerate(samples) if sample.label in classes]
    kept = tuple(samples[row] for row in rows)
    return _Judged(
        samples=kept,
        classes=tuple(classes),
        places=main_components(features[rows]),
        labels=np.array([classes.index(sample.label) for sample in kept]),
        groups=np.array([sample.group for sample in kept]),
    )


def _suspects(judged: _Judged, probabilities: NDArray[np.float64], good: Sequence[str]) -> Iterator[Suspect]:
    templates = {sample.template_path for sample in judged.samples}
    for row in _issues(judged.labels, probabilities):
        sample, likelier = judged.samples[row], judged.classes[int(probabilities[row].argmax())]
        marked = likelier in good and (sample.mask_path is not None or sample.boxes_path is not None)
        if probabilities[row].max() >= SURE and not marked and sample.path not in templates:
            yield _suspect(judged, row, probabilities[row])


def _suspect(judged: _Judged, row: int, probabilities: NDArray[np.float64]) -> Suspect:
    sample, likelier = judged.samples[row], int(probabilities.argmax())
    others = np.flatnonzero((judged.labels == likelier) & (judged.groups != sample.group))
    apart = np.linalg.norm(judged.places[others] - judged.places[row], axis=1)
    return Suspect(
        picture=sample.name,
        split=sample.split,
        label=sample.label,
        likelier=judged.classes[likelier],
        given_probability=round(float(probabilities[judged.labels[row]]), 4),
        likelier_probability=round(float(probabilities[likelier]), 4),
        resembles=judged.samples[int(others[apart.argmin()])].name,
    )


def main_components(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, 128 or fewer) coordinates of features (N, F) along the directions in which they vary most."""
    _, axes = np.linalg.eigh(features.T @ features)
    return np.asarray(features @ axes[:, -COMPONENTS:], dtype=np.float32)


def out_of_fold(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Return (N, C) probabilities, each row's from a fit that saw nothing of its group."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    probabilities = np.zeros((len(labels), int(labels.max()) + 1))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for fitted, held in folds.split(features, labels, groups):
        model = LogisticRegression(C=REGULARISATION, max_iter=100)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features[fitted], labels[fitted])
        probabilities[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return probabilities


def _issues(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """Rows that cleanlab calls wrong, the worst first. It brings no types, so it is loaded by name."""
    cleanlab = import_module("cleanlab.filter")
    rows = cleanlab.find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [int(row) for row in rows]
