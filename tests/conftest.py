"""Fixtures shared by all tests: a small real bundle, real data where it lies, and a guard against leaks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import psutil
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

from inspector.bundle import Lineage, Manifest, Parity, load_bundle, write_bundle
from inspector.calibration import Calibration, Platt
from inspector.inspection import Inspector
from inspector.preprocess import InputSpec
from inspector.recipe import Recipe
from inspector.values import Frame
from inspector.verdict import Policy

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIZE = 32
STATIONS = "tests/station/"
CLASSES = ("good", "dark")

# A deadline per example would fail on a busy machine and prove nothing.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers, a file stays on one of them (its fixtures are dear), and stations, which keep time, too."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return STATIONS if nodeid.startswith(STATIONS) else super()._split_scope(nodeid)

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread or a process behind."""
    before = {*threading.enumerate(), *_children()}
    yield
    deadline_s = time.monotonic() + 3.0
    while (left := _left_behind(before)) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not left, f"left behind: {left}"


def _left_behind(before: set[object]) -> list[object]:
    threads = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    return [*threads, *(child for child in _children() if child not in before)]


def _children() -> list[psutil.Process]:
    """Live child processes, however they were started; `multiprocessing` keeps its resource tracker to the end."""
    return [child for child in psutil.Process().children() if _runs(child)]


def _runs(child: psutil.Process) -> bool:
    try:
        tracker = any("multiprocessing.resource_tracker" in word for word in child.cmdline())
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE and not tracker
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real data sets; tests that need them skip where they are absent."""
    if not DATA.is_dir():
        pytest.skip(f"real data sets are not at {DATA}")
    return DATA


def brightness_network(bias: float = 8.0) -> bytes:
    """An ONNX network whose logit of `dark` falls with the mean grey level: 0 at 128, `bias` at 0."""
    weights = np.array([[0.0, -bias / 128]] * 3, np.float32) / 3
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
            helper.make_node("Gemm", ["mean", "weights", "bias"], ["logits"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0.0, bias], np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def manifest(**changes: object) -> Manifest:
    """A manifest of the brightness network; `changes` replace fields."""
    fields: dict[str, object] = {
        "task": "classify",
        "classes": CLASSES,
        "good": ("good",),
        "input": InputSpec(height=SIZE, width=SIZE),
        "limits": Policy(pass_below=0.2, reject_above=0.8),
        "lineage": Lineage(
            dataset="made", dataset_hash="0" * 64, code_version="0", seed=0, created_at=datetime(2026, 1, 1, tzinfo=UTC)
        ),
        "parity": Parity(n=1, float_max_difference=0, float_flips=0, int8_max_difference=0, int8_flips=0),
    }
    return Manifest(**{**fields, **changes})


def bundle_files(network: bytes) -> dict[str, bytes]:
    calibration = Calibration(temperature=1.0, platt=Platt(slope=1.0, intercept=0.0), n=2, n_defect=1)
    calibrations = {name: calibration.model_dump() for name in ("float", "cpu-int8")}
    return {
        "model.onnx": network,
        "model.cpu-int8.onnx": network,
        "calibration.json": json.dumps(calibrations).encode(),
        "golden/golden.json": b"[]",
        "card.md": b"# brightness\n",
    }


def golden(bundle: Path, levels: tuple[int, ...] = (20, 128, 220)) -> dict[str, bytes]:
    """Golden samples of a bundle: even grey pictures with what the bundle says of them now."""
    inspector = Inspector(load_bundle(bundle), Recipe(quality={"min_focus": 0}))
    files: dict[str, bytes] = {}
    samples = []
    for level in levels:
        image = np.full((SIZE, SIZE, 3), level, np.uint8)
        verdict = inspector.inspect([Frame(image, "golden", 0, datetime.now(UTC))]).verdict
        said = {"outcome": verdict.outcome, "label": verdict.label, "defect_probability": verdict.defect_probability}
        name = f"{level}.png"
        files[f"golden/{name}"] = cv2.imencode(".png", image)[1].tobytes()
        samples.append({"file": name, "label": "good", "expected": {"float": said, "cpu-int8": said}})
    return {**files, "golden/golden.json": json.dumps(samples).encode()}


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle around the brightness network: bright parts are good, dark ones are not."""
    files = bundle_files(brightness_network())
    plain = write_bundle(tmp_path_factory.mktemp("plain"), manifest(), files)
    return write_bundle(tmp_path_factory.mktemp("bundles"), manifest(), {**files, **golden(plain)})


@pytest.fixture
def part_image() -> Callable[[int, int], np.ndarray]:
    """Make a picture (96, 128, 3) of a grey level with enough texture to be in focus."""

    def make(level: int, seed: int = 0) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(0, 12, (96, 128, 3))
        return np.clip(level + noise, 0, 255).astype(np.uint8)

    return make


@pytest.fixture
def picture_folder(tmp_path: Path, part_image: Callable[[int, int], np.ndarray]) -> Path:
    """Twelve pictures, every third one dark."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        level = 40 if number % 3 == 0 else 215
        cv2.imwrite(str(folder / f"part-{number:03}.png"), part_image(level, number))
    return folder
