from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from inspector.calibration import Calibration, Platt
from inspector.dataset import SPLITS, Sample
from inspector.errors import BundleError, DatasetError
from inspector.figures import JudgedPart, labels
from inspector.figures.labels import average_precision
from inspector.heads.classify import ClassifyHead
from inspector.labels import has_several, join_labels, labelled_by, split_labels
from inspector.preprocess import Placement
from inspector.readers import voc
from inspector.values import Outcome, Prediction, Verdict
from tests.conftest import manifest

CLASSES = ("pit", "scratch", "stain")
PLATT = Platt(slope=1.0, intercept=0.0)
PLACE = Placement(32, 32, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("cell", "expected"), [("b|a", ("a", "b")), (" a | a|", ("a",)), ("a", ("a",)), ("", ()), ("|", ())]
)
def test_a_cell_holds_each_label_once_however_it_is_written(cell: str, expected: tuple[str, ...]) -> None:
    assert split_labels(cell) == expected
    assert split_labels(join_labels(expected)) == expected


def test_one_part_with_two_labels_makes_several() -> None:
    assert has_several(["a", "a|b"])
    assert not has_several(["a", "b"])


def sample(name: str, classes: str | None) -> Sample:
    extra = {"exposure": "3"} if classes is None else {"exposure": "3", "classes": classes}
    return Sample(name, Path(name), "train", "pit", name, None, None, extra)


def test_labels_can_stand_in_another_column_and_an_empty_cell_is_a_good_part() -> None:
    samples = [sample("a", "stain|pit"), sample("b", ""), sample("c", "pit ")]
    assert [one.label for one in labelled_by(samples, "classes", ("fine", "good"))] == ["pit|stain", "fine", "pit"]
    assert labelled_by(samples, "label", ()) == tuple(samples)


def test_a_column_that_is_not_there_or_says_nothing_is_refused_by_name() -> None:
    with pytest.raises(DatasetError, match=r"a: classes: expected a column with labels; .* there are: exposure"):
        labelled_by([sample("a", None)], "classes", ("good",))
    with pytest.raises(DatasetError, match="b: classes: expected a label, found nothing, and no label means a good"):
        labelled_by([sample("b", " ")], "classes", ())


@pytest.mark.data
def test_steel_has_ninety_pictures_with_boxes_of_two_classes(real_data: Path) -> None:
    listing = voc.read(real_data / "neu_steel", ("good",), SPLITS)
    cells = [one.label for one in labelled_by(listing.samples, "classes", ("good",))]
    assert len(cells) == 1440
    two = Counter(cell for cell in cells if has_several([cell]))
    assert two.total() == 90
    assert two["inclusion|scratches"] == 37


def head(good: tuple[str, ...] = ("good",), **changes: object) -> ClassifyHead:
    fields = {"temperature": 1.0, "n": 9, "n_defect": 4, "platt": PLATT, "labels": (PLATT,) * 3, **changes}
    return ClassifyHead(manifest(classes=CLASSES, good=good, several=True), Calibration(**fields))


def said(logits: list[float], **changes: object) -> Prediction:
    return head(**changes).predict({"logits": np.array([logits], np.float32)}, [])[0]


def test_every_label_of_even_odds_and_more_is_given() -> None:
    prediction = said([2.0, -3.0, 0.5])
    assert prediction.label == "pit|stain"
    assert prediction.class_probabilities == pytest.approx((0.8808, 0.0474, 0.6225), abs=1e-4)
    assert prediction.defect_probability == pytest.approx(0.8808, abs=1e-4)


def test_a_part_without_a_label_is_good_where_there_are_good_parts() -> None:
    assert said([-2.0, -3.0, -1.0]).label == "good"
    assert said([-2.0, -3.0, -1.0], good=(), platt=None).label == "stain"


def test_without_good_parts_every_part_is_defective() -> None:
    assert said([-2.0, -3.0, -1.0], good=(), platt=None).defect_probability == 1


def test_each_label_has_its_own_calibration() -> None:
    shifted = (PLATT, Platt(slope=2.0, intercept=3.0), PLATT)
    assert said([-1.0, -1.0, -1.0], labels=shifted).class_probabilities[1] == pytest.approx(0.7311, abs=1e-4)


def test_a_calibration_of_other_labels_is_refused() -> None:
    with pytest.raises(BundleError, match=r"labels: expected 3, found 1"):
        said([0.0, 0.0, 0.0], labels=(PLATT,))


def part(label: str, given: str, probabilities: tuple[float, ...]) -> JudgedPart:
    sample = Sample("p", __import__("pathlib").Path("p"), "val", label, "g", None, None, {})
    prediction = Prediction(given, probabilities, max(probabilities), ())
    return JudgedPart(sample, Verdict(Outcome.REJECT), prediction, label != "good", 0.0, PLACE)


def test_figures_agree_with_an_independent_implementation() -> None:
    rng = np.random.default_rng(0)
    truth, shares = rng.random((80, 3)) < 0.4, rng.random((80, 3)).round(1)
    parts = []
    for row, share in zip(truth, shares, strict=True):
        cell, given = (join_labels(np.array(CLASSES)[which]) or "good" for which in (row, share >= 0.5))
        parts.append(part(cell, given, tuple(share.tolist())))
    figures = labels.figures(parts, manifest(classes=CLASSES, good=("good",), several=True))
    assert figures["macro_f1"] == pytest.approx(f1_score(truth, shares >= 0.5, average="macro"))
    assert figures["mean_ap"] == pytest.approx(average_precision_score(truth, shares, average="macro"))
    assert figures["accuracy"] == pytest.approx(np.mean((truth == (shares >= 0.5)).all(axis=1)))
    assert figures["brier"] == pytest.approx(np.mean((shares - truth) ** 2))
    assert np.array(figures["confusion"])[:, 1].sum() == truth.sum()
    assert any("exactly right" in line for line in labels.lines(figures))


def test_a_label_that_nobody_has_is_left_out_of_the_means() -> None:
    figures = labels.figures(
        [part("pit", "pit", (0.9, 0.1, 0.1)), part("stain", "stain", (0.2, 0.1, 0.8))],
        manifest(classes=CLASSES, good=(), several=True),
    )
    assert (figures["macro_f1"], figures["mean_ap"], figures["auroc"]) == (1.0, 1.0, None)


def test_average_precision_of_no_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one positive"):
        average_precision(np.ones(3), np.zeros(3, bool))
