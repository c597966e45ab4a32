"""TensorRT's timing cache: kept beside the engines, taken by the next build, never in the way of one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inspector.bundle import load_bundle, write_bundle
from inspector.runtimes.trt.engines import Order, build_for
from inspector.runtimes.trt.library import Library, load_library
from inspector.runtimes.trt.timing import keep_timings, timing_path, use_timings
from tests.conftest import brightness_network, bundle_files, manifest


@dataclass(frozen=True, slots=True)
class FakeCache:
    content: bytes

    def serialize(self) -> memoryview:
        return memoryview(self.content)


@dataclass(slots=True)
class FakeConfig:
    """A builder's configuration that takes caches of its own GPU alone, `mine...`, and an empty one."""

    given: list[bytes] = field(default_factory=list)
    cache: FakeCache | None = None

    def create_timing_cache(self, content: bytes) -> FakeCache | None:
        self.given.append(content)
        return None if content == b"torn" else FakeCache(content)

    def set_timing_cache(self, cache: FakeCache, ignore_mismatch: bool) -> bool:
        fits = ignore_mismatch or cache.content == b"" or cache.content.startswith(b"mine")
        self.cache = cache if fits else self.cache
        return fits

    def get_timing_cache(self) -> FakeCache:
        return FakeCache(b"mine: of this build")


def test_a_build_takes_the_timings_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "engines" / "timing"
    first, second = FakeConfig(), FakeConfig()
    use_timings(first, path)
    assert first.cache == FakeCache(b"")
    keep_timings(first, path)
    use_timings(second, path)
    assert second.cache == FakeCache(b"mine: of this build")
    assert [file.name for file in path.parent.iterdir()] == ["timing"]


@pytest.mark.parametrize("content", [b"another's", b"torn"])
def test_timings_that_the_library_refuses_are_left_and_said(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "timing").write_bytes(content)
    config = FakeConfig()
    use_timings(config, tmp_path / "timing")
    assert config.given == [content, b""]
    assert config.cache == FakeCache(b"")
    assert "kernels are timed again" in caplog.text


def test_timings_that_did_not_change_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "timing"
    keep_timings(FakeConfig(), path)
    before = path.stat().st_ino
    keep_timings(FakeConfig(), path)
    assert path.stat().st_ino == before


def test_a_folder_that_cannot_be_written_stops_no_build(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    keep_timings(FakeConfig(), tmp_path / "file" / "timing")
    assert "kernels are timed at each build" in caplog.text


def test_timings_belong_to_a_gpu_and_a_version_of_tensorrt_and_rtx_has_none(tmp_path: Path) -> None:
    library = Library("tensorrt", type("Api", (), {"__version__": "10.13.0"}))
    assert timing_path(tmp_path, "orin-sm87-driver-12060", library) == (
        tmp_path / "timing.orin-sm87-driver-12060.tensorrt-10.13.0"
    )
    assert timing_path(tmp_path, "sm86", Library("tensorrt-rtx", library.api)) is None


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
def test_the_librarys_own_objects_are_written_and_taken_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """TensorRT-RTX still has the calls, though they do nothing; `tensorrt` has the same ones."""
    pytest.importorskip("tensorrt_rtx", reason="needs open-inspector[tensorrt-rtx]")
    network = brightness_network()
    files = bundle_files(network)
    calibrations = json.loads(files["calibration.json"])
    files |= {
        "model.trt-int8.onnx": network,
        "calibration.json": json.dumps({**calibrations, "trt-int8": calibrations["float"]}).encode(),
    }
    bundle = load_bundle(write_bundle(tmp_path, manifest(), files))
    library, timings = load_library("tensorrt-rtx"), tmp_path / "engines" / "timing"
    build_for(bundle, Order("trt-int8", "sm86"), library, timings)
    kept = timings.read_bytes()
    assert kept
    build_for(bundle, Order("trt-int8", "sm86"), library, timings)
    assert timings.read_bytes() == kept
    assert not caplog.records
