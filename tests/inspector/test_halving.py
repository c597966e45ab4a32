"""Float layers in half precision: which may be, and what the library makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from inspector.bundle import Bundle, KeptFloat, load_bundle, write_bundle
from inspector.cli import main
from inspector.errors import BundleError
from inspector.halving import choose_half
from inspector.runtimes import RuntimeSettings, load_runtime
from inspector.runtimes.trt.engines import EngineProof
from inspector.runtimes.trt.half import with_half_layers
from tests.conftest import SIZE, brightness_network, bundle_files, golden, manifest

POOLED = "it follows the pooling: cheap, and it decides"


def named_network(weight: float | None = None) -> bytes:
    """The brightness network with a name for its one layer with weights."""
    model = onnx.load_from_string(brightness_network())
    next(node for node in model.graph.node if node.op_type == "Gemm").name = "decide"
    if weight is not None:
        [weights] = [one for one in model.graph.initializer if one.name == "weights"]
        weights.CopyFrom(numpy_helper.from_array(np.full((3, 2), weight, np.float32), "weights"))
    return bytes(model.SerializeToString())


def make_bundle(folder: Path, reason: str = POOLED, samples: bool = True) -> Bundle:
    files = bundle_files(named_network())
    calibrations = json.loads(files["calibration.json"])
    files |= {
        "model.trt-int8.onnx": named_network(),
        "calibration.json": json.dumps(calibrations | {"trt-int8": calibrations["float"]}).encode(),
    }
    made = manifest(kept_float=(KeptFloat(precision="trt-int8", node="decide", reason=reason),))
    if samples:
        files |= golden(write_bundle(folder / "plain", made, files))
        listed = json.loads(files["golden/golden.json"])
        for sample in listed:
            sample["expected"]["trt-int8"] = sample["expected"]["float"]
        files["golden/golden.json"] = json.dumps(listed).encode()
    return load_bundle(write_bundle(folder / "whole", made, files))


def test_a_layer_that_moves_no_golden_sample_by_more_than_a_hair_computes_in_half(tmp_path: Path) -> None:
    chosen = choose_half(make_bundle(tmp_path), "trt-int8")
    assert chosen.nodes == ("decide",)
    assert 0 < chosen.difference <= 0.01


def test_a_layer_that_moves_a_sample_by_more_stays_float(tmp_path: Path) -> None:
    chosen = choose_half(make_bundle(tmp_path), "trt-int8", most=1e-9)
    assert (chosen.nodes, chosen.difference) == ((), 0.0)


def test_a_layer_that_was_kept_because_it_is_sensitive_stays_float(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "sensitive: in float, 41 % of the graph's difference goes away")
    assert choose_half(bundle, "trt-int8").nodes == ()


def test_without_golden_samples_nothing_is_turned_to_half(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no golden sample at trt-int8"):
        choose_half(make_bundle(tmp_path, samples=False), "trt-int8")


def test_a_graph_with_halves_takes_and_gives_what_it_did(tmp_path: Path) -> None:
    plain = named_network()
    (tmp_path / "plain.onnx").write_bytes(plain)
    (tmp_path / "half.onnx").write_bytes(with_half_layers(plain, ("decide",)))
    onnx.checker.check_model(onnx.load(tmp_path / "half.onnx"))
    pictures = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    ours, theirs = (
        load_runtime(tmp_path / name, RuntimeSettings(threads=1)).run(pictures)["logits"]
        for name in ("half.onnx", "plain.onnx")
    )
    assert ours.dtype == np.float32
    assert 0 < np.abs(ours - theirs).max() < 0.02


@pytest.mark.parametrize(
    ("content", "nodes", "said"),
    [
        (named_network(1e6), ("decide",), "a weight of 1e[+]06 does not fit into a half"),
        (named_network(), ("decide", "other"), "no layer with weights is called other"),
    ],
)
def test_what_cannot_be_a_half_is_refused_by_name(content: bytes, nodes: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        with_half_layers(content, nodes)


def test_the_library_builds_an_engine_with_halves_and_the_proof_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    bundle = make_bundle(tmp_path)
    assert main(["bundle", "build-engine", str(bundle.path), "--target", "sm86", "--half"]) == 0
    [kept] = (tmp_path / "whole" / "engines").rglob("*.json")
    proof = EngineProof.model_validate_json(kept.read_bytes())
    assert proof.half_layers == ("decide",)
    assert "in half: decide (golden samples move by 0.00" in capsys.readouterr().out


def test_halves_of_the_float_graph_are_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_bundle(tmp_path).path
    assert main(["bundle", "build-engine", str(path), "--half", "--precision", "float"]) == 2
    assert "expected --precision trt-int8" in capsys.readouterr().err
