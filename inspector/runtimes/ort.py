"""ONNX Runtime on the processor, and on NVIDIA's devices through its execution providers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

from inspector.errors import BundleError, RuntimeFault, RuntimeUnavailable
from inspector.runtimes import Batch, Outputs, RuntimeSettings, thread_count
from inspector.runtimes.ort_engines import cached_engines
from inspector.runtimes.trt.driver import open_device

_LOAD_FAULTS = (native.Fail, native.InvalidProtobuf, native.InvalidGraph, native.InvalidArgument, native.NoSuchFile)
_RUN_FAULTS = (native.Fail, native.InvalidArgument, native.RuntimeException, native.EPFail)
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class OnnxRuntime:
    """One session: sequential, no spinning (a spinning pool takes the core that the line process needs)."""

    def __init__(self, model: Path, settings: RuntimeSettings) -> None:
        self._threads, self._device = thread_count(settings), settings.device
        provider = _find_provider(settings.device)
        provided = cached_engines(model, open_device("gpu").gpu) if settings.device == "tensorrt" else {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=[(provider, provided)])
        except _LOAD_FAULTS as error:
            raise BundleError(f"{model}: ONNX Runtime cannot load it ({_first_line(error)})") from error
        if self._session.get_providers()[0] != provider:  # it falls back to the processor without a word
            raise RuntimeUnavailable(f"runtime 'onnxruntime': device {settings.device!r} has no working driver")
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, batch: Batch) -> Outputs:
        try:
            values = self._session.run(self._outputs, {self._input: batch})
        except _RUN_FAULTS as error:
            raise RuntimeFault(f"ONNX Runtime: {_first_line(error)}") from error
        return dict(zip(self._outputs, values, strict=True))

    def describe(self) -> Mapping[str, str]:
        library = f"onnxruntime {onnxruntime.__version__}"
        return {"runtime": library, "device": self._device, "threads": str(self._threads)}


def _find_provider(device: str) -> str:
    available = onnxruntime.get_available_providers()
    known = [name for name, provider in _PROVIDERS.items() if provider in available]
    if device not in known:
        raise RuntimeUnavailable(
            f"runtime 'onnxruntime': no device {device!r}; the installed library has {', '.join(known)} "
            "(cuda and tensorrt need onnxruntime-gpu)"
        )
    return _PROVIDERS[device]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
