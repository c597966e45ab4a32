"""The report of an evaluation: every task, counts with bounds, the worst mistakes, and nothing from elsewhere."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from inspector.bundle import Manifest
from inspector.errors import UserError
from inspector.evaluation import policy_figures
from inspector.figures import JudgedPart
from inspector.preprocess import Placement
from inspector.reporting import Evaluation
from inspector.samples import Sample
from inspector.slices import slice_figures
from inspector.values import Finding, Outcome, Prediction, Verdict
from inspector.verdict import Policy
from station.evaluation.curves import curves, precision_recall
from station.evaluation.mistakes import mistakes
from station.evaluation.pictures import seen_picture, true_picture
from station.evaluation.report import require_packages, slice_tables, write_report
from tests.conftest import manifest as bundle_manifest

SIDE = 64
PLACE = Placement(SIDE, SIDE, 0, 0, 1.0, 1.0)
POLICY = Policy(pass_below=0.2, reject_above=0.8)
MakePart = Callable[..., JudgedPart]


def outcome_of(probability: float) -> Outcome:
    return Outcome.PASS if probability < 0.2 else Outcome.REJECT if probability >= 0.8 else Outcome.REVIEW


@pytest.fixture
def make_part(tmp_path: Path) -> MakePart:
    """Return a function that makes a judged part; a defective one has a mask and a box of 16 px at (8, 24)."""

    def make(
        name: str, label: str, probability: float, found: tuple[int, int] | None = None, **extra: str
    ) -> JudgedPart:
        is_defect, said = label != "good", "dark" if probability > 0.5 else "good"
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((SIDE, SIDE, 3), 90, np.uint8))
        mask, heat = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.float32)
        mask[24:40, 8:24] = 255
        cv2.imwrite(str(tmp_path / f"{name}_mask.png"), mask)
        findings: tuple[Finding, ...] = ()
        if found is not None:
            x, y = found
            heat[y : y + 16, x : x + 16] = 1
            findings = (Finding("dark", probability, x, y, 16, 16),)
        boxes = tmp_path / f"{name}.txt"
        boxes.write_text("8 24 24 40 1\n")
        paths = (tmp_path / f"{name}_mask.png", boxes) if is_defect else (None, None)
        sample = Sample(name, tmp_path / f"{name}.png", "test", label, f"group {name[0]}", *paths, extra)
        prediction = Prediction(
            said, (1 - probability, probability), probability, (probability,), findings, heat=heat if found else None
        )
        verdict = Verdict(outcome_of(probability), (), probability, said)
        return JudgedPart(sample, verdict, prediction, is_defect, 0.002, PLACE)

    return make


@pytest.fixture
def parts(make_part: MakePart) -> list[JudgedPart]:
    return [
        make_part("a1", "good", 0.05, lamp="1"),
        make_part("a2", "good", 0.9, (40, 4), lamp="2"),
        make_part("a3", "good", 0.85, lamp="2"),
        make_part("b1", "dark", 0.1, lamp="1"),
        make_part("b2", "dark", 0.02, lamp="1"),
        make_part("b3", "dark", 0.95, (8, 24), lamp="2"),
        make_part("b4", "dark", 0.5, (10, 26), lamp="2"),
    ]


def manifest_of(task: str) -> Manifest:
    spec = bundle_manifest().input.model_copy(update={"height": SIDE, "width": SIDE})
    classes = ("good", "dark") if task == "classify" else ("open", "dark")
    return bundle_manifest(task=task, classes=classes, input=spec)


def evaluation_of(parts: list[JudgedPart], task: str, **figures: object) -> Evaluation:
    base: dict[str, object] = {
        "n": len(parts),
        "task": task,
        "precision": "cpu-int8",
        "bundle": "b" * 64,
        "split": "test",
        "dataset": "parts",
        **policy_figures(parts),
        "seconds_per_image": 0.002,
        "slices": slice_figures(parts, ["lamp"]),
    }
    return Evaluation({**base, **figures}, parts, manifest_of(task), POLICY, {"runtime": "none"})


TASKS: dict[str, dict[str, object]] = {
    "classify": {
        "accuracy": 3 / 7,
        "accuracy_text": "3 of 7 right",
        "classes": ["good", "dark"],
        "confusion": [[1, 2], [2, 2]],
    },
    "detect": {"map50": 0.5, "per_class": {"dark": {"n": 4, "map50": None}}},
    "segment": {"dice": 0.5, "dice_n": 4, "per_class": {"dark": {"n": 4, "dice": 0.5}}},
    "anomaly": {"image_auroc": 0.5, "aupro": None},
    "embed": {"auroc": 0.5},
}


@pytest.mark.parametrize("task", TASKS)
def test_page_of_every_task_is_whole_and_loads_nothing_from_elsewhere(
    task: str, parts: list[JudgedPart], tmp_path: Path
):
    out = tmp_path / "made" / "report.html"
    write_report(evaluation_of(parts, task, **TASKS[task]), out)
    page = out.read_text()
    assert page.rstrip().endswith("</html>")
    links = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert links
    assert all(link.startswith(("data:image/jpeg", "#")) for link in links)
    assert "2 of 4" in page, "escapes"
    assert "2 of 3" in page, "overkill"
    assert page.count("<svg") == (3 if task == "classify" else 4)


def test_names_from_the_data_set_do_not_become_markup(make_part: MakePart, tmp_path: Path):
    parts = [make_part("a", "good", 0.1, lamp="<script>"), make_part("b", "<b>dent</b>", 0.1, lamp="2")]
    write_report(evaluation_of(parts, "anomaly"), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "<b>dent</b>" not in page
    assert "&lt;b&gt;dent" in page


def test_parts_of_one_kind_only_have_a_page_that_says_so(make_part: MakePart, tmp_path: Path):
    write_report(evaluation_of([make_part("a", "good", 0.1, lamp="1")], "anomaly"), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "no defective part" in page
    assert "Undefined: one kind of part only." in page


def test_missing_package_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"report needs matplotlib: pip install 'open-inspector\[report\]'"):
        require_packages()


def test_page_that_cannot_be_written_is_one_line(parts: list[JudgedPart], tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(evaluation_of(parts, "anomaly"), tmp_path / "file" / "report.html")


def test_worst_mistakes_come_first(parts: list[JudgedPart]):
    found = {one.title: [part.sample.name for part in one.parts] for one in mistakes(parts, manifest_of("anomaly"))}
    assert found == {"Escapes": ["b2", "b1"], "Overkill": ["a2", "a3"], "Reviews": ["b4"], "Rejects": ["b3"]}


def test_worst_places_of_boxes_and_masks_say_how_bad_they_are(parts: list[JudgedPart]):
    boxes = mistakes(parts, manifest_of("detect"))[-2]
    assert [part.sample.name for part in boxes.parts] == ["b1", "b2"]
    assert boxes.marks == ("1 of 1 missed", "1 of 1 missed")
    masks = mistakes(parts, manifest_of("segment"))[-2]
    assert [part.sample.name for part in masks.parts] == ["b4", "b3"]
    assert masks.marks == (f"Dice {14 * 14 / (16 * 16):.2f}", "Dice 1.00")


def test_precision_and_recall_agree_with_an_independent_implementation():
    rng = np.random.default_rng(3)
    scores, defective = rng.integers(0, 20, 200) / 20, rng.random(200) < 0.3
    recall, precision = precision_recall(scores, defective, int(defective.sum()))
    expected_precision, expected_recall, _ = precision_recall_curve(defective, scores)
    np.testing.assert_allclose(recall, expected_recall[-2::-1])
    np.testing.assert_allclose(precision, expected_precision[-2::-1])


def test_box_is_right_once_and_by_its_own_class(make_part: MakePart):
    part = make_part("b", "dark", 0.9)
    twice = (
        Finding("open", 0.9, 8, 24, 16, 16),
        Finding("open", 0.8, 8, 24, 16, 16),
        Finding("dark", 0.7, 8, 24, 16, 16),
    )
    prediction = Prediction("dark", (), 0.9, (0.9,), twice)
    judged = JudgedPart(part.sample, part.verdict, prediction, True, 0.0, PLACE)
    every, single = curves([judged], manifest_of("detect"))
    assert single.name == "open (1)"
    assert (single.recall.tolist(), single.precision.tolist()) == ([1, 1], [1, 0.5])
    assert every.precision.tolist() == pytest.approx([1, 1 / 2, 1 / 3])


def test_slice_that_is_worse_than_the_whole_beyond_chance_is_marked(make_part: MakePart):
    bad = [make_part(f"x{n}", "dark", 0.1, lamp="broken") for n in range(6)]
    well = [make_part(f"y{n}", "dark", 0.9, lamp="well") for n in range(30)]
    table = slice_tables(evaluation_of([*bad, *well], "anomaly").figures)[0]
    assert {row.value: row.stands_out for row in table.rows} == {"broken": ("escape",), "well": ()}


def pixels(encoded: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR).astype(int)


def test_true_defect_is_outlined_where_it_is_and_good_parts_are_left_alone(parts: list[JudgedPart]):
    good, defective = pixels(true_picture(parts[0])), pixels(true_picture(parts[5]))
    assert np.abs(good - 90).max() < 4
    scale = good.shape[0] / SIDE
    touched = np.argwhere(np.abs(defective - 90).max(axis=2) > 40) / scale
    assert touched.min(axis=0) == pytest.approx((24, 8), abs=1.5)
    assert touched.max(axis=0) == pytest.approx((40, 24), abs=1.5)


def test_heat_and_findings_are_drawn_where_the_network_saw_them(parts: list[JudgedPart]):
    seen = seen_picture(parts[1], manifest_of("segment"))
    assert seen is not None
    shown = pixels(seen)
    scale = shown.shape[0] / SIDE
    row, column = round(12 * scale), round(48 * scale)
    assert np.abs(shown[row, column] - 90).max() > 60, "hot"
    assert np.abs(shown[round(50 * scale), round(12 * scale)] - 90).max() < 6, "cold"
    assert seen_picture(parts[0], manifest_of("segment")) is None
