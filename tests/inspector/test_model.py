from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inspector.bundle import load_bundle
from inspector.calibration import Calibration
from inspector.errors import BundleError, RuntimeFault, RuntimeUnavailable, UnknownPlugin
from inspector.heads.classify import ClassifyHead
from inspector.model import load_model
from inspector.plugins import load_plugin
from inspector.runtimes import RuntimeSettings, load_runtime
from tests.conftest import SIZE, brightness_network, manifest

HEAD = ClassifyHead(manifest(), Calibration(temperature=1.0, n=2, n_defect=1))


def pictures(n: int) -> list[np.ndarray]:
    return [np.full((SIZE, SIZE, 3), level, np.uint8) for level in np.linspace(0, 255, n).astype(int)]


@pytest.mark.parametrize("precision", ["float", "cpu-int8"])
def test_a_batch_equals_its_pictures_one_by_one(bundle_path: Path, precision: str) -> None:
    model = load_model(load_bundle(bundle_path), precision)  # type: ignore[arg-type]
    batch = model.predict(pictures(5))
    assert batch == [model.predict([picture])[0] for picture in pictures(5)]
    assert [prediction.label for prediction in batch] == ["dark", "dark", "dark", "good", "good"]


def test_a_prediction_keeps_raw_logits_and_calibrated_probabilities(bundle_path: Path) -> None:
    prediction = load_model(load_bundle(bundle_path)).predict([np.full((SIZE, SIZE, 3), 96, np.uint8)])[0]
    assert prediction.scores == pytest.approx((0.0, 2.0))
    assert prediction.defect_probability == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert sum(prediction.class_probabilities) == pytest.approx(1)


def test_a_model_says_what_runs_where(bundle_path: Path) -> None:
    how = load_model(load_bundle(bundle_path), "float", RuntimeSettings(threads=1)).describe()
    assert (how["device"], how["threads"], how["precision"]) == ("cpu", "1", "float")
    assert how["runtime"].startswith("onnxruntime ")


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (np.array([[np.nan, 0.0]]), "not numbers"),
        (np.array([[np.inf, 0.0]]), "not numbers"),
        (np.zeros((1, 3)), r"shape \(1, 3\); expected \(N, 2\)"),
        (np.zeros(2), r"shape \(2,\)"),
    ],
)
def test_outputs_that_are_no_logits_are_a_fault_of_the_runtime(logits: np.ndarray, expected: str) -> None:
    with pytest.raises(RuntimeFault, match=expected):
        HEAD.predict({"logits": logits}, [])


def test_an_input_that_the_network_refuses_is_a_fault_of_the_runtime(bundle_path: Path) -> None:
    runtime = load_runtime(bundle_path / "model.onnx", RuntimeSettings())
    with pytest.raises(RuntimeFault, match="ONNX Runtime: ") as caught:
        runtime.run(np.zeros((1, SIZE + 1, SIZE, 3), np.uint8))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_network_is_refused_in_one_line(tmp_path: Path, share: float) -> None:
    network = brightness_network()
    path = tmp_path / "model.onnx"
    path.write_bytes(network[: int(len(network) * share)])
    with pytest.raises(BundleError, match=r"model\.onnx: ONNX Runtime cannot load it") as caught:
        load_runtime(path, RuntimeSettings())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_for_a_network_are_refused_in_one_line(tmp_path: Path, seed: int) -> None:
    (tmp_path / "model.onnx").write_bytes(np.random.default_rng(seed).bytes(400))
    with pytest.raises(BundleError, match="cannot load it"):
        load_runtime(tmp_path / "model.onnx", RuntimeSettings())


def test_a_network_without_the_output_of_its_task_is_a_fault_of_the_runtime() -> None:
    with pytest.raises(RuntimeFault, match=r"no output logits; it gives boxes, scores"):
        HEAD.predict({"scores": np.zeros((1, 2), np.float32), "boxes": np.zeros((1, 4), np.float32)}, [])


def test_an_unknown_runtime_is_named_with_the_known_ones(bundle_path: Path) -> None:
    with pytest.raises(
        UnknownPlugin, match=r"no inspector\.runtimes plug-in called 'abacus'; known: onnxruntime, openvino, tensorrt"
    ):
        load_model(load_bundle(bundle_path), "float", RuntimeSettings(kind="abacus"))


def test_a_runtime_whose_library_is_missing_says_what_to_install(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "inspector.runtimes.openvino", raising=False)
    with pytest.raises(RuntimeUnavailable, match=r"runtime 'openvino' needs openvino: pip install 'open-inspector"):
        load_model(load_bundle(bundle_path), "float", RuntimeSettings(kind="openvino"))


def test_a_device_that_the_installed_onnx_runtime_lacks_is_named(bundle_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"no device 'cuda'; the installed library has cpu"):
        load_runtime(bundle_path / "model.onnx", RuntimeSettings(device="cuda"))


def test_a_plug_in_is_found_by_entry_point() -> None:
    assert load_plugin("console_scripts", "inspector", {}).__name__ == "main"


def test_the_runtime_is_imported_only_when_a_network_is_loaded(bundle_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "import inspector.cli, inspector.inspection, inspector.recipe\n"
        "from inspector.bundle import load_bundle\n"
        "bundle = load_bundle(Path(sys.argv[1]))\n"
        "before = 'onnxruntime' in sys.modules\n"
        "from inspector.model import load_model\n"
        "load_model(bundle)\n"
        "print(before, 'onnxruntime' in sys.modules)\n"
    )
    asked = subprocess.run([sys.executable, "-c", script, str(bundle_path)], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["False", "True"]
