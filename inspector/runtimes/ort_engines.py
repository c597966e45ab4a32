"""Options of ONNX Runtime's TensorRT provider: engines and timings kept beside the bundle, from one start to the next.

Engines lie in `engines/<bundle id>/onnxruntime-<version>.tensorrt-<version>.<GPU and driver>/`, so that nothing is
loaded that another network, library, GPU or driver made; timings are of kernels, not of bundles, and lie in
`engines/timing.onnxruntime-...`.
Names: ONNX Runtime's documentation, "TensorRT Execution Provider", configurations and caches.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
from pathlib import Path

import onnxruntime

from inspector.bundle import ID_DIGITS, MODEL_FILES, SUMS
from inspector.documents import read_bytes
from inspector.errors import BundleError
from inspector.runtimes.trt.driver import Gpu
from inspector.runtimes.trt.engines import engines_home

logger = logging.getLogger(__name__)

_LIBRARIES = ("libnvinfer.so.10", "nvinfer_10.dll")


def cached_engines(model: Path, gpu: Gpu) -> dict[str, str]:
    """Return the provider's options for a network; without caches, and a warning, where they cannot be kept.

    Raises:
        BundleError: the network cannot be read.
    """
    home = engines_home(model.parent)
    made_by = f"onnxruntime-{onnxruntime.__version__}.tensorrt-{tensorrt_version()}.{gpu.slug}"
    engines, timings = home / _network_id(model) / made_by, home / f"timing.{made_by}"
    # Without this flag TensorRT refuses a graph that has int8 in it (microsoft/onnxruntime#13381).
    options = {"trt_int8_enable": "True"} if model.name == MODEL_FILES["trt-int8"] else {}
    try:
        engines.mkdir(parents=True, exist_ok=True)
        timings.mkdir(exist_ok=True)
    except OSError as error:
        logger.warning("%s: cannot be written (%s); engines are built at each start", engines, error.strerror)
        return options
    return {
        **options,
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(timings),
    }


def tensorrt_version(libraries: tuple[str, ...] = _LIBRARIES) -> str:
    """Return the number of the TensorRT that the provider will load (101300 is 10.13.0), or `unknown`."""
    for name in libraries:
        try:
            return str(ctypes.CDLL(name).getInferLibVersion())
        except OSError:
            continue
    return "unknown"


def _network_id(model: Path) -> str:
    """First digits of the bundle's id; of a network outside of bundles, of its own hash."""
    sums = model.parent / SUMS
    content = read_bytes(sums if sums.is_file() else model, BundleError)
    return hashlib.sha256(content).hexdigest()[:ID_DIGITS]
