"""ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

from inspector.errors import BundleError, RuntimeFault
from inspector.runtimes import Batch, Outputs, RuntimeSettings

_LOAD_FAULTS = (native.Fail, native.InvalidProtobuf, native.InvalidGraph, native.InvalidArgument, native.NoSuchFile)
_RUN_FAULTS = (native.Fail, native.InvalidArgument, native.RuntimeException, native.EPFail)


class OnnxRuntime:
    """One session: sequential, no spinning (a spinning pool takes the core that the line process needs)."""

    def __init__(self, model: Path, settings: RuntimeSettings) -> None:
        self._threads = settings.threads or max(1, (os.cpu_count() or 2) - 1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except _LOAD_FAULTS as error:
            raise BundleError(f"{model}: ONNX Runtime cannot load it ({_first_line(error)})") from error
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, batch: Batch) -> Outputs:
        try:
            values = self._session.run(self._outputs, {self._input: batch})
        except _RUN_FAULTS as error:
            raise RuntimeFault(f"ONNX Runtime: {_first_line(error)}") from error
        return dict(zip(self._outputs, values, strict=True))

    def describe(self) -> Mapping[str, str]:
        return {"runtime": f"onnxruntime {onnxruntime.__version__}", "device": "cpu", "threads": str(self._threads)}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
