"""ONNX into a strongly typed TensorRT network; what it cannot be built from is refused by node, with the mend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inspector.documents import read_bytes
from inspector.errors import BundleError
from inspector.runtimes.trt.alone import alone
from inspector.runtimes.trt.library import Library

_MENDS = (
    (r"has type Int32 but must have type FP8", "an int32 bias is no bias to TensorRT: quantise with float biases"),
    (r"[Zz]ero point|shiftIsAllZeros", "zero points must be 0: quantise to symmetric int8"),
    (r"type UInt8 but must have type", "turn the bytes into floats (Cast) before anything else reads them"),
    (r"[Pp]lugin", "TensorRT has no such operator: express it by others, or leave it to the head"),
)
_READ_AS_INT8 = "Defaulting to INT8"
"""TensorRT 10 and RTX 1.7 read uint8 activations as int8, with half of their range cut off, and only log it."""

_PARSING = re.compile(r"Parsing node: (.+?) \[")


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """A network with what must live as long as it does: the library frees what nobody holds."""

    library: Library
    builder: Any
    network: Any
    log: Any

    def layers(self) -> Iterator[Any]:
        return (self.network.get_layer(i) for i in range(self.network.num_layers))

    def errors(self) -> str:
        """The builder's last complaint in one line."""
        return str(self.log.last())


def parse_network(library: Library, model: Path, *, float_door: bool = False, half: Sequence[str] = ()) -> Parsed:
    """Parse the ONNX file `model`; `float_door` has its bytes become floats first, where `onnx` is installed.

    `half` are the layers that compute in half, for which `onnx` must be installed.

    Raises:
        BundleError: no network, or one that TensorRT cannot build; names the node and what to do.
    """
    content = read_bytes(model, BundleError)
    graph = _with_float_door(content) if float_door else content
    if half:
        from inspector.runtimes.trt.half import with_half_layers

        graph = with_half_layers(graph, half)
    return alone(lambda: _parsed(library, model, graph))


def _parsed(library: Library, model: Path, graph: bytes) -> Parsed:
    parsed, parser = _parse(library, graph)
    if parser.num_errors:
        raise BundleError(f"{model}: {_complaint(library, parser.get_error(0))}")
    if parsed.network.num_inputs != 1:
        raise BundleError(f"{model}: {library.kind} finds {parsed.network.num_inputs} inputs; expected one")
    if parsed.log.read_as_int8:
        node = parsed.log.read_as_int8[0]
        raise BundleError(
            f"{model}: node {node!r}: {library.kind} would read its uint8 as int8; quantise to symmetric int8"
        )
    return parsed


def _with_float_door(content: bytes) -> bytes:
    """Graphs for the processor move bytes, which TensorRT does not; a station without `onnx` says so by node."""
    if find_spec("onnx") is None:
        return content
    from inspector.runtimes.trt.door import with_cast_first

    return with_cast_first(content)


def _parse(library: Library, content: bytes) -> tuple[Parsed, Any]:
    api = library.api
    log = make_log(api)
    builder = api.Builder(log)
    network = builder.create_network(1 << int(api.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = api.OnnxParser(network, log)
    parser.parse(content)
    return Parsed(library, builder, network, log), parser


def _complaint(library: Library, error: Any) -> str:
    said = " ".join(str(error.desc()).split("\n[")[0].split())[:300]
    if not error.node_name():
        return f"{library.kind} cannot parse it ({said})"
    mend = next((mend for pattern, mend in _MENDS if re.search(pattern, said)), "no mend is known")
    return f"node {error.node_name()!r} ({error.node_operator()}): {mend} ({library.kind}: {said})"


def make_log(api: Any) -> Any:
    """The library's words are kept, not printed; its class must be derived from, so it is made here."""

    class Log(api.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            api.ILogger.__init__(self)
            self.errors: list[str] = []
            self.read_as_int8: list[str] = []
            self.node = "unknown"

        def last(self) -> str:
            """Return the last error in one line."""
            return self.errors[-1].splitlines()[0][:300] if self.errors else "no reason given"

        def log(self, severity: Any, message: str) -> None:
            if node := _PARSING.match(message):
                self.node = node[1]
            elif _READ_AS_INT8 in message:
                self.read_as_int8.append(self.node)
            elif severity <= api.ILogger.ERROR:
                self.errors.append(message)

    return Log()
