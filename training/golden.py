"""Golden samples: a few parts of known truth, with what each precision said of them when the bundle was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Golden, GoldenSample, GoldenVerdict, Precision
from inspector.calibration import Calibration, defect_probability
from inspector.values import Outcome
from inspector.verdict import Policy
from training.outputs import Floats, Said, outcomes, strangers
from training.pictures import Pictures

OUTCOMES = (Outcome.PASS, Outcome.REVIEW, Outcome.REJECT)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What one precision says of the pictures of a part."""

    labels: NDArray[np.int64]
    """(N,) most probable class."""
    defective: Floats
    """(N,) probability of a defect."""
    outcomes: NDArray[np.int64]
    """(N,) positions in `OUTCOMES`."""
    strange: NDArray[np.bool_]
    """(N,) too unlike the training set to be judged."""


def judge(said: Said, calibration: Calibration, policy: Policy, good_columns: Sequence[int]) -> Judged:
    probabilities = calibration.probabilities(said.logits, good_columns)
    defective = np.clip(defect_probability(probabilities, good_columns), 0.0, 1.0)
    strange = strangers(said, calibration, policy)
    return Judged(probabilities.argmax(1), defective, np.where(strange, 1, outcomes(defective, policy)), strange)


def choose_golden(
    pictures: Pictures, judged: Mapping[Precision, Judged], policy: Policy, count: int
) -> tuple[int, ...]:
    """Positions of at most `count` samples, classes in turn; the clearest first, since a self-test must not waver."""
    truth = pictures.labels.numpy()
    views = list(judged.values())
    right = np.all([(view.labels == truth) & ~view.strange for view in views], axis=0)
    limits = np.array([policy.pass_below, policy.reject_above])
    distance = np.min([np.abs(view.defective[:, None] - limits).min(1) for view in views], axis=0)
    order = np.lexsort((-distance, ~right))
    rank = np.empty(len(order), int)
    seen: dict[int, int] = {}
    for index in order:
        rank[index] = seen[int(truth[index])] = seen.get(int(truth[index]), -1) + 1
    return tuple(int(i) for i in np.lexsort((truth, rank))[:count])


def golden_files(
    pictures: Pictures, chosen: Sequence[int], judged: Mapping[Precision, Judged], classes: Sequence[str]
) -> dict[str, bytes]:
    """Files of the bundle: preprocessed pictures as PNG, and the list of what is expected of them."""
    images = pictures.nhwc()
    names = {index: f"{number:02d}.png" for number, index in enumerate(chosen)}
    files = {f"golden/{name}": _png(images[index]) for index, name in names.items()}
    samples = tuple(_sample(pictures, index, name, judged, classes) for index, name in names.items())
    files["golden/golden.json"] = (Golden(samples).model_dump_json(indent=2) + "\n").encode()
    return files


def _sample(
    pictures: Pictures, index: int, name: str, judged: Mapping[Precision, Judged], classes: Sequence[str]
) -> GoldenSample:
    expected: dict[Precision, GoldenVerdict] = {
        precision: GoldenVerdict(
            outcome=OUTCOMES[view.outcomes[index]],
            label=classes[view.labels[index]],
            defect_probability=float(view.defective[index]),
        )
        for precision, view in judged.items()
    }
    return GoldenSample(file=name, label=pictures.samples[index].label, expected=expected)


def _png(image: NDArray[np.uint8]) -> bytes:
    written, encoded = cv2.imencode(".png", image)
    if not written:
        raise ValueError(f"a picture of shape {image.shape} could not be written as PNG")
    return bytes(encoded)
