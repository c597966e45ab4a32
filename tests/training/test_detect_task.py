"""From a tiny set of plates with spots, each with its golden template, to a bundle that finds them."""

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

from inspector.bundle import Bundle, Tiles, load_bundle
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.errors import DatasetError
from inspector.evaluation import judge
from inspector.figures.detect import figures
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from inspector.values import Frame, Outcome
from inspector.verdict import Policy
from training.detect.recipe import DetectRecipe

SIDE = 64


def draw_plates(folder: Path, *, templates: bool = True, width: int = SIDE, count: int = 48, good: bool = True) -> Path:
    """Plates with a pattern of their own, three quarters to train on; a third is good, others carry both kinds."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(count):
        plate = rng.normal(120, 4, (SIDE, width)).clip(0, 255).astype(np.uint8)
        cv2.rectangle(plate, (8, 8), (40, 40), 160, 2)
        cv2.imwrite(str(folder / f"{number:02d}_template.png"), plate)
        boxes = []
        for kind in () if good and number % 3 == 0 else (1, 5):
            x, y = int(rng.integers(0, width // 2 - 14)) + (width // 2) * (kind == 5), int(rng.integers(4, SIDE - 18))
            plate[y + 2 : y + 12, x + 2 : x + 12] = 20 if kind == 1 else 240
            boxes.append(f"{x} {y} {x + 14} {y + 14} {kind}")
        cv2.imwrite(str(folder / f"{number:02d}.png"), plate)
        (folder / f"{number:02d}.txt").write_text("\n".join(boxes) + "\n", encoding="utf-8")
        split, label = ("train" if number < count * 3 // 4 else "val"), ("defective" if boxes else "good")
        template = f"{number:02d}_template.png" if boxes and templates else ""
        rows.append(
            (f"{number:02d}.png", split, label, f"plate{number}", f"{number:02d}.txt" if boxes else "", template)
        )
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        header = ("path", "split", "label", "group", "boxes_path", "template_path")
        csv.writer(stream).writerows([header, *rows])
    return folder


def tiny_recipe(epochs: int = 16) -> dict[str, object]:
    return {
        "backbone": "compact",
        "golden_per_bundle": 3,
        "input": {"height": SIDE, "width": SIDE},
        "detector": {"channels": 16, "strides": [8, 16]},
        "variation": {"light": 0.1, "noise": 0.1, "scale": 0.1, "mosaic_share": 0.2},
        "fit": {
            "epochs": epochs,
            "batch_size": 6,
            "threads": 1,
            "learning_rate": 0.01,
            "backbone_rate_share": 1.0,
            "averaging": 0.8,
        },
        "quantise": {"images": 8, "float_flips": 1.0, "int8_flips": 1.0, "max_drop": 1.0},
    }


def train(folder: Path, out: Path, recipe: dict[str, object]) -> Bundle:
    from training.budget import Budget
    from training.detect.task import train as train_detector
    from training.order import Order

    dataset = read_dataset(folder, splits=("train", "val"))
    order = Order(dataset, out, DetectRecipe.model_validate(recipe), 0, False)
    return load_bundle(train_detector(order, Budget.starting_now(None)))


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_plates(tmp_path_factory.mktemp("plates"))


@pytest.fixture(scope="module")
def bundle(plates: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(plates, tmp_path_factory.mktemp("detector"), tiny_recipe())


def test_a_detector_with_template_finds_spots_in_float_and_int8(bundle: Bundle, plates: Path) -> None:
    samples = read_dataset(plates).select("val")
    for precision in ("float", "cpu-int8"):
        parts = judge(Inspector(bundle, Recipe(precision=precision)), samples, lambda _: None)
        measured = figures(parts, bundle.manifest)
        assert measured["map50"] > 0.5, precision
        good = [part.prediction.defect_probability for part in parts if not part.is_defect]
        bad = [part.prediction.defect_probability for part in parts if part.is_defect]
        assert max(good) < min(bad), precision


def test_the_bundle_says_what_its_network_takes_and_gives(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest.template, manifest.classes, manifest.good) == (True, ("copper", "open"), ("good",))
    assert manifest.output_names == ("boxes", "scores", "distance")
    graph = onnx.load(bundle.model_path("cpu-int8")).graph
    taken = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    assert taken[1:] == [SIDE, SIDE, 6]
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_golden_samples_pass_their_self_test(bundle: Bundle) -> None:
    assert Inspector(bundle).self_test() == 3


def test_a_picture_of_something_else_goes_to_review_whatever_its_score(bundle: Bundle) -> None:
    """No box is found in it, so without the guard it would pass."""
    rng = np.random.default_rng(5)
    strange = rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    for precision in ("float", "cpu-int8"):
        lenient = Policy(pass_below=1.0, reject_above=1.0)
        inspector = Inspector(bundle, Recipe(precision=precision, policy=lenient))
        part = inspector.inspect([Frame(strange, "top", 0, datetime.now(UTC), template=strange)])
        assert part.verdict.outcome is Outcome.REVIEW, precision
        assert "unlike all that is known" in part.verdict.reasons[0]


def test_known_plates_are_seldom_strange(bundle: Bundle, plates: Path) -> None:
    parts = judge(Inspector(bundle), read_dataset(plates).select("val"), lambda _: None)
    novelties = [part.prediction.novelty for part in parts]
    assert all(novelty is not None for novelty in novelties)
    assert np.median(np.array(novelties, float)) < 0.95


def test_boxes_are_decoded_in_float(bundle: Bundle) -> None:
    graph = onnx.load(bundle.model_path("cpu-int8")).graph
    makers = {name: node for node in graph.node for name in node.output}
    for output in graph.output:
        assert makers[output.name].op_type not in ("DequantizeLinear", "QuantizeLinear")
    floats = {node.op_type for node in graph.node if node.op_type in ("Exp", "Sigmoid")}
    assert floats == {"Exp", "Sigmoid"}


def test_evaluate_prints_and_writes_average_precision(
    bundle: Bundle, plates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "figures.json"
    assert main(["evaluate", str(bundle.path), str(plates), "--split", "val", "--json", str(told)]) == 0
    assert "map50_95" in capsys.readouterr().out
    written = json.loads(told.read_text(encoding="utf-8"))
    assert {"map33", "map50", "map50_95", "per_class", "escape", "overkill"} <= set(written)


def test_frames_larger_than_the_input_are_learnt_and_judged_in_tiles(tmp_path: Path) -> None:
    folder = draw_plates(tmp_path, templates=False, width=150, count=24, good=False)
    recipe = {**tiny_recipe(2), "tiles": {"width": SIDE, "height": SIDE, "overlap": 20}}
    bundle = train(folder, tmp_path / "out", recipe)
    assert (bundle.manifest.input.width, bundle.manifest.tiles) == (SIDE, Tiles(width=SIDE, height=SIDE, overlap=20))
    assert Inspector(bundle).self_test() == 3
    parts = judge(Inspector(bundle), read_dataset(folder).select("val"), lambda _: None)
    assert figures(parts, bundle.manifest)["boxes"] == 12
    assert {(part.placement.frame_width, part.placement.scale_y) for part in parts} == {(150, 1.0)}


def test_a_defective_part_without_template_is_refused(tmp_path: Path) -> None:
    folder = draw_plates(tmp_path)
    index = (folder / "index.csv").read_text(encoding="utf-8").replace("01_template.png", "")
    (folder / "index.csv").write_text(index, encoding="utf-8")
    with pytest.raises(DatasetError, match="template_path: expected a golden template"):
        train(folder, tmp_path / "out", tiny_recipe(1))


def test_a_defective_part_of_unknown_boxes_is_not_counted_as_one_without_defect(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_plates(tmp_path)
    index = (folder / "index.csv").read_text(encoding="utf-8").replace("46.txt", "")
    (folder / "index.csv").write_text(index, encoding="utf-8")
    assert main(["evaluate", str(bundle.path), str(folder), "--split", "val", "--json", str(tmp_path / "f")]) == 2
    assert "46.png: boxes_path: expected a file of boxes" in capsys.readouterr().err


def without_boxes(index: str) -> str:
    return index.replace("01.txt", "")


def without_any_box(index: str) -> str:
    return "\n".join(
        ",".join("" if cell.endswith(".txt") else cell for cell in line.split(",")) for line in index.splitlines()
    )


@pytest.mark.parametrize(
    ("spoil", "message"), [(without_boxes, "expected a file of boxes"), (without_any_box, "expected boxes in train")]
)
def test_parts_that_cannot_teach_a_detector_are_refused(
    tmp_path: Path, spoil: Callable[[str], str], message: str
) -> None:
    folder = draw_plates(tmp_path, templates=False)
    index = folder / "index.csv"
    index.write_text(spoil(index.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        train(folder, tmp_path / "out", tiny_recipe(1))
