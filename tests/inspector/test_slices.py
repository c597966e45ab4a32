from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.errors import UserError
from inspector.figures import JudgedPart
from inspector.preprocess import Placement
from inspector.samples import Sample
from inspector.slices import slice_figures, slice_lines
from inspector.values import Outcome, Prediction, Verdict

SIDE = 20
PLACE = Placement(SIDE, SIDE, 0, 0, 1.0, 1.0)


@pytest.fixture
def make_part(tmp_path: Path):
    """Return a function that makes a judged part; `side` is of a square defect in its mask, px."""

    def make(name: str, label: str, outcome: Outcome, side: int | None = None, **extra: str) -> JudgedPart:
        mask_path = None
        if side is not None:
            mask_path = tmp_path / f"{name}_mask.png"
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[:side, :side] = 255
            cv2.imwrite(str(mask_path), mask)
        sample = Sample(name, tmp_path / name, "val", label, f"tile {name[0]}", mask_path, None, extra)
        prediction = Prediction(label, (0.5, 0.5), 0.5, (0.0, 0.0))
        return JudgedPart(sample, Verdict(outcome), prediction, label != "good", 0.001, PLACE)

    return make


def test_escapes_and_overkill_of_a_column_are_counted_in_each_of_its_values(make_part):
    parts = [
        make_part("a1", "pit", Outcome.PASS, exposure="1"),
        make_part("a2", "pit", Outcome.REJECT, exposure="1"),
        make_part("b1", "good", Outcome.REJECT, exposure="10"),
        make_part("b2", "good", Outcome.PASS, exposure="9"),
        make_part("b3", "good", Outcome.PASS),
    ]
    rows = slice_figures(parts, ["exposure"])["exposure"]
    assert [(row["value"], row["n"]) for row in rows] == [("not stated", 1), ("1", 2), ("9", 1), ("10", 1)]
    escape, overkill = rows[1]["escape"], rows[3]["overkill"]
    assert (escape["count"], escape["n"], rows[1]["overkill"]) == (1, 2, None)
    assert (overkill["count"], overkill["n"], rows[3]["escape"]) == (1, 1, None)
    assert escape["at_most"] == pytest.approx(0.9747, abs=1e-4)  # 1 - sqrt(0.05) of one escape of two, 1 - 0.0253


def test_every_part_is_in_exactly_one_value_of_every_slice(make_part):
    parts = [make_part(f"{n}x", "pit", Outcome.PASS, side=1 + n % 7, position=str(n * n)) for n in range(40)]
    parts += [make_part("good", "good", Outcome.PASS, position="-3"), make_part("bare", "pit", Outcome.REVIEW)]
    for name, rows in slice_figures(parts, ["label", "group", "size", "position"]).items():
        assert sum(row["n"] for row in rows) == len(parts), name


def test_sizes_are_cut_at_their_quartiles_and_good_parts_stand_apart(make_part):
    parts = [make_part(f"d{side}", "pit", Outcome.REJECT, side=side) for side in (1, 2, 4, 8, 10, 12, 16, 20)]
    rows = slice_figures([*parts, make_part("g", "good", Outcome.PASS)], ["size"])["size"]
    assert [row["n"] for row in rows] == [1, 2, 2, 2, 2]
    assert rows[0]["value"] == "good part"
    assert rows[1]["value"].startswith("0.25 % to")
    assert rows[-1]["value"].endswith("to 100 %")


def test_sizes_that_are_all_the_same_are_one_value(make_part):
    parts = [make_part(f"d{number}", "pit", Outcome.REJECT, side=2) for number in range(3)]
    assert [row["n"] for row in slice_figures(parts, ["size"])["size"]] == [3]


def test_size_of_boxes_counts_covered_pixels_once(make_part, tmp_path: Path):
    boxes = tmp_path / "boxes.txt"
    boxes.write_text("0 0 10 10 1\n5 0 15 10 1\n")
    part = make_part("boxed", "pit", Outcome.REJECT)
    sample = Sample("boxed", part.sample.path, "val", "pit", "g", None, boxes, {})
    boxed = JudgedPart(sample, part.verdict, part.prediction, True, 0.0, PLACE)
    assert slice_figures([boxed], ["size"])["size"][0]["value"] == "37.5 % to 37.5 %"  # 150 of 400 px


def test_a_slice_that_the_data_set_does_not_have_is_refused_with_those_that_it_has(make_part):
    with pytest.raises(UserError, match=r"--slice lamp: unknown .* expected of label, group, size, exposure"):
        slice_figures([make_part("a", "pit", Outcome.PASS, exposure="1")], ["exposure", "lamp"])


def test_lines_state_counts_with_bounds(make_part):
    slices = slice_figures([make_part("a", "pit", Outcome.PASS, exposure="1")], ["exposure"])
    assert slice_lines(slices)[0] == "by exposure"
    assert "escape 1 of 1; at most 100.0 % (95 %)" in slice_lines(slices)[1]
