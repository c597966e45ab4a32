"""OpenVINO for real, on the processor; ONNX Runtime is the reference."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from inspector.bundle import load_bundle
from inspector.errors import BundleError, RuntimeFault, RuntimeUnavailable
from inspector.inspection import Inspector
from inspector.model import load_model
from inspector.recipe import Recipe
from inspector.runtimes import RuntimeSettings, load_runtime
from tests.conftest import SIZE, brightness_network

if find_spec("openvino") is None:  # looked for, not imported: its own import reports to its maker
    pytest.skip("OpenVINO is not installed: pip install 'open-inspector[openvino]'", allow_module_level=True)

OPENVINO = RuntimeSettings(kind="openvino", threads=1)
DEMO = Path(__file__).resolve().parents[2] / "station" / "demo" / "bundle"


def pictures(n: int, size: tuple[int, int] = (SIZE, SIZE)) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, *size, 3), np.uint8)


@pytest.mark.parametrize("hint", ["latency", "throughput"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_batch_gives_what_onnx_runtime_gives(bundle_path: Path, n: int, hint: str) -> None:
    settings = OPENVINO.model_copy(update={"hint": hint, "threads": 2})
    ours = load_runtime(bundle_path / "model.onnx", settings).run(pictures(n))
    reference = load_runtime(bundle_path / "model.onnx", RuntimeSettings()).run(pictures(n))
    assert ours.keys() == reference.keys()
    np.testing.assert_allclose(ours["logits"], reference["logits"], atol=1e-4)


@pytest.mark.parametrize("precision", ["float", "cpu-int8", "trt-int8"])
def test_the_demo_bundle_finds_its_golden_samples_again(precision: str) -> None:
    bundle = load_bundle(DEMO)
    if precision not in bundle.calibrations:
        pytest.skip(f"the shipped bundle has no precision {precision}")
    inspector = Inspector(bundle, Recipe(precision=precision, runtime=OPENVINO))
    assert inspector.self_test() > 0
    assert inspector.describe()["runtime"].startswith("openvino 20")


def test_outputs_stay_when_the_next_picture_is_run(bundle_path: Path) -> None:
    runtime = load_runtime(bundle_path / "model.onnx", OPENVINO)
    first = runtime.run(pictures(1))["logits"]
    kept = first.copy()
    runtime.run(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    np.testing.assert_array_equal(first, kept)


def test_pictures_that_do_not_lie_in_one_piece_are_read_as_they_look(bundle_path: Path) -> None:
    runtime = load_runtime(bundle_path / "model.onnx", OPENVINO)
    mirrored = pictures(2)[:, :, ::-1]
    np.testing.assert_array_equal(runtime.run(mirrored)["logits"], runtime.run(mirrored.copy())["logits"])


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        (np.zeros((1, SIZE + 1, SIZE, 3), np.uint8), r"uint8 \(1, 33, 32, 3\)"),
        (np.zeros((1, SIZE, SIZE, 6), np.uint8), r"uint8 \(1, 32, 32, 6\)"),
        (np.zeros((0, SIZE, SIZE, 3), np.uint8), r"uint8 \(0, 32, 32, 3\)"),
        (np.zeros((1, SIZE, SIZE, 3), np.float32), "float32"),
    ],
)
def test_an_input_that_is_no_batch_of_pictures_is_refused(bundle_path: Path, batch: np.ndarray, found: str) -> None:
    runtime = load_runtime(bundle_path / "model.onnx", OPENVINO)
    with pytest.raises(RuntimeFault, match=rf"OpenVINO: input is {found}.*; expected uint8 \(N, 32, 32, 3\)"):
        runtime.run(batch)


def test_a_network_that_answers_nan_is_a_fault_and_no_verdict(bundle_path: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    model = load_model(bundle, "float", OPENVINO)
    (tmp_path / "nan.onnx").write_bytes(brightness_network(float("nan")))
    broken = load_runtime(tmp_path / "nan.onnx", OPENVINO)
    with pytest.raises(RuntimeFault, match="not numbers"):
        model.head.predict(broken.run(pictures(1)), [])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_network_is_refused_in_one_line(
    tmp_path: Path, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    network = brightness_network()
    (tmp_path / "model.onnx").write_bytes(network[: int(len(network) * share)])
    with pytest.raises(BundleError, match=r"model\.onnx: OpenVINO cannot") as caught:
        load_runtime(tmp_path / "model.onnx", OPENVINO)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_openvino_lacks_is_the_bundles_fault(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Fourier", ["image"], ["logits"], domain="nobody")],
        "odd",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])],
    )
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("nobody", 1)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=10), tmp_path / "model.onnx")
    with pytest.raises(BundleError, match=r"model\.onnx: OpenVINO cannot"):
        load_runtime(tmp_path / "model.onnx", OPENVINO)


def test_the_library_reports_to_nobody(bundle_path: Path, tmp_path: Path) -> None:
    script = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from inspector.runtimes import RuntimeSettings, load_runtime\n"
        "load_runtime(Path(sys.argv[1]), RuntimeSettings(kind='openvino'))\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry') and sys.modules[name]])\n"
        "print([thread.name for thread in threading.enumerate()])\n"
    )
    command = [sys.executable, "-c", script, str(bundle_path / "model.onnx")]
    environment = {**os.environ, "HOME": str(tmp_path)}
    asked = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert asked.stdout.splitlines() == ["[]", "['MainThread']"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("device", ["npu", "gpu.7", "abacus"])
def test_a_device_that_the_machine_lacks_is_named_with_those_it_has(bundle_path: Path, device: str) -> None:
    with pytest.raises(RuntimeUnavailable, match=rf"no device '{device}'.*; this machine has .*cpu"):
        load_runtime(bundle_path / "model.onnx", OPENVINO.model_copy(update={"device": device}))
