from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.bundle import load_bundle, write_bundle
from inspector.calibration import Calibration, Platt
from inspector.commands import enrol, evaluate, predict
from inspector.enrolment import Enrolment, load_enrolment
from inspector.errors import EnrolmentError
from inspector.figures.embed import pairs
from inspector.inspection import Inspector
from inspector.matching import similarities, unit, variant_probabilities
from inspector.recipe import Recipe
from inspector.values import Frame, Outcome
from inspector.verdict import Policy
from tests.conftest import SIZE, manifest

TRAINED = {"black": ((1.0, 0.0),), "white": ((-1.0, 0.0),)}
"""The network below turns the mean grey level, 0..255, into an angle of 0 to 180 degrees."""
PLATT = Platt(slope=40.0, intercept=-36.0)


def angle_network() -> bytes:
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "turn"], ["angle"]),
            helper.make_node("Cos", ["angle"], ["x"]),
            helper.make_node("Sin", ["angle"], ["y"]),
            helper.make_node("Unsqueeze", ["x", "last"], ["column_x"]),
            helper.make_node("Unsqueeze", ["y", "last"], ["column_y"]),
            helper.make_node("Concat", ["column_x", "column_y"], ["embedding"], axis=1),
        ],
        "angle",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 2])],
        [
            numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes"),
            numpy_helper.from_array(np.array([1], np.int64), "last"),
            numpy_helper.from_array(np.array(np.pi / 255, np.float32), "turn"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def embed_bundle(folder: Path, **changes: object) -> Path:
    calibration = Calibration(temperature=1.0, platt=PLATT, n=9, n_defect=4, references=TRAINED)
    calibrations = {name: calibration.model_dump() for name in ("float", "cpu-int8")}
    files = {
        "model.onnx": angle_network(),
        "model.cpu-int8.onnx": angle_network(),
        "calibration.json": json.dumps(calibrations).encode(),
        "golden/golden.json": b"[]",
    }
    limits = Policy(pass_below=0.3, reject_above=0.7, review_novelty=0.5)
    fields = {"task": "embed", "classes": ("black", "white"), "good": (), "output_names": ("embedding",)}
    return write_bundle(folder, manifest(**{**fields, "limits": limits, **changes}), files)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embed_bundle(tmp_path_factory.mktemp("embed"))


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[int], Path]:
    def make(level: int) -> Path:
        path = tmp_path / f"{level}.png"
        cv2.imwrite(str(path), np.full((SIZE, SIZE, 3), level, np.uint8))
        return path

    return make


def command(module: object, *words: object) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    module.add_arguments(parser)  # type: ignore[attr-defined]
    return module.run(parser.parse_args([str(word) for word in words]))  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def enrolled(bundle: Path, tmp_path: Path, picture: Callable[[int], Path]) -> Path:
    """Two greys, which the network was never told apart: about 64 and about 128."""
    out = tmp_path / "enrolment.json"
    assert command(enrol, bundle, "--variant", "dim", picture(60), picture(64), picture(68), "--out", out) == 0
    assert command(enrol, bundle, "--variant", "grey", picture(128), "--out", out) == 0
    return out


def judge(bundle: Path, level: int, **recipe: object) -> tuple[Outcome, str]:
    inspector = Inspector(load_bundle(bundle), Recipe(quality={"min_focus": 0}, **recipe))
    image = np.full((SIZE, SIZE, 3), level, np.uint8)
    verdict = inspector.inspect([Frame(image, "test", 0, datetime.now(UTC))]).verdict
    return verdict.outcome, "; ".join(verdict.reasons)


def test_the_expected_variant_passes_another_one_is_rejected_and_a_stranger_goes_to_review(
    bundle: Path, enrolled: Path
) -> None:
    recipe = {"enrolment": enrolled, "expected": "dim"}
    assert judge(bundle, 62, **recipe) == (Outcome.PASS, "")
    outcome, reason = judge(bundle, 130, **recipe)
    assert outcome is Outcome.REJECT
    assert "like variant grey, expected dim" in reason
    outcome, reason = judge(bundle, 230, **recipe)
    assert outcome is Outcome.REVIEW
    assert "unlike all that is known" in reason


def test_without_an_expected_variant_any_enrolled_one_passes(bundle: Path, enrolled: Path) -> None:
    assert [judge(bundle, level, enrolment=enrolled)[0] for level in (62, 130, 230)] == ["PASS", "PASS", "REVIEW"]


def test_without_an_enrolment_the_trained_variants_are_known(bundle: Path) -> None:
    assert judge(bundle, 25, expected="black")[0] is Outcome.PASS
    assert judge(bundle, 230, expected="black")[0] is Outcome.REJECT
    assert judge(bundle, 128, expected="black")[0] is Outcome.REVIEW


def test_an_enrolment_of_another_bundle_is_refused_by_name(tmp_path: Path, enrolled: Path) -> None:
    other = embed_bundle(tmp_path / "other", training={"seed": 1})
    with pytest.raises(EnrolmentError, match=r"enrolment\.json: bundle: made with bundle [0-9a-f]{16}, not with"):
        judge(other, 62, enrolment=enrolled)


def test_an_enrolment_of_another_precision_or_region_is_refused(bundle: Path, enrolled: Path) -> None:
    with pytest.raises(EnrolmentError, match="precision: made at cpu-int8, expected float"):
        judge(bundle, 62, enrolment=enrolled, precision="float")
    with pytest.raises(EnrolmentError, match="another region of interest"):
        judge(bundle, 62, enrolment=enrolled, roi={"x": 0, "y": 0, "width": 16, "height": 16})


def test_one_altered_number_of_an_enrolment_is_noticed(enrolled: Path) -> None:
    sealed = json.loads(enrolled.read_text())
    sealed["enrolment"]["variants"]["dim"][0]["embedding"][0] += 1e-6
    enrolled.write_text(json.dumps(sealed))
    with pytest.raises(EnrolmentError, match="altered since it was written"):
        load_enrolment(enrolled)


def test_an_enrolment_laid_out_otherwise_is_the_same(enrolled: Path) -> None:
    before = load_enrolment(enrolled)
    enrolled.write_text(json.dumps(json.loads(enrolled.read_text())))
    assert load_enrolment(enrolled) == before


@pytest.mark.parametrize("variants", [{}, {"a": ()}, {" ": ({"source": "x"},)}])
def test_an_enrolment_without_references_is_refused(variants: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="variants"):
        Enrolment(bundle="0" * 64, precision="float", variants=variants)  # type: ignore[arg-type]


def test_an_expected_variant_that_nobody_enrolled_is_refused(bundle: Path, enrolled: Path) -> None:
    with pytest.raises(EnrolmentError, match="expected: no variant 'black'; known: dim, grey"):
        judge(bundle, 62, enrolment=enrolled, expected="black")


def test_a_classifier_refuses_variants(bundle_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="only a bundle of task embed"):
        judge(bundle_path, 62, expected="black")


def test_enrolling_a_variant_twice_needs_replace(
    bundle: Path, enrolled: Path, picture: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    again = (bundle, "--variant", "dim", picture(90), "--out", enrolled)
    with pytest.raises(EnrolmentError, match="'dim' is enrolled already"):
        command(enrol, *again)
    capsys.readouterr()
    assert command(enrol, *again, "--replace") == 0
    assert "dim (1), grey (1)" in capsys.readouterr().out
    assert judge(bundle, 90, enrolment=enrolled, expected="dim")[0] is Outcome.PASS


def test_enrolling_says_how_alike_references_and_variants_are(
    bundle: Path, tmp_path: Path, picture: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "e.json"
    command(enrol, bundle, "--variant", "a", picture(60), picture(62), "--out", out)
    command(enrol, bundle, "--variant", "b", picture(61), "--out", out)
    said = capsys.readouterr().out
    assert "match of each reference with the others: least 0.9" in said
    assert "nearest other variant: a, mean match 0.9" in said


def test_predict_names_the_enrolled_variants(
    bundle: Path, enrolled: Path, picture: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'enrolment = "{enrolled}"\n[quality]\nmin_focus = 0\n')
    capsys.readouterr()
    command(predict, bundle, picture(62), "--recipe", recipe, "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["label"] == "dim"
    assert list(said["class_probabilities"]) == ["dim", "grey"]


Figures = dict[str, object]
UNSEEN = {"dim": (50, 60, 70), "grey": (120, 128, 140)}
SEEN = {"black": (0, 10), "white": (245, 255)}


def evaluated(bundle: Path, folder: Path, variants: dict[str, tuple[int, ...]]) -> Figures:
    """Figures of a folder with even pictures of these grey levels."""
    rows = [("path", "split", "label", "group")]
    for label, levels in variants.items():
        for level in levels:
            cv2.imwrite(str(folder / f"{level}.png"), np.full((SIZE, SIZE, 3), level, np.uint8))
            rows.append((f"{level}.png", "val", label, f"g{level}"))
    with (folder / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    recipe, out = folder / "r.toml", folder / "f.json"
    recipe.write_text("[quality]\nmin_focus = 0\nmax_dark_share = 1\nmax_saturated_share = 1\nmin_brightness = 0\n")
    assert command(evaluate, bundle, folder, "--split", "val", "--recipe", recipe, "--json", out) == 0
    return dict(json.loads(out.read_text()))


def test_evaluate_measures_pairs_of_seen_and_unseen_variants(bundle: Path, tmp_path: Path) -> None:
    figures = evaluated(bundle, tmp_path, {**SEEN, **UNSEEN})
    assert (figures["auroc_seen"], figures["auroc_unseen"]) == (1.0, 1.0)
    assert (figures["pairs"], figures["pairs_seen"], figures["pairs_unseen"]) == (45, 6, 15)
    assert figures["unseen"] == ["dim", "grey"]
    assert figures["stopped"]["n"] == 6  # type: ignore[index]


@pytest.mark.parametrize(("variants", "some", "none"), [(SEEN, "_seen", "_unseen"), (UNSEEN, "_unseen", "_seen")])
def test_a_set_without_strangers_or_of_strangers_alone_is_evaluated(
    bundle: Path, tmp_path: Path, variants: dict[str, tuple[int, ...]], some: str, none: str
) -> None:
    figures = evaluated(bundle, tmp_path, variants)
    assert figures["auroc"] == figures[f"auroc{some}"] == 1.0
    assert (figures[f"auroc{none}"], figures[f"n{none}_parts"], figures[f"pairs{none}"]) == (None, 0, 0)


def test_pairs_of_one_group_are_left_out() -> None:
    similarity, same = pairs(np.eye(3), ["a", "a", "b"], ["g", "g", "h"])
    assert (len(similarity), same.tolist()) == (2, [False, False])


def test_a_single_variant_has_the_calibrated_probability_of_the_pair() -> None:
    probabilities = variant_probabilities(np.array([[0.9], [0.8]]), PLATT)
    assert probabilities[:, 0] == pytest.approx([0.5, 1 / (1 + np.exp(4))])
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])


def test_variants_compete_for_one_part() -> None:
    alone = variant_probabilities(np.array([[0.95]]), PLATT)[0, 0]
    shared = variant_probabilities(np.array([[0.95, 0.95]]), PLATT)[0]
    assert shared[0] == shared[1] < alone


def test_an_embedding_without_length_is_like_nothing() -> None:
    assert similarities(unit(np.zeros((1, 2))), {"a": np.eye(2)}).tolist() == [[0.0]]
