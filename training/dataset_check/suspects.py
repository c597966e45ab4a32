"""Labels that the rest of the data set contradicts: confident learning on probabilities from folds kept apart.

A logistic regression on frozen features is fitted to four fifths of the groups and asked about the last fifth, five
times. A label is suspect where cleanlab's confident joint (Northcutt et al., "Confident Learning", JAIR 70, 2021)
finds another class more confidently held than the given one. That a defective picture looks good says nothing where
its defect is marked by a mask or a box: features of a whole picture miss what is small (on mt_tiles they tell the
labels apart for 76 % only, and named 103 tiles, nearly all with a marked crack). Those are not named.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.dataset import Sample
from inspector.documents import Document

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


def find_suspects(samples: Sequence[Sample], features: NDArray[np.float32], good: Sequence[str]) -> list[Suspect]:
    """Return the labels that the others contradict, the worst first; none where fewer than two classes can be cut."""
    groups = Counter(
        {label: len({s.group for s in samples if s.label == label}) for label in {s.label for s in samples}}
    )
    classes = sorted(label for label, count in groups.items() if count >= FOLDS)
    kept = [position for position, sample in enumerate(samples) if sample.label in classes]
    if len(classes) < 2:
        return []
    labels = np.array([classes.index(samples[position].label) for position in kept])
    names = np.array([samples[position].group for position in kept])
    probabilities = out_of_fold(main_components(features[kept]), labels, names)
    rows = [row for row in _issues(labels, probabilities) if probabilities[row].max() >= SURE]
    found = [(samples[kept[row]], _suspect(samples[kept[row]], classes, probabilities[row])) for row in rows]
    return [suspect for sample, suspect in found if not (suspect.likelier in good and _is_marked(sample))]


def _is_marked(sample: Sample) -> bool:
    return sample.mask_path is not None or sample.boxes_path is not None


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


def _suspect(sample: Sample, classes: Sequence[str], probabilities: NDArray[np.float64]) -> Suspect:
    likelier = int(probabilities.argmax())
    return Suspect(
        picture=sample.name,
        split=sample.split,
        label=sample.label,
        likelier=classes[likelier],
        given_probability=round(float(probabilities[classes.index(sample.label)]), 4),
        likelier_probability=round(float(probabilities[likelier]), 4),
    )
