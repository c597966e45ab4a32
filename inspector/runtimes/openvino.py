"""OpenVINO on processors, graphics and neural units of Intel, and on other makers' processors.

Its Python package reports every import to its maker's web analytics, in the background and unasked, unless it finds no
`openvino_telemetry` (2026.4, openvino/tools/ovc/__init__.py). A station tells nobody, so it finds none.

The library checks neither shape nor type of what it is fed (2026.4 computes with whatever it finds), so this does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# None makes an import fail, which the stubs of `sys.modules` do not know.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402
from openvino.frontend import (  # noqa: E402
    FrontEndManager,
    GeneralFailure,
    InitializationFailure,
    NotImplementedFailure,
    OpConversionFailure,
    OpValidationFailure,
)

from inspector.errors import BundleError, RuntimeFault, RuntimeUnavailable  # noqa: E402
from inspector.runtimes import Batch, Outputs, RuntimeSettings, require_batch, thread_count  # noqa: E402

_LOAD_FAULTS = (
    RuntimeError,
    GeneralFailure,
    InitializationFailure,
    NotImplementedFailure,
    OpConversionFailure,
    OpValidationFailure,
)


class OpenVino:
    """A network compiled for one picture: fixed shapes are up to twice as fast as a free batch.

    The pictures of a batch run one after the other, or side by side at the throughput hint.
    """

    def __init__(self, model: Path, settings: RuntimeSettings) -> None:
        self._core = openvino.Core()
        self._device = _find_device(self._core, settings.device)
        network = _read(model)
        self._picture = _picture_shape(model, network)
        network.reshape([1, *self._picture])
        options = _options(self._device, settings)
        with _at_load(f"{model}: OpenVINO cannot compile it for {self._device}"):
            compiled = self._core.compile_model(network, self._device, options)
            self._requests = [compiled.create_infer_request() for _ in range(_parallel(compiled, settings))]
        self._outputs = [output.any_name for output in compiled.outputs]
        self._threads = options.get("INFERENCE_NUM_THREADS", "the device's own")
        self._arithmetic = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())

    def run(self, batch: Batch) -> Outputs:
        require_batch(batch, self._picture, "OpenVINO")
        batch = np.ascontiguousarray(batch)
        rounds = range(0, len(batch), len(self._requests))
        try:
            answers = [one for start in rounds for one in self._together(batch[start : start + len(self._requests)])]
        except RuntimeError as error:
            raise RuntimeFault(f"OpenVINO: {_last_line(error)}") from error
        return {name: np.concatenate([answer[i] for answer in answers]) for i, name in enumerate(self._outputs)}

    def _together(self, batch: Batch) -> list[list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
        """At most one picture per request; the tensors share the batch's memory, so it must outlive them."""
        running = self._requests[: len(batch)]
        for request, picture in zip(running, batch, strict=True):
            request.set_input_tensor(openvino.Tensor(picture[None], shared_memory=True))
            request.start_async()
        for request in running:
            request.wait()
        return [[np.array(request.get_output_tensor(i).data) for i in range(len(self._outputs))] for request in running]

    def describe(self) -> Mapping[str, str]:
        return {
            "runtime": f"openvino {openvino.__version__.partition('-')[0]}",
            "device": f"{self._device.lower()} ({self._core.get_property(self._device, 'FULL_DEVICE_NAME')})",
            "threads": str(self._threads),
            "arithmetic": self._arithmetic,
        }


def _find_device(core: openvino.Core, wanted: str) -> str:
    """Return the library's name of a device, `gpu` being the first of several."""
    known = core.available_devices
    for name in known:
        if name.lower() in (wanted, f"{wanted}.0"):
            return str(name)
    found = ", ".join(name.lower() for name in known)
    raise RuntimeUnavailable(f"runtime 'openvino': no device {wanted!r} (or no driver of it); this machine has {found}")


def _read(model: Path) -> openvino.Model:
    """Only the ONNX front end is asked: given bytes that are no network, the others write to the terminal."""
    with _at_load(f"{model}: OpenVINO cannot load it"):
        front = FrontEndManager().load_by_framework("onnx")
        return front.convert(front.load(str(model)))


def _picture_shape(model: Path, network: openvino.Model) -> tuple[int, ...]:
    shapes = [entry.partial_shape for entry in network.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or any(shapes[0][axis].is_dynamic for axis in (1, 2, 3)):
        raise BundleError(
            f"{model}: OpenVINO cannot take it (expected one input (N, H, W, C), found {shapes or 'none'})"
        )
    return tuple(shapes[0][axis].get_length() for axis in (1, 2, 3))


def _options(device: str, settings: RuntimeSettings) -> dict[str, str | int]:
    options: dict[str, str | int] = {"PERFORMANCE_HINT": settings.hint.upper()}
    if device == "CPU":
        options["INFERENCE_NUM_THREADS"] = thread_count(settings)
    if settings.arithmetic == "exact" and device != "NPU":
        options["INFERENCE_PRECISION_HINT"] = "f32"
    return options


def _parallel(compiled: openvino.CompiledModel, settings: RuntimeSettings) -> int:
    if settings.hint == "latency":
        return 1
    return max(1, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))


@contextmanager
def _at_load(what: str) -> Iterator[None]:
    try:
        yield
    except _LOAD_FAULTS as error:
        raise BundleError(f"{what} ({_last_line(error)})") from error


def _last_line(error: Exception) -> str:
    """The library's messages begin with places in its source and end with the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
