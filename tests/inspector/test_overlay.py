from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.bundle import write_bundle
from inspector.cli import main
from inspector.errors import UnreadableImage
from inspector.overlay import SKETCH_PX, draw_findings, draw_heat, heat_sketch, sketch_pixels
from inspector.preprocess import InputSpec, placement
from inspector.values import Finding
from tests.conftest import SIZE, brightness_network, bundle_files, manifest

SPEC = InputSpec(height=SIZE, width=SIZE, fit="letterbox")


def test_heat_is_drawn_where_it_lies_in_the_frame_and_nowhere_else() -> None:
    image = np.full((100, 200, 3), 120, np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[1, 0] = 1.0
    drawn = draw_heat(image, heat, placement(image.shape, SPEC), SPEC)
    assert (drawn[:, 130:] == 120).all()
    assert np.abs(drawn[20, 25].astype(int) - 120).max() > 50


def test_a_sketch_of_heat_lies_over_the_whole_frame_and_is_clear_where_it_is_cold() -> None:
    frame = (1000, 2000, 3)
    heat = np.zeros((4, 4), np.float32)
    heat[1, 0] = 1.0
    png = heat_sketch(heat, placement(frame, SPEC), SPEC)
    pixels = sketch_pixels(png)
    assert pixels.shape == (SKETCH_PX // 2, SKETCH_PX, 4)
    assert len(png) < 2000
    opacity = pixels[:, :, 3]
    y, x = np.unravel_index(opacity.argmax(), opacity.shape)
    assert y / len(opacity) == pytest.approx(0.25, abs=0.1)
    assert x / SKETCH_PX < 0.25
    assert opacity.max() > 140
    assert (opacity[:, 60:] == 0).all()


def test_a_sketch_of_a_small_frame_has_its_size_and_a_fine_map_is_not_lost() -> None:
    heat = np.zeros((224, 224), np.float32)
    heat[100:120, 100:120] = 1.0
    pixels = sketch_pixels(heat_sketch(heat, placement((40, 40, 3), SPEC), SPEC))
    assert pixels.shape == (40, 40, 4)
    assert pixels[19, 19, 3] > 140


def test_what_is_no_sketch_is_refused() -> None:
    with pytest.raises(UnreadableImage, match="heat map"):
        sketch_pixels(b"no picture")


def test_no_heat_leaves_the_picture_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    assert (draw_heat(image, np.zeros((2, 2)), placement(image.shape, SPEC), SPEC) == image).all()


def test_findings_are_boxed_on_a_copy() -> None:
    image = np.zeros((40, 60), np.uint8)
    drawn = draw_findings(image, [Finding("pit", 0.9, 10.0, 12.0, 20.0, 15.0)])
    assert drawn.shape == (40, 60, 3)
    assert drawn[27, 20].tolist() == [255, 255, 255]
    assert not image.any()


def heated_network() -> bytes:
    """The brightness network, whose heat is the red channel's mean over quarters of the picture, 0..1."""
    model = onnx.load_from_string(brightness_network())
    graph = model.graph
    graph.node.extend(
        [
            helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node(
                "AveragePool", ["planes"], ["quarters"], kernel_shape=[SIZE // 2] * 2, strides=[SIZE // 2] * 2
            ),
            helper.make_node("ReduceMean", ["quarters", "planes_axis"], ["grey"], keepdims=0),
            helper.make_node("Mul", ["grey", "per_level"], ["heat"]),
        ]
    )
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([1], np.int64), "planes_axis"),
            numpy_helper.from_array(np.array(1 / 255, np.float32), "per_level"),
        ]
    )
    graph.output.append(helper.make_tensor_value_info("heat", TensorProto.FLOAT, ["N", 2, 2]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[: SIZE // 2, : SIZE // 2] = 255
    path = tmp_path / "part.png"
    cv2.imwrite(str(path), image)
    return path


def test_predict_writes_an_overlay_per_picture(
    tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {"output_names": ("logits", "heat")}
    bundle = write_bundle(tmp_path / "bundles", manifest(**outputs), bundle_files(heated_network()))
    folder = tmp_path / "seen"
    assert main(["predict", str(bundle), str(picture), str(picture), "--heat", str(folder), "--json"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(one["heat"]).name for one in said] == ["0000-part.png", "0001-part.png"]
    drawn = cv2.imread(said[0]["heat"])
    assert (drawn[-4, -4] == 0).all()
    assert (drawn[4, 4] != 255).any()


def test_a_bundle_without_heat_says_so(
    tmp_path: Path, picture: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(bundle_path), str(picture), "--heat", str(tmp_path / "seen")]) == 2
    assert "--heat: its network gives no heat map" in capsys.readouterr().err
    assert not (tmp_path / "seen").exists()


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_bundle(tmp_path / "bundles", manifest(), bundle_files(heated_network()))
    (tmp_path / "seen").write_text("a file")
    assert main(["predict", str(bundle), str(picture), "--heat", str(tmp_path / "seen")]) == 2
    assert "seen" in capsys.readouterr().err
