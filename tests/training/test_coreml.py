"""Core ML packages written for real, read back, and held against ONNX Runtime by the meaning of what is stored."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.bundle import Bundle, load_bundle, write_bundle
from inspector.cli import main
from inspector.errors import BundleError, RuntimeFault
from inspector.runtimes import RuntimeSettings, load_runtime
from tests.conftest import SIZE, brightness_network, bundle_files, manifest

pytest.importorskip("coremltools", reason="coremltools is not installed: pip install 'open-inspector[coreml]'")

from tests.training.mil_reference import evaluate, load_program
from tests.training.task_networks import NETWORKS
from training.coreml.export import export_package
from training.coreml.golden_check import CoreMl, check_golden
from training.coreml.graph import Graph, read_graph
from training.coreml.program import Compute, compile_package, image_names, write_program
from training.coreml.proof import prove_package

DEMO = Path(__file__).resolve().parents[2] / "station" / "demo" / "bundle"
HALF = 0.02
"""Share of an output's range that rounding to float16 may cost; measured: 0.001 on the demo's bundle."""


def written(model: Path, compute: Compute, folder: Path) -> tuple[Path, Graph]:
    graph = read_graph(model)
    package = folder / f"{compute}.mlpackage"
    program = write_program(graph)
    compile_package(program, graph, compute, package)
    prove_package(package, graph, model, program.accounts)
    return package, graph


def images_of(picture: np.ndarray, graph: Graph) -> dict[str, np.ndarray]:
    """(H, W, 3k) -> (1, 3, H, W) by input name."""
    parts = [picture[None, :, :, first : first + 3].transpose(0, 3, 1, 2) for first in range(0, picture.shape[2], 3)]
    return dict(zip(image_names(graph), parts, strict=True))


def both(model: Path, compute: Compute, folder: Path) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """What the stored package means, and what ONNX Runtime says, of a picture of noise."""
    package, graph = written(model, compute, folder)
    picture = np.random.default_rng(3).integers(0, 256, graph.picture, dtype=np.uint8)
    return evaluate(load_program(package), images_of(picture, graph)), load_runtime(model, RuntimeSettings()).run(
        picture[None]
    )


# ---- operators


def of_one_picture(*nodes: onnx.NodeProto, **constants: Any) -> onnx.ModelProto:
    """A network whose picture is `x`, (1, 3, 32, 32) of about -2..2, and whose output is `y`."""
    before = [
        helper.make_node("Transpose", ["image"], ["turned"], "turn", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["bytes"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["bytes", "per_step"], ["scaled"], "scale"),
        helper.make_node("Sub", ["scaled", "two"], ["x"], "centre"),
    ]
    known = {"per_step": np.float32(1 / 64), "two": np.float32(2), **constants}
    graph = helper.make_graph(
        [*before, *nodes],
        "made",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in known.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def node(operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), ["y"], operator.lower(), **attributes)


def chain(operator: str, then: str, *inputs: str, **attributes: Any) -> list[onnx.NodeProto]:
    """A node whose output is no float, turned into one."""
    first = helper.make_node(operator, list(inputs), ["found"], "first", **attributes)
    return [first, helper.make_node(then, ["found"], ["y"], "then", to=TensorProto.FLOAT)]


RNG = np.random.default_rng(1)
WEIGHTS = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
BIAS = RNG.normal(size=4).astype(np.float32)
LEFT_DOWN = [-1, -1]
NEVER = [-(2**63)] * 2
CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
    "padding on one side alone": (
        [node("Conv", "x", "w", "b", pads=[0, 1, 1, 2], strides=[2, 1])],
        {"w": WEIGHTS, "b": BIAS},
    ),
    "grouped and dilated": (
        [node("Conv", "x", "w", group=3, dilations=[2, 1])],
        {"w": RNG.normal(size=(6, 1, 3, 3)).astype(np.float32)},
    ),
    "a least value alone": ([node("Clip", "x", "low")], {"low": np.float32(-0.5)}),
    "a largest value alone": ([node("Clip", "x", "", "high")], {"high": np.float32(0.5)}),
    "between 0 and 6": ([node("Clip", "x", "low", "high")], {"low": np.float32(0), "high": np.float32(6)}),
    "largest of three": ([node("Max", "x", "a", "b")], {"a": np.float32(-1), "b": np.float32(0.25)}),
    "mean over places": ([node("ReduceMean", "x", "axes", keepdims=0)], {"axes": np.array([2, 3])}),
    "length along the last axis": ([node("ReduceL2", "x", "axes")], {"axes": np.array([-1])}),
    "sum of all": ([node("ReduceSum", "x", keepdims=0)], {}),
    "nearest, twice": (
        [
            node(
                "Resize",
                "x",
                "",
                "s",
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        {"s": np.array([1, 1, 2, 3], np.float32)},
    ),
    "linear, to a size": (
        [node("Resize", "x", "", "", "s", mode="linear", coordinate_transformation_mode="half_pixel")],
        {"s": np.array([1, 3, 64, 128])},
    ),
    "average that counts its padding": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
        {},
    ),
    "average that does not": ([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], {}),
    "largest of a window": ([node("MaxPool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])], {}),
    "average of a picture": ([node("GlobalAveragePool", "x")], {}),
    "channels laid out as cells": (
        [
            helper.make_node("Conv", ["x", "w"], ["cells"], "conv"),
            node("DepthToSpace", "cells", blocksize=2, mode="CRD"),
        ],
        {"w": WEIGHTS},
    ),
    "edges repeated": ([node("Pad", "x", "p", mode="edge")], {"p": np.array([0, 0, 1, 2, 0, 0, 3, 4])}),
    "a value around": ([node("Pad", "x", "p", "v")], {"p": np.array([0, 1, 1, 0, 0, 0, 2, 0]), "v": np.float32(7)}),
    "mirrored both ways": (
        [node("Slice", "x", "from", "to", "axes", "steps")],
        {"from": np.array(LEFT_DOWN), "to": np.array(NEVER), "axes": np.array([2, 3]), "steps": np.array(LEFT_DOWN)},
    ),
    "every third place from behind": (
        [node("Slice", "x", "from", "to", "axes", "steps")],
        {"from": np.array([-2]), "to": np.array([4]), "axes": np.array([3]), "steps": np.array([-3])},
    ),
    "channels picked": ([node("Gather", "x", "at", axis=1)], {"at": np.array([2, -3])}),
    "one channel": ([node("Gather", "x", "at", axis=1)], {"at": np.array(1)}),
    "sides of zero and minus one": ([node("Reshape", "x", "to")], {"to": np.array([0, -1, 64])}),
    "spread": (
        [helper.make_node("ReduceMax", ["x", "axes"], ["most"], "most"), node("Expand", "most", "to")],
        {"axes": np.array([1]), "to": np.array([1, 5, 1, 1])},
    ),
    "a choice of numbers": (
        [helper.make_node("Greater", ["x", "zero"], ["yes"], "yes"), node("Where", "yes", "x", "low")],
        {"zero": np.float32(0), "low": np.float32(-3)},
    ),
    "a choice of constants": (
        [helper.make_node("LessOrEqual", ["x", "zero"], ["yes"], "yes"), node("Where", "yes", "one", "zero")],
        {"zero": np.float32(0), "one": np.float32(1)},
    ),
    "place of the largest": (chain("ArgMax", "Cast", "x", axis=3, keepdims=0), {}),
    "shares": ([node("Softmax", "x", axis=1)], {}),
    "soft steps": ([node("Softplus", "x")], {}),
    "powers": ([helper.make_node("Exp", ["x"], ["e"], "exp"), node("Pow", "e", "p")], {"p": np.float32(0.5)}),
    "a layer whose weights stand the other way": (
        [
            helper.make_node("GlobalAveragePool", ["x"], ["mean"], "mean"),
            helper.make_node("Flatten", ["mean"], ["flat"], "flat"),
            node("Gemm", "flat", "w", "b"),
        ],
        {"w": WEIGHTS[:3, :, 0, 0], "b": BIAS[:1]},
    ),
    "a shape worked out beforehand": (
        [
            helper.make_node("Shape", ["x"], ["shape"], "shape", start=0, end=1),
            helper.make_node("Concat", ["shape", "rest"], ["to"], "sides", axis=0),
            node("Reshape", "x", "to"),
        ],
        {"rest": np.array([3, -1])},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_means_the_same_in_the_package(name: str, tmp_path: Path) -> None:
    nodes, constants = CASES[name]
    onnx.save(of_one_picture(*nodes, **constants), tmp_path / "model.onnx")
    found, expected = both(tmp_path / "model.onnx", "float32", tmp_path)
    np.testing.assert_allclose(found["y"], expected["y"], rtol=1e-5, atol=1e-5)


def test_the_largest_few_come_with_their_places(tmp_path: Path) -> None:
    top = helper.make_node("TopK", ["x", "k"], ["most", "places"], "top", axis=2)
    model = of_one_picture(top, node("Identity", "most"), k=np.array([4]))
    onnx.save(model, tmp_path / "model.onnx")
    found, expected = both(tmp_path / "model.onnx", "float32", tmp_path)
    np.testing.assert_allclose(found["y"], expected["y"], rtol=1e-6)


REFUSED = {
    "no counterpart": (node("Erf", "x"), {}, r"node 'erf' \(Erf\).*no counterpart"),
    "between whole factors": (
        node("Resize", "x", "", "s", mode="linear", coordinate_transformation_mode="half_pixel"),
        {"s": np.array([1, 1, 1.5, 1.5], np.float32)},
        r"node 'resize' \(Resize\).*whole factors",
    ),
    "another grid": (
        node("Resize", "x", "", "s", mode="linear", coordinate_transformation_mode="align_corners"),
        {"s": np.array([1, 1, 2, 2], np.float32)},
        "half_pixel",
    ),
    "another order of cells": (node("DepthToSpace", "x", blocksize=1), {}, "expected mode CRD"),
    "shapes that do not fit": (node("Add", "x", "w"), {"w": np.ones(5, np.float32)}, r"node 'add' \(Add\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_core_ml_has_no_word_for_is_refused_by_node_with_the_reason(name: str, tmp_path: Path) -> None:
    last, constants, reason = REFUSED[name]
    (tmp_path / "model.onnx").write_bytes(of_one_picture(last, **constants).SerializeToString())
    with pytest.raises(BundleError, match=reason):
        write_program(read_graph(tmp_path / "model.onnx"))


def test_what_is_no_network_or_takes_no_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\xff\xffno network")
    with pytest.raises(BundleError, match="no ONNX network"):
        read_graph(tmp_path / "model.onnx")
    model = of_one_picture(node("Relu", "x"))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="expected one input, uint8"):
        read_graph(tmp_path / "model.onnx")


# ---- networks


@pytest.fixture(scope="module", params=NETWORKS)
def model(request: pytest.FixtureRequest, exported: Callable[[str], Path]) -> Path:
    """The float network of a task, as a bundle has it."""
    return exported(request.param)


def test_the_network_of_every_task_means_the_same_in_the_package(model: Path, tmp_path: Path) -> None:
    found, expected = both(model, "float32", tmp_path)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4 * np.abs(values).max(), err_msg=name)


def test_in_float16_the_network_of_every_task_stays_near(model: Path, tmp_path: Path) -> None:
    found, expected = both(model, "float16", tmp_path)
    for name, values in expected.items():
        assert np.abs(found[name] - values).max() <= HALF * np.abs(values).max(), name


def half_and_single(package: Path) -> tuple[set[str], set[str]]:
    """Kinds of operations that compute in float16, and in float32."""
    operations = [
        op for op in load_program(package).functions["main"].operations if op.op_type not in ("const", "cast")
    ]
    kinds = [{op.op_type for op in operations if op.outputs[0].dtype.__name__ == name} for name in ("fp16", "fp32")]
    return kinds[0], kinds[1]


@pytest.mark.parametrize("model", ["anomaly, a bank"], indirect=True)
def test_in_float16_distances_stay_float32_and_so_does_what_smooths_them(model: Path, tmp_path: Path) -> None:
    package, _ = written(model, "float16", tmp_path)
    half, single = half_and_single(package)
    assert half >= {"conv", "relu6", "add"}
    assert single >= {"matmul", "reduce_sum", "sub", "sqrt", "topk", "conv"}
    assert not half & {"matmul", "reduce_sum", "sub", "sqrt", "topk"}


@pytest.mark.parametrize("model", ["detect, with the golden template"], indirect=True)
def test_in_float16_boxes_are_decoded_in_float32(model: Path, tmp_path: Path) -> None:
    package, _ = written(model, "float16", tmp_path)
    half, single = half_and_single(package)
    assert half >= {"conv", "relu6", "add", "upsample_nearest_neighbor"}
    assert single >= {"exp", "sub", "sigmoid"}
    assert not half & {"exp", "sub", "sigmoid"}


# ---- bundles


def test_the_shipped_bundle_is_exported_with_its_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "export-coreml", str(DEMO), "--out", str(tmp_path)]) == 0
    bundle = load_bundle(DEMO)
    package = tmp_path / bundle.id[:16] / "float16.mlpackage"
    proof = json.loads(package.with_name("float16.mlpackage.json").read_text())
    graph = onnx.load(bundle.model_path("float")).graph
    assert str(package) in capsys.readouterr().out
    assert [one["node"] for one in proof["nodes"]] == [one.name for one in graph.node]
    assert all(one["became"] for one in proof["nodes"])
    assert proof["operations"]["conv"] == sum(one.op_type == "Conv" for one in graph.node)
    assert proof["half_operations"] >= proof["operations"]["conv"]
    layers = [one for one in graph.node if one.op_type in ("Conv", "Gemm", "MatMul")]
    constants = {one.name: int(np.prod(one.dims)) for one in graph.initializer}
    assert proof["weights"] == sum(constants[name] for one in layers for name in one.input if name in constants)
    assert proof["package_bytes"] < 0.75 * proof["model_bytes"]  # its table of novelty stays float32
    size = bundle.manifest.input
    assert [(one["name"], one["shape"]) for one in proof["inputs"]] == [("image", [size.height, size.width])]
    assert sorted(path.name for path in package.parent.iterdir()) == ["float16.mlpackage", "float16.mlpackage.json"]


def rounded(model: Path, folder: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    """Another network than the package is of."""
    other = onnx.load(model)
    change(other)
    onnx.save(other, folder / "other.onnx")
    return folder / "other.onnx"


def one_weight(model: onnx.ModelProto) -> None:
    value = next(one for one in model.graph.initializer if one.name == "w")
    weights = numpy_helper.to_array(value).copy()
    weights[0, 0, 0, 0] += 1e-3
    value.CopyFrom(numpy_helper.from_array(weights, "w"))


def output_name(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "other"


def picture_size(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = SIZE + 2


def second_layer(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "first"
    model.graph.node.append(helper.make_node("Conv", ["first", "v"], ["y"], "second"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32), "v"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (one_weight, "weights of 'conv' are not those"),
        (output_name, "expected .*other"),
        (picture_size, "takes .*expected .*34"),
        (second_layer, "has layers .*expected .*2"),
    ],
)
@pytest.mark.parametrize("compute", ["float32", "float16"])
def test_a_package_of_another_network_is_refused(
    change: Callable[[onnx.ModelProto], None], complaint: str, compute: Compute, tmp_path: Path
) -> None:
    onnx.save(of_one_picture(node("Conv", "x", "w", "b"), w=WEIGHTS, b=BIAS), tmp_path / "model.onnx")
    package, _ = written(tmp_path / "model.onnx", compute, tmp_path)
    other = rounded(tmp_path / "model.onnx", tmp_path, change)
    graph = read_graph(other)
    with pytest.raises(BundleError, match=complaint):
        prove_package(package, graph, other, write_program(graph).accounts)


def test_an_export_replaces_the_one_before_and_leaves_nothing_half_done(bundle_path: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    first, _ = export_package(bundle, "float32", tmp_path)
    (first / "stray").write_text("of an older export")
    again, proof = export_package(bundle, "float32", tmp_path)
    assert again == first
    assert not (again / "stray").exists()
    assert proof.half_operations == 0
    assert len(list(again.parent.iterdir())) == 2


def test_a_network_that_cannot_be_written_leaves_no_package_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = onnx.load_from_string(brightness_network())
    network.graph.node[-1].output[0] = "before"
    network.graph.node.append(helper.make_node("Erf", ["before"], ["logits"], "curve"))
    folder = write_bundle(tmp_path / "bundles", manifest(), bundle_files(network.SerializeToString()))
    assert main(["bundle", "export-coreml", str(folder), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "model.onnx: node 'curve' (Erf)" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(bundle_path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BundleError, match="cannot be written"):
        export_package(load_bundle(bundle_path), "float32", tmp_path / "file")


# ---- golden samples, as macOS would run them


class MacOf:
    """A Mac that computes what the package means; `shift` is added to each first logit."""

    def __init__(self, package: Path, shift: float = 0.0) -> None:
        self.program, self.shift = load_program(package), shift

    def __call__(self, images: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        assert all(image.mode == "RGB" for image in images.values())
        bgr = {name: np.asarray(image)[None, :, :, ::-1].transpose(0, 3, 1, 2) for name, image in images.items()}
        outputs = evaluate(self.program, bgr)
        outputs["logits"][:, 0] += self.shift
        return outputs


@pytest.fixture(scope="module")
def demo() -> Bundle:
    return load_bundle(DEMO)


@pytest.fixture(scope="module")
def package(demo: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_package(demo, "float16", tmp_path_factory.mktemp("packages"))[0]


def test_golden_samples_get_the_recorded_outcome(demo: Bundle, package: Path) -> None:
    check = check_golden(demo, MacOf(package), ("image",))
    assert check.samples == len(demo.golden)
    assert check.largest_difference < 0.02


def test_a_golden_sample_that_flips_is_named(demo: Bundle, package: Path) -> None:
    with pytest.raises(BundleError, match=r"golden/.*\.png: Core ML says .* expected"):
        check_golden(demo, MacOf(package, shift=50.0), ("image",))


def test_a_bundle_without_golden_samples_proves_nothing(tmp_path: Path) -> None:
    bare = load_bundle(write_bundle(tmp_path, manifest(), bundle_files(brightness_network())))
    with pytest.raises(BundleError, match="no golden sample is recorded at float"):
        check_golden(bare, lambda images: {}, ("image",))


def test_pictures_go_in_one_by_one_and_faults_of_core_ml_are_ours() -> None:
    seen: list[dict[str, tuple[int, int]]] = []

    def predict(images: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        seen.append({name: image.getpixel((0, 0)) for name, image in images.items()})
        if len(seen) > 2:
            raise RuntimeError("no unit is free\nand more")
        return {"logits": np.full((1, 2), len(seen), np.float64)}

    runtime = CoreMl(predict, ("image", "template"), (4, 5, 6))
    batch = np.arange(6, dtype=np.uint8) + np.zeros((2, 4, 5, 6), np.uint8)
    np.testing.assert_array_equal(runtime.run(batch)["logits"], [[1, 1], [2, 2]])
    assert seen == [{"image": (2, 1, 0), "template": (5, 4, 3)}] * 2
    with pytest.raises(RuntimeFault, match=r"Core ML: no unit is free$"):
        runtime.run(batch[:1])
    with pytest.raises(RuntimeFault, match=r"expected uint8 \(N, 4, 5, 6\)"):
        runtime.run(batch[..., :3])


@pytest.mark.skipif(platform.system() == "Darwin", reason="macOS can")
def test_elsewhere_than_on_macos_the_check_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "export-coreml", str(DEMO), "--check"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"inspector: --check: only macOS runs Core ML, this is {platform.system()}; export without it"
    ]
