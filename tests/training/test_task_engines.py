"""TensorRT-RTX builds the network of every task for real, without a GPU, and nearly all of the work is int8."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'open-inspector[tensorrt-rtx]'")

from inspector.bundle import Bundle, load_bundle, write_bundle
from inspector.preprocess import InputSpec
from inspector.runtimes import RuntimeSettings, load_runtime
from inspector.runtimes.trt.door import with_cast_first
from inspector.runtimes.trt.engines import LEAST_INT8, Order, build_for, with_float_size
from inspector.runtimes.trt.library import Library, load_library
from tests.conftest import bundle_files, manifest
from tests.training.task_networks import NETWORKS, SIDE
from training.kept import BEHIND_POOLING, NO_INT8_KIND, STEM, kept_float
from training.ranges import measure_ranges
from training.symmetric import write_symmetric


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library("tensorrt-rtx")


@pytest.fixture(scope="module", params=NETWORKS)
def bundle(
    request: pytest.FixtureRequest, exported: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A task's network with its trt-int8 graph, made as training makes them; ranges are those of noise."""
    folder = tmp_path_factory.mktemp("engine")
    _, outputs, channels = NETWORKS[request.param]
    paths = {"model.onnx": exported(request.param)}
    paths["model.trt-int8.onnx"] = folder / "model.trt-int8.onnx"
    noise = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, channels), dtype=np.uint8)
    write_symmetric(*paths.values(), measure_ranges(paths["model.onnx"], noise, "minmax"))
    files = bundle_files(b"") | {name: path.read_bytes() for name, path in paths.items()}
    calibrations = json.loads(files["calibration.json"])
    files["calibration.json"] = json.dumps({**calibrations, "trt-int8": calibrations["float"]}).encode()
    made = manifest(
        input=InputSpec(height=SIDE, width=SIDE),
        template=channels == 6,
        output_names=outputs,
        kept_float=kept_float(paths["model.trt-int8.onnx"], "trt-int8", {}),
    )
    return load_bundle(write_bundle(folder / "bundles", made, files))


def test_the_network_of_every_task_is_built_and_nine_tenths_of_its_work_is_int8(
    bundle: Bundle, library: Library
) -> None:
    engine, proof = build_for(bundle, Order("trt-int8", "sm86", largest_batch=4), library)
    compared = with_float_size(proof, bundle, library)
    assert len(engine) == proof.engine_bytes > 100_000
    assert compared.float_engine_bytes is not None
    assert compared.float_engine_bytes > 100_000
    assert proof.int8_share >= LEAST_INT8
    assert {layer.reason for layer in proof.float_layers} <= {STEM, BEHIND_POOLING, NO_INT8_KIND}
    assert {port.name for port in proof.outputs} == set(bundle.manifest.output_names)
    assert proof.inputs[0].shape[1:] == (SIDE, SIDE, 6 if bundle.manifest.template else 3)
    assert proof.batches == (1, 1, 4)


def test_floats_at_the_door_change_no_answer(bundle: Bundle, tmp_path: Path) -> None:
    plain = bundle.model_path("float")
    (tmp_path / "model.onnx").write_bytes(with_cast_first(plain.read_bytes()))
    shape = (2, SIDE, SIDE, 6 if bundle.manifest.template else 3)
    pictures = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    ours, theirs = (
        load_runtime(path, RuntimeSettings(threads=1)).run(pictures) for path in (tmp_path / "model.onnx", plain)
    )
    for name, expected in theirs.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-5, atol=1e-5, err_msg=name)
