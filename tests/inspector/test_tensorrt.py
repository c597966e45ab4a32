"""The TensorRT adapter as far as it goes without a GPU: real parsing and building, a device and an engine of Python."""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from inspector.bundle import load_bundle, write_bundle
from inspector.errors import BundleError, RuntimeFault, RuntimeUnavailable
from inspector.model import load_model
from inspector.runtimes import RuntimeSettings, load_runtime
from inspector.runtimes.trt.driver import CudaDevice, Gpu, open_device
from inspector.runtimes.trt.engines import unpacked
from inspector.runtimes.trt.library import load_library
from inspector.runtimes.trt.runtime import TensorRt
from tests.conftest import SIZE, brightness_network, bundle_files, manifest

trt = pytest.importorskip(
    "tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'open-inspector[tensorrt-rtx]'"
)

RTX = RuntimeSettings(kind="tensorrt-rtx", device="gpu")
MOST = 4


class FakeDevice:
    """Device memory is host memory under numbers; what is queued runs at `wait`, as on a stream."""

    def __init__(self, gpu: Gpu | None = None) -> None:
        self.gpu = gpu or Gpu("Fake 4000", "sm89", "13000")
        self.memories: dict[int, np.ndarray] = {}
        self.queued: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None
        self.graphs: list[list[Callable[[], None]]] = []
        self.bound: set[int] = set()
        self.can_record = True

    def bind(self) -> None:
        self.bound.add(threading.get_ident())

    def stream(self) -> int:
        return 7

    def pinned(self, size: int) -> np.ndarray:
        return np.zeros(size, np.uint8)

    def memory(self, size: int) -> int:
        self.memories[1000 + len(self.memories)] = np.zeros(size, np.uint8)
        return 999 + len(self.memories)

    def queue(self, work: Callable[[], None]) -> None:
        (self.queued if self.recording is None else self.recording).append(work)

    def upload(self, target: int, source: np.ndarray, size: int, stream: int) -> None:
        self.queue(lambda: np.copyto(self.memories[target][:size], source[:size]))

    def download(self, target: np.ndarray, source: int, size: int, stream: int) -> None:
        self.queue(lambda: np.copyto(target[:size], self.memories[source][:size]))

    def capture(self, work: Callable[[], None], stream: int) -> int:
        if not self.can_record:
            raise RuntimeFault("CUDA: cuStreamEndCapture failed")
        self.recording = []
        work()
        self.graphs.append(self.recording)
        self.recording = None
        return len(self.graphs)

    def launch(self, graph: int, stream: int) -> None:
        self.queued += self.graphs[graph - 1]

    def wait(self, stream: int) -> None:
        assert threading.get_ident() in self.bound
        for work in self.queued:
            work()
        self.queued.clear()


class FakeContext:
    """Computes the brightness network's logits from whatever lies at the addresses it was given."""

    def __init__(self, device: FakeDevice) -> None:
        self.device, self.addresses, self.shape = device, {}, (0,)
        self.refuses_shape = self.fails = False
        self.config: FakeRuntimeConfig | None = None

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        if self.config is not None and b"%d;" % shape[0] not in self.config.cache.kernels:
            self.config.cache.kernels += b"%d;" % shape[0]
        return not self.refuses_shape

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        shape = self.shape
        self.device.queue(lambda: self._compute(shape))
        return not self.fails

    def _compute(self, shape: tuple[int, ...]) -> None:
        pictures = self.device.memories[self.addresses["image"]][: int(np.prod(shape))].reshape(shape)
        means = pictures.mean((1, 2, 3), dtype=np.float64)
        logits = np.stack([np.zeros_like(means), 8 - means / 16], axis=1).astype(np.float32)
        self.device.memories[self.addresses["logits"]][: logits.nbytes] = logits.reshape(-1).view(np.uint8)


class FakeRuntimeCache:
    """Compiled kernels of one make; what another wrote it refuses, as the library does."""

    def __init__(self, make: bytes) -> None:
        self.make, self.kernels = make, b""

    def deserialize(self, blob: bytes) -> bool:
        if not blob.startswith(self.make):
            return False
        self.kernels = blob.removeprefix(self.make)
        return True

    def serialize(self) -> bytes:
        return self.make + self.kernels


