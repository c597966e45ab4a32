"""TensorRT-RTX for real: networks parsed, walked and built on a machine without a GPU."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.bundle import Tiles, load_bundle, write_bundle
from inspector.cli import main
from inspector.errors import BundleError, RuntimeUnavailable
from inspector.runtimes.trt.driver import Gpu
from inspector.runtimes.trt.engines import EngineProof, Order, build_for, profile, unpacked, with_float_size
from inspector.runtimes.trt.kept import wanted_engine
from inspector.runtimes.trt.library import Library, load_library
from inspector.runtimes.trt.parsing import parse_network
from inspector.runtimes.trt.progress import make_progress
from inspector.runtimes.trt.walk import int8_share, walk
from tests.conftest import SIZE, bundle_files, manifest

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'open-inspector[tensorrt-rtx]'")

Node = onnx.NodeProto
BYTES_FIRST = (
    helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
    helper.make_node("Transpose", ["pixels"], ["x"], "transpose", perm=[0, 3, 1, 2]),
)
POOLED = (
    helper.make_node("GlobalAveragePool", ["y"], ["pooled"], "pool"),
    helper.make_node("Flatten", ["pooled"], ["logits"], "flatten"),
)
INT8_STEM = np.ones((2, 3, 3, 3), np.int8)


def coded(name: str, zero: str = "zero") -> list[Node]:
    encode = helper.make_node("QuantizeLinear", [name, "scale", zero], [f"{name}_int8"], f"{name}_encode")
    decode = helper.make_node(
        "DequantizeLinear", [f"{name}_int8", "scale", zero], [f"{name}_decoded"], f"{name}_decode"
    )
    return [encode, decode]


def network(nodes: Sequence[Node], **constants: np.ndarray) -> bytes:
    """A network of one convolution `conv` (x_decoded * weights), with whatever `nodes` bring."""
    known: dict[str, np.ndarray] = {
        "weights_int8": INT8_STEM,
        "weights_scale": np.full(2, 0.01, np.float32),
        "weights_zero": np.zeros(2, np.int8),
        "scale": np.array(2.0, np.float32),
        "zero": np.array(0, np.int8),
        **constants,
    }
    decode = helper.make_node(
        "DequantizeLinear", ["weights_int8", "weights_scale", "weights_zero"], ["weights"], "weights_decode", axis=0
    )
    graph = helper.make_graph(
        [*nodes[:2], decode, *nodes[2:], *POOLED],
        "made",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in known.items()],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    )


def conv(*inputs: str, **options: object) -> Node:
    return helper.make_node("Conv", list(inputs), ["y"], "conv", **options)


SOUND = [*BYTES_FIRST, *coded("x"), conv("x_decoded", "weights")]


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library("tensorrt-rtx")


def bundle_of(folder: Path, graph: bytes, **changes: object) -> Path:
    files = bundle_files(graph)
    calibrations = json.loads(files["calibration.json"])
    calibrations["trt-int8"] = calibrations["float"]
    extra = {"model.trt-int8.onnx": graph, "calibration.json": json.dumps(calibrations).encode()}
    return write_bundle(folder, manifest(**changes), {**files, **extra})


def test_a_layer_fed_by_int8_on_both_sides_is_int8_and_its_work_is_counted(library: Library, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(network(SOUND))
    layers = walk(parse_network(library, tmp_path / "model.onnx"), {})
    assert [(layer.name, layer.kind, layer.reason) for layer in layers] == [("conv", "convolution", None)]
    assert layers[0].macs == 30 * 30 * 2 * 3 * 9
    assert int8_share(layers) == 1


def test_layers_that_stay_float_are_listed_with_the_side_that_is_float_or_the_bundles_reason(
    library: Library, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(network([*BYTES_FIRST, conv("x", "weights")]))
    parsed = parse_network(library, tmp_path / "model.onnx")
    assert walk(parsed, {})[0].reason == "its input come from no int8"
    layers = walk(parsed, {"conv": "it reads the picture"})
    assert layers[0].reason == "it reads the picture"
    assert int8_share(layers) == 0


def test_grouped_and_upward_convolutions_and_products_are_counted(library: Library, tmp_path: Path) -> None:
    nodes = [
        *BYTES_FIRST,
        helper.make_node("Conv", ["x", "depthwise"], ["d"], "depthwise", group=3),
        helper.make_node("ConvTranspose", ["d", "upward"], ["u"], "upward", strides=[2, 2]),
        helper.make_node("Transpose", ["u"], ["last"], "turn", perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["last", "product"], ["m"], "product"),
        helper.make_node("Transpose", ["m"], ["y"], "back", perm=[0, 3, 1, 2]),
    ]
    ones = {"depthwise": (3, 1, 3, 3), "upward": (3, 4, 2, 2), "product": (4, 2)}
    (tmp_path / "model.onnx").write_bytes(network(nodes, **{k: np.ones(v, np.float32) for k, v in ones.items()}))
    macs = {layer.name: layer.macs for layer in walk(parse_network(library, tmp_path / "model.onnx"), {})}
    assert macs == {"depthwise": 30 * 30 * 3 * 9, "upward": 30 * 30 * 3 * 4 * 4, "product": 60 * 60 * 4 * 2}


INT32_BIAS = [
    *SOUND[:-1],
    helper.make_node("DequantizeLinear", ["bias_int32", "weights_scale"], ["bias"], "bias_decode", axis=0),
    conv("x_decoded", "weights", "bias"),
]
BYTES_TURNED = [
    helper.make_node("Transpose", ["image"], ["turned"], "turn", perm=[0, 3, 1, 2]),
    helper.make_node("Cast", ["turned"], ["x"], "cast", to=TensorProto.FLOAT),
    *SOUND[2:],
]
BATCH_PAD = [
    *BYTES_FIRST,
    helper.make_node("Shape", ["x"], ["shape"], "shape"),
    helper.make_node("Gather", ["shape", "first"], ["n"], "gather"),
    helper.make_node("Concat", ["six", "n", "one"], ["amounts"], "concat", axis=0),
    helper.make_node("Pad", ["x", "amounts"], ["padded"], "pad"),
    *coded("padded"),
    conv("padded_decoded", "weights"),
]


@pytest.mark.parametrize(
    ("nodes", "constants", "node", "mend"),
    [
        (INT32_BIAS, {"bias_int32": np.ones(2, np.int32)}, "bias_decode", "float biases"),
        (SOUND, {"zero": np.array(3, np.int8)}, "x_encode", "symmetric int8"),
        (SOUND, {"zero": np.array(0, np.uint8)}, "x_encode", "symmetric int8"),
        (
            BATCH_PAD,
            {
                "first": np.array([0], np.int64),
                "six": np.zeros(6, np.int64),
                "one": np.zeros(1, np.int64),
            },
            "conv",
            "by constants for the fixed input size",
        ),
        (BYTES_TURNED, {}, "turn", "into floats"),
        (
            [*BYTES_FIRST, helper.make_node("Fourier", ["x"], ["y"], "odd", domain="nobody")],
            {},
            "odd",
            "no such operator",
        ),
    ],
    ids=["int32 bias", "zero point", "uint8", "shape arithmetic", "bytes turned", "unknown operator"],
)
def test_a_forbidden_construct_is_refused_with_its_node_and_the_mend(
    library: Library, tmp_path: Path, nodes: list[Node], constants: dict[str, np.ndarray], node: str, mend: str
) -> None:
    bundle = load_bundle(bundle_of(tmp_path, network(nodes, **constants)))
    with pytest.raises(BundleError, match=rf"model\.trt-int8\.onnx: node '{node}'.*{mend}") as caught:
        build_for(bundle, Order("trt-int8", "sm86"), library)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"garbage" * 30], ids=["empty", "garbage"])
def test_bytes_that_are_no_network_are_refused(library: Library, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.onnx: tensorrt-rtx (cannot parse it|finds 0 inputs)"):
        parse_network(library, tmp_path / "model.onnx")


def test_an_output_that_the_task_needs_must_be_there(library: Library, tmp_path: Path) -> None:
    files = bundle_files(network(SOUND))
    path = write_bundle(tmp_path, manifest(output_names=("boxes",)), {**files, "model.trt-int8.onnx": network(SOUND)})
    with pytest.raises(BundleError, match="no output boxes; it gives logits"):
        build_for(load_bundle(path), Order("trt-int8", "sm86"), library)


def test_engines_for_several_gpus_are_built_without_one_and_lie_beside_the_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle_of(tmp_path, network(SOUND))
    bundle = load_bundle(path)
    assert main(["bundle", "build-engine", str(path), "--target", "sm86,sm89"]) == 0
    engines = sorted((tmp_path / "engines" / bundle.id[:16]).glob("*.engine.xz"))
    assert [file.name.partition(".tensorrt-rtx-")[0] for file in engines] == ["trt-int8.sm86", "trt-int8.sm89"]
    proof = EngineProof.model_validate_json(engines[0].with_name(f"{engines[0].name}.json").read_bytes())
    assert (proof.bundle, proof.int8_share, proof.packed_bytes) == (bundle.id, 1.0, engines[0].stat().st_size)
    assert proof.engine_bytes == len(unpacked(engines[0])) > 2 * proof.packed_bytes
    assert (proof.inputs[0].dtype, proof.inputs[0].shape) == ("uint8", (-1, SIZE, SIZE, 3))
    assert proof.batches == (1, 1, 8)
    assert "100.0 % of 0 M multiply-accumulates in int8" in capsys.readouterr().out
    assert load_bundle(path).id == bundle.id


def test_frames_that_are_cut_come_with_all_tiles_at_once_and_engines_are_quickest_for_that(
    library: Library, tmp_path: Path
) -> None:
    whole = bundle_of(tmp_path / "whole", network(SOUND))
    cut = bundle_of(tmp_path / "cut", network(SOUND), tiles=Tiles(width=64, height=64, overlap=8))
    gpu = Gpu("Fake 3000", "sm86", "13000")
    orders = [wanted_engine(path / "model.trt-int8.onnx", library, gpu, 12).order for path in (whole, cut)]
    assert [(order.best_batch, order.largest_batch) for order in orders] == [(1, 12), (12, 12)]


@pytest.mark.parametrize(("capability", "target"), [("sm89", "sm89"), ("sm90", "current")])
def test_a_gpu_that_the_library_has_no_name_for_is_built_for_where_it_is(
    library: Library, tmp_path: Path, capability: str, target: str
) -> None:
    model = bundle_of(tmp_path, network(SOUND)) / "model.trt-int8.onnx"
    wanted = wanted_engine(model, library, Gpu("NVIDIA H100", capability, "13000"), 8)
    assert wanted.here.target == target
    assert capability in wanted.path.name


def test_a_float_network_that_turns_bytes_is_built_with_floats_at_its_door(library: Library, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_of(tmp_path, network(BYTES_TURNED)))
    _, proof = build_for(bundle, Order("float", "sm86"), library)
    assert (proof.inputs[0].dtype, proof.inputs[0].shape) == ("uint8", (-1, SIZE, SIZE, 3))


def test_the_engine_is_held_against_the_float_engine_of_the_same_network(library: Library, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_of(tmp_path, network(SOUND)))
    _, proof = build_for(bundle, Order("trt-int8", "sm86"), library)
    assert proof.size_ratio is None
    compared = with_float_size(proof, bundle, library)
    assert compared.size_ratio == proof.engine_bytes / compared.float_engine_bytes  # type: ignore[operator]
    assert compared.packed_ratio == proof.packed_bytes / compared.float_packed_bytes  # type: ignore[operator]
    _, plain = build_for(bundle, Order("float", "sm86"), library)
    assert with_float_size(plain, bundle, library) == plain


def test_a_build_says_how_far_it_has_come_every_two_seconds(library: Library, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(network(SOUND))
    parsed = parse_network(library, tmp_path / "model.onnx")
    config, told, seconds = parsed.builder.create_builder_config(), [], itertools.count()
    progress = make_progress(library.api, told.append, lambda: float(next(seconds)))
    config.progress_monitor = progress
    config.add_optimization_profile(profile(parsed, Order("trt-int8", "sm86")))
    config.num_compute_capabilities = 1
    config.set_compute_capability(library.api.ComputeCapability.SM86, 0)
    assert parsed.builder.build_serialized_network(parsed.network, config) is not None
    assert len(told) > 2
    assert all(re.fullmatch(r"[a-z /,]+: \d+ of \d+", line) for line in told), told


def test_an_unknown_target_is_bad_usage_that_names_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle_of(tmp_path, network(SOUND))
    assert main(["bundle", "build-engine", str(path), "--target", "sm12"]) == 2
    assert "sm86" in capsys.readouterr().err


def test_a_precision_that_the_bundle_lacks_is_named(bundle_path: Path, library: Library) -> None:
    with pytest.raises(BundleError, match=r"no model\.trt-int8\.onnx, so no precision trt-int8"):
        build_for(load_bundle(bundle_path), Order("trt-int8", "sm86"), library)


def test_a_kind_that_is_no_tensorrt_is_refused() -> None:
    with pytest.raises(RuntimeUnavailable, match="expected tensorrt or tensorrt-rtx"):
        load_library("abacus")


COLLECTED_MEANWHILE = """
import gc, sys
from pathlib import Path
from inspector.errors import BundleError
from inspector.runtimes.trt.kept import wanted_engine
from inspector.runtimes.trt.library import load_library
from inspector.runtimes.trt.parsing import parse_network

library = load_library("tensorrt-rtx")


def leave_garbage():
    try:
        parse_network(library, Path(sys.argv[1]))
    except BundleError as error:
        kept = [error]
        kept.append(kept)


for allocations in range(1, 400, 3):  # the collector comes a little later each time, wherever the parser then is
    leave_garbage()
    gc.set_threshold(gc.get_count()[0] + allocations)
    parse_network(library, Path(sys.argv[2]))
    gc.set_threshold(100_000)
    gc.collect()
"""


def test_a_collection_while_another_network_is_parsed_does_not_stop_the_thread(tmp_path: Path) -> None:
    """TensorRT locks its log against the freeing of a builder; this was found as a test run that never ended."""
    (tmp_path / "refused.onnx").write_bytes(network([*BYTES_FIRST, helper.make_node("No", ["x"], ["y"], domain="one")]))
    (tmp_path / "sound.onnx").write_bytes(network(SOUND))
    paths = [str(tmp_path / name) for name in ("refused.onnx", "sound.onnx")]
    done = subprocess.run([sys.executable, "-c", COLLECTED_MEANWHILE, *paths], timeout=60, check=False)
    assert done.returncode == 0
