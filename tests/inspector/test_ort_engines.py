"""What ONNX Runtime's TensorRT provider is told, so that engines and timings outlive a start."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from inspector.bundle import load_bundle, write_bundle
from inspector.errors import BundleError
from inspector.runtimes.ort_engines import cached_engines, tensorrt_version
from inspector.runtimes.trt.driver import Gpu
from tests.conftest import brightness_network, bundle_files, manifest

ORIN = Gpu("Orin (nvgpu)", "sm87", "12060")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = brightness_network()
    return write_bundle(tmp_path, manifest(), {**bundle_files(network), "model.trt-int8.onnx": network})


def test_engines_and_timings_are_kept_beside_the_bundle_under_what_they_depend_on(folder: Path, tmp_path: Path) -> None:
    options = cached_engines(folder / "model.trt-int8.onnx", ORIN)
    made_by = f"onnxruntime-{onnxruntime.__version__}.tensorrt-{tensorrt_version()}.orin-nvgpu-sm87-driver-12060"
    assert options == {
        "trt_int8_enable": "True",
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(tmp_path / "engines" / load_bundle(folder).id[:16] / made_by),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(tmp_path / "engines" / f"timing.{made_by}"),
    }
    assert all(Path(path).is_dir() for name, path in options.items() if name.endswith("path"))


def test_another_gpu_or_driver_shares_no_engine(folder: Path) -> None:
    gpus = [ORIN, Gpu("Orin (nvgpu)", "sm87", "13000"), Gpu("L4", "sm89", "12060")]
    paths = {cached_engines(folder / "model.onnx", gpu)["trt_engine_cache_path"] for gpu in gpus}
    assert len(paths) == len(gpus)


def test_int8_is_allowed_for_the_graph_that_has_it_alone(folder: Path) -> None:
    assert "trt_int8_enable" not in cached_engines(folder / "model.onnx", ORIN)


def test_a_network_outside_of_bundles_is_known_by_its_content(tmp_path: Path) -> None:
    paths = []
    for name, bias in (("a", 8.0), ("b", 9.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(brightness_network(bias))
        paths.append(Path(cached_engines(tmp_path / name / "model.onnx", ORIN)["trt_engine_cache_path"]))
    assert paths[0].parent.parent == paths[1].parent.parent == tmp_path / "engines"
    assert paths[0].parent != paths[1].parent
    with pytest.raises(BundleError, match="cannot be read"):
        cached_engines(tmp_path / "missing.onnx", ORIN)


def test_where_engines_cannot_be_kept_they_are_built_at_each_start(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "engines").write_text("in the way")
    assert cached_engines(folder / "model.onnx", ORIN) == {}
    assert "engines are built at each start" in caplog.text


def test_a_machine_without_tensorrt_has_an_unknown_version() -> None:
    assert tensorrt_version(("libno-such-library.so.1",)) == "unknown"


def test_the_version_is_the_librarys_own() -> None:
    libraries = pytest.importorskip("tensorrt_rtx_libs", reason="needs open-inspector[tensorrt-rtx]")
    version = pytest.importorskip("tensorrt_rtx").__version__
    path = Path(libraries.__file__).parent / "libtensorrt_rtx.so.1"
    if not path.is_file():
        pytest.skip("another system's library")
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    assert tensorrt_version((str(path),)) == str(10000 * major + 100 * minor + patch)