class FakeRuntimeConfig:
    def __init__(self, make: bytes) -> None:
        self.cache = FakeRuntimeCache(make)

    def create_runtime_cache(self) -> FakeRuntimeCache:
        return self.cache

    def set_runtime_cache(self, cache: FakeRuntimeCache) -> bool:
        return cache is self.cache


class FakeEngine:
    num_io_tensors = 2
    shapes: ClassVar = {"image": (-1, SIZE, SIZE, 3), "logits": (-1, 2)}

    def __init__(self, device: FakeDevice, make: bytes = b"this GPU:") -> None:
        self.context, self.config = FakeContext(device), FakeRuntimeConfig(make)

    def create_runtime_config(self) -> FakeRuntimeConfig:
        return self.config

    def create_execution_context(self, config: FakeRuntimeConfig | None = None) -> FakeContext:
        self.context.config = config
        return self.context

    def get_tensor_name(self, index: int) -> str:
        return list(self.shapes)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name]

    def get_tensor_dtype(self, name: str) -> Any:
        return trt.DataType.UINT8 if name == "image" else trt.DataType.FLOAT

    def get_tensor_mode(self, name: str) -> Any:
        return trt.TensorIOMode.INPUT if name == "image" else trt.TensorIOMode.OUTPUT

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [(n, *self.shapes[name][1:]) for n in (1, 1, MOST)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The brightness network as trt-int8 in a bundle of its own, for engines lie beside bundles."""
    network = brightness_network()
    files = bundle_files(network)
    calibrations = json.loads(files["calibration.json"])
    calibrations["trt-int8"] = calibrations["float"]
    files |= {"model.trt-int8.onnx": network, "calibration.json": json.dumps(calibrations).encode()}
    return write_bundle(tmp_path, manifest(), files) / "model.trt-int8.onnx"


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


def adapter(model: Path, device: FakeDevice, engine: FakeEngine | None = None) -> TensorRt:
    return TensorRt(model, RTX, device, lambda _: engine or FakeEngine(device))


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, SIZE, SIZE, 3), np.uint8)


def engines(model: Path) -> list[Path]:
    return sorted((model.parent.parent / "engines").rglob("*.engine.xz"))


@pytest.mark.parametrize("n", [1, 3, MOST, MOST + 1, 3 * MOST + 2])
def test_any_batch_gives_what_onnx_runtime_gives(model: Path, device: FakeDevice, n: int) -> None:
    ours = adapter(model, device).run(pictures(n))
    reference = load_runtime(model, RuntimeSettings(threads=1)).run(pictures(n))
    assert ours.keys() == reference.keys()
    assert ours["logits"].dtype == np.float32
    np.testing.assert_allclose(ours["logits"], reference["logits"], atol=1e-3)


def test_outputs_stay_when_the_next_batch_is_run(model: Path, device: FakeDevice) -> None:
    runtime = adapter(model, device)
    first = runtime.run(pictures(2))["logits"]
    kept = first.copy()
    runtime.run(pictures(3))
    np.testing.assert_array_equal(first, kept)


def test_from_the_third_batch_of_a_size_on_a_recorded_graph_is_replayed(model: Path, device: FakeDevice) -> None:
    engine = FakeEngine(device)
    runtime = adapter(model, device, engine)
    expected = runtime.run(pictures(2))["logits"]
    for _ in range(3):
        np.testing.assert_array_equal(runtime.run(pictures(2))["logits"], expected)
    assert len(device.graphs) == 1
    engine.context.fails = True  # would be noticed, were it queued again
    np.testing.assert_array_equal(runtime.run(pictures(2))["logits"], expected)


def test_a_batch_size_that_cannot_be_recorded_is_queued_each_time(
    model: Path, device: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    device.can_record = False
    runtime = adapter(model, device)
    expected = runtime.run(pictures(2))["logits"]
    for _ in range(3):
        np.testing.assert_array_equal(runtime.run(pictures(2))["logits"], expected)
    assert caplog.text.count("no CUDA graph for batches of 2") == 1


def test_another_thread_than_the_one_that_loaded_it_may_run_it(model: Path, device: FakeDevice) -> None:
    runtime, answers = adapter(model, device), []
    thread = threading.Thread(target=lambda: answers.append(runtime.run(pictures(1))))
    device.bound.clear()
    thread.start()
    thread.join()
    assert len(answers) == 1


@pytest.mark.parametrize("fault", ["refuses_shape", "fails"])
def test_what_the_library_refuses_is_a_fault_of_the_runtime(model: Path, device: FakeDevice, fault: str) -> None:
    engine = FakeEngine(device)
    runtime = adapter(model, device, engine)
    setattr(engine.context, fault, True)
    with pytest.raises(RuntimeFault, match=r"tensorrt-rtx: (refuses the shape|inference failed)"):
        runtime.run(pictures(1))


@pytest.mark.parametrize("batch", [pictures(1)[:, :-1], pictures(1).astype(np.float32), pictures(0)])
def test_an_input_that_is_no_batch_of_pictures_is_refused(model: Path, device: FakeDevice, batch: np.ndarray) -> None:
    with pytest.raises(RuntimeFault, match=r"expected uint8 \(N, 32, 32, 3\)"):
        adapter(model, device).run(batch)


def test_the_engine_is_built_once_and_again_only_when_gpu_or_content_differ(model: Path, device: FakeDevice) -> None:
    adapter(model, device)
    [first] = engines(model)
    assert ".sm89.tensorrt-rtx-" in first.name
    written = first.stat().st_mtime_ns
    adapter(model, device)
    assert first.stat().st_mtime_ns == written  # not built again
    whole = first.read_bytes()
    for broken in (whole[:-1], whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]):
        first.write_bytes(broken)
        adapter(model, device)
        assert first.read_bytes() == whole
    adapter(model, FakeDevice(Gpu("Fake 3000", "sm86", "13000")))
    assert len(engines(model)) == 2


def test_an_engine_that_the_driver_no_longer_takes_is_built_again(model: Path, device: FakeDevice) -> None:
    adapter(model, device)
    answers = [None, FakeEngine(device)]
    runtime = TensorRt(model, RTX, device, lambda _: answers.pop(0))
    assert runtime.run(pictures(1))["logits"].shape == (1, 2)


def test_an_engine_just_built_that_cannot_be_loaded_is_a_fault(model: Path, device: FakeDevice) -> None:
    with pytest.raises(RuntimeFault, match="the engine just built cannot be loaded"):
        TensorRt(model, RTX, device, lambda _: None)


def test_kernels_compiled_at_the_station_are_kept_for_its_next_start(model: Path, device: FakeDevice) -> None:
    runtime = adapter(model, device)
    for n in (1, 3, 1):
        runtime.run(pictures(n))
    [kept] = (model.parent.parent / "engines").rglob("*.compiled")
    assert kept.read_bytes() == b"this GPU:1;3;"
    again = FakeEngine(device)
    adapter(model, device, again)
    assert again.config.cache.kernels == b"1;3;"


def test_kernels_of_another_gpu_or_driver_are_compiled_again_and_written_over(model: Path, device: FakeDevice) -> None:
    adapter(model, device).run(pictures(1))
    adapter(model, device, FakeEngine(device, b"another GPU:")).run(pictures(2))
    [kept] = (model.parent.parent / "engines").rglob("*.compiled")
    assert kept.read_bytes() == b"another GPU:2;"


def test_kernels_that_cannot_be_kept_cost_the_next_start_its_time_and_no_part(
    model: Path, device: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = adapter(model, device)
    [engine] = engines(model)
    (engine.parent / f".{engine.stem}.compiled.new").mkdir()
    assert runtime.run(pictures(1))["logits"].shape == (1, 2)
    assert "compiled again at each start" in caplog.text


def test_the_library_itself_refuses_to_load_an_engine_without_a_driver(model: Path, device: FakeDevice) -> None:
    if _has_driver():
        pytest.skip("this machine has an NVIDIA driver: `make gpu-check` runs it")
    with pytest.raises(RuntimeFault, match=r"cannot be loaded \(.*[Cc]uda"):
        TensorRt(model, RTX, device)


def test_an_engine_is_built_where_none_is_kept_or_the_driver_takes_it_no_more(model: Path, device: FakeDevice) -> None:
    told: list[str] = []
    assert not TensorRt.is_built(model, RTX, device, FakeEngine)
    TensorRt.build(model, RTX, told.append, device)
    [engine] = engines(model)
    assert told[0] == "begun, after 0 s"
    assert TensorRt.is_built(model, RTX, device, lambda content: content == unpacked(engine) or None)
    assert not TensorRt.is_built(model, RTX, device, lambda _: None)


def test_what_must_not_be_written_is_left_to_the_one_that_loads_it(model: Path, device: FakeDevice) -> None:
    (model.parent.parent / "engines").write_text("a file where the folder should be")
    TensorRt.build(model, RTX, lambda _: None, device)
    assert adapter(model, device).run(pictures(1))["logits"].shape == (1, 2)


def test_a_network_that_is_in_no_bundle_is_refused(tmp_path: Path, device: FakeDevice) -> None:
    (tmp_path / "network.onnx").write_bytes(brightness_network())
    with pytest.raises(BundleError, match="runs networks of bundles"):
        adapter(tmp_path / "network.onnx", device)


def test_a_machine_without_a_driver_is_told_so_in_one_line(model: Path) -> None:
    if _has_driver():
        pytest.skip("this machine has an NVIDIA driver: `make gpu-check` runs it")
    with pytest.raises(RuntimeUnavailable, match="no NVIDIA driver on this machine"):
        load_model(load_bundle(model.parent), "trt-int8", RTX)


@pytest.mark.parametrize(
    ("owner", "used"),
    [
        ("Runtime", ["deserialize_cuda_engine"]),
        ("IExecutionContext", ["set_input_shape", "set_tensor_address", "execute_async_v3"]),
        ("IRuntimeConfig", [name for name in vars(FakeRuntimeConfig) if not name.startswith("_")]),
        ("IRuntimeCache", [name for name in vars(FakeRuntimeCache) if not name.startswith("_")]),
        ("ICudaEngine", [name for name in vars(FakeEngine) if not name.startswith("_") and name != "shapes"]),
    ],
)
def test_all_that_the_adapter_calls_is_there_in_the_library(owner: str, used: list[str]) -> None:
    assert all(hasattr(getattr(load_library("tensorrt-rtx").api, owner), name) for name in used)
    assert used


class FakeCuda(SimpleNamespace):
    """`libcuda` in which one call fails; all others succeed and are written down."""

    def __init__(self, failing: str = "") -> None:
        super().__init__(failing=failing, calls=[])

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: object) -> int:
            self.calls.append(name)
            return 100 if name == self.failing else 0

        return call

    def cuGetErrorName(self, code: int, out: Any) -> int:  # noqa: N802
        ctypes.cast(out, ctypes.POINTER(ctypes.c_char_p))[0] = b"CUDA_ERROR_NO_DEVICE"
        return 0


def test_a_gpu_that_cannot_be_opened_is_unavailable_and_a_later_failure_is_a_fault() -> None:
    with pytest.raises(RuntimeUnavailable, match=r"cuInit failed \(CUDA_ERROR_NO_DEVICE\)"):
        CudaDevice(0, FakeCuda("cuInit"))
    device = CudaDevice(0, FakeCuda("cuStreamSynchronize"))
    with pytest.raises(RuntimeFault, match=r"cuStreamSynchronize failed \(CUDA_ERROR_NO_DEVICE\)"):
        device.wait(device.stream())


def test_recording_ends_even_when_the_work_fails() -> None:
    cuda = FakeCuda()
    device = CudaDevice(0, cuda)
    with pytest.raises(ZeroDivisionError):
        device.capture(lambda: print(1 / 0), 7)
    assert cuda.calls[-1] == "cuStreamEndCapture"


def _has_driver() -> bool:
    try:
        open_device("gpu")
    except RuntimeUnavailable:
        return False
    return True
