"""Engines: built from a bundle's graph, with proof of what was built, and kept beside the bundle.

Below `engines/<bundle id>/` there are `<precision>.<target>.<library>-<version>.engine.xz` and, of the same name, the
proof in JSON. A bundle is immutable, so its own folder stays as it is. An engine of TensorRT-RTX holds the source text
of each of its kernels, with the same declarations again and again: packed, little is left of that.
"""

from __future__ import annotations

import hashlib
import logging
import lzma
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from inspector.bundle import ID_DIGITS, Bundle, Precision
from inspector.documents import Document
from inspector.errors import BundleError
from inspector.runtimes import Tell
from inspector.runtimes.trt.alone import alone
from inspector.runtimes.trt.library import Library
from inspector.runtimes.trt.parsing import Parsed, parse_network
from inspector.runtimes.trt.progress import make_progress
from inspector.runtimes.trt.timing import keep_timings, use_timings
from inspector.runtimes.trt.walk import WeightedLayer, int8_share, walk

logger = logging.getLogger(__name__)

LEAST_INT8 = 0.9


class EnginePort(Document):
    """An input or output of an engine; -1 in its shape is the batch."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class EngineProof(Document):
    """What was built from what, and how much of it is int8."""

    bundle: str
    model_sha256: str
    engine_sha256: str
    precision: Precision
    target: str
    library: str
    batches: tuple[int, int, int]
    """Least, best and largest batch of the optimisation profile."""
    inputs: tuple[EnginePort, ...]
    outputs: tuple[EnginePort, ...]
    macs: int
    int8_share: float
    float_layers: tuple[WeightedLayer, ...]
    half_layers: tuple[str, ...] = ()
    """Of the float layers, those that compute in half."""
    half_difference: float = 0.0
    """Of a golden sample's defect probability: how far the halves move it at most."""
    engine_bytes: int
    packed_bytes: int
    """As it is kept and carried to stations."""
    float_engine_bytes: int | None = None
    """Of the same network in float, for the same target; None: not built."""
    float_packed_bytes: int | None = None
    model_bytes: int
    seconds: float

    @property
    def size_ratio(self) -> float | None:
        """Size against the float engine's; below 1 the quantised one is smaller."""
        return self.engine_bytes / self.float_engine_bytes if self.float_engine_bytes else None

    @property
    def packed_ratio(self) -> float | None:
        """The same of both as they are kept."""
        return self.packed_bytes / self.float_packed_bytes if self.float_packed_bytes else None


@dataclass(frozen=True, slots=True)
class HalfLayers:
    """Layers that compute in half, and how far all of them together move a golden sample's probability."""

    nodes: tuple[str, ...]
    difference: float


@dataclass(frozen=True, slots=True)
class Order:
    """What to build."""

    precision: Precision
    target: str
    best_batch: int = 1
    largest_batch: int = 8
    half: HalfLayers | None = None


def best_batch(bundle: Bundle, largest: int) -> int:
    """Return the batch that an engine is made quickest for: a frame that is cut comes with all its tiles at once."""
    return largest if bundle.manifest.tiles else 1


def engine_path(home: Path, bundle_id: str, order: Order, library: Library) -> Path:
    """Return where the engine of an order is kept below the folder `home`."""
    return home / bundle_id[:ID_DIGITS] / f"{order.precision}.{order.target}.{library.name}.engine.xz"


def engines_home(bundle: Path) -> Path:
    """Return the folder of engines beside a bundle's own."""
    return bundle.resolve().parent / "engines"


def build_for(
    bundle: Bundle, order: Order, library: Library, timings: Path | None = None, tell: Tell | None = None
) -> tuple[bytes, EngineProof]:
    """Build an engine in memory and prove it; `timings` is where earlier builds kept how long kernels take.

    `tell` hears every two seconds how far it is; without it the log does.

    Raises:
        BundleError: a graph that TensorRT cannot build, a task's output that is missing, an unknown target.
    """
    return alone(lambda: _build_for(bundle, order, library, timings, tell))


def _build_for(
    bundle: Bundle, order: Order, library: Library, timings: Path | None, tell: Tell | None
) -> tuple[bytes, EngineProof]:
    model = bundle.model_path(order.precision)
    started = time.perf_counter()
    half = order.half or HalfLayers((), 0.0)
    parsed = parse_network(library, model, float_door=order.precision == "float", half=half.nodes)
    reasons = {kept.node: kept.reason for kept in bundle.manifest.kept_float if kept.precision == order.precision}
    layers = _walked(parsed, model, reasons)
    _require_ports(parsed, bundle, model)
    engine = _build(parsed, model, order, timings, tell)
    proof = EngineProof(
        bundle=bundle.id,
        model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        engine_sha256=hashlib.sha256(engine).hexdigest(),
        precision=order.precision,
        target=order.target,
        library=library.name,
        batches=(1, order.best_batch, order.largest_batch),
        inputs=_ports(parsed.network.num_inputs, parsed.network.get_input),
        outputs=_ports(parsed.network.num_outputs, parsed.network.get_output),
        macs=sum(layer.macs for layer in layers),
        int8_share=int8_share(layers),
        float_layers=tuple(layer for layer in layers if layer.reason is not None),
        half_layers=half.nodes,
        half_difference=half.difference,
        engine_bytes=len(engine),
        packed_bytes=len(packed(engine)),
        model_bytes=model.stat().st_size,
        seconds=round(time.perf_counter() - started, 2),
    )
    return engine, proof


def with_float_size(proof: EngineProof, bundle: Bundle, library: Library) -> EngineProof:
    """Build the float engine for the same target too, only to compare the sizes; float itself is left as it is."""
    if proof.precision == "float":
        return proof
    order = Order("float", proof.target, *proof.batches[1:])
    engine = alone(lambda: _float_engine(bundle, order, library))
    return proof.model_copy(update={"float_engine_bytes": len(engine), "float_packed_bytes": len(packed(engine))})


def _float_engine(bundle: Bundle, order: Order, library: Library) -> bytes:
    parsed = parse_network(library, bundle.model_path("float"), float_door=True)
    return _build(parsed, bundle.path, order, None)


def packed(engine: bytes) -> bytes:
    """Return an engine as it is kept: the same bytes for the same engine, and `unxz` gives it back."""
    return lzma.compress(engine, preset=0)


def unpacked(path: Path) -> bytes:
    """Read an engine that is kept; raise BundleError where it is not whole."""
    try:
        return lzma.decompress(path.read_bytes())
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise BundleError(f"{path}: no whole engine ({error})") from error


def store(path: Path, engine: bytes, proof: EngineProof) -> None:
    """Write engine and proof; the proof comes last, so that an engine with one is whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, content in (
            (path, packed(engine)),
            (proof_path(path), proof.model_dump_json(indent=2).encode() + b"\n"),
        ):
            scratch = target.with_name(f".{target.name}.new")
            scratch.write_bytes(content)
            scratch.replace(target)
    except OSError as error:
        raise BundleError(f"{path}: engine cannot be written ({error.strerror})") from error


def proof_path(engine: Path) -> Path:
    """Return where the proof of an engine is kept."""
    return engine.with_name(f"{engine.name}.json")


def _walked(parsed: Parsed, model: Path, reasons: dict[str, str]) -> tuple[WeightedLayer, ...]:
    try:
        layers = walk(parsed, reasons)
    except BundleError as error:
        raise BundleError(f"{model}: {error}") from error
    if not layers:
        raise BundleError(f"{model}: no convolution and no matrix product; expected a network with weights")
    return layers


def _ports(count: int, get: Any) -> tuple[EnginePort, ...]:
    tensors = [get(i) for i in range(count)]
    return tuple(
        EnginePort(name=one.name, dtype=str(one.dtype).rpartition(".")[2].lower(), shape=tuple(one.shape))
        for one in tensors
    )


def _require_ports(parsed: Parsed, bundle: Bundle, model: Path) -> None:
    manifest, network = bundle.manifest, parsed.network
    picture = (-1, manifest.input.height, manifest.input.width, 6 if manifest.template else 3)
    found = network.get_input(0)
    if tuple(found.shape) != picture or found.dtype != parsed.library.api.DataType.UINT8:
        raise BundleError(f"{model}: input is {found.dtype} {tuple(found.shape)}; expected uint8 {picture}")
    names = {network.get_output(i).name for i in range(network.num_outputs)}
    if missing := set(manifest.output_names) - names:
        raise BundleError(f"{model}: no output {', '.join(sorted(missing))}; it gives {', '.join(sorted(names))}")


def _build(parsed: Parsed, model: Path, order: Order, timings: Path | None, tell: Tell | None = None) -> bytes:
    config = parsed.builder.create_builder_config()
    tell = tell or partial(logger.info, "engine for %s: %s", order.target)
    progress = make_progress(parsed.library.api, tell)
    config.progress_monitor = progress
    _aim(parsed.library, config, order.target)
    if timings:
        use_timings(config, timings)
    if config.add_optimization_profile(profile(parsed, order)) != 0:
        raise BundleError(f"{model}: batches 1 to {order.largest_batch} are no valid profile ({parsed.errors()})")
    engine = parsed.builder.build_serialized_network(parsed.network, config)
    if engine is None:
        raise BundleError(f"{model}: {parsed.library.name} cannot build it for {order.target} ({parsed.errors()})")
    if timings:
        keep_timings(config, timings)
    return bytes(engine)


def profile(parsed: Parsed, order: Order) -> Any:
    """Return the optimisation profile of the order's batches."""
    made, picture = parsed.builder.create_optimization_profile(), parsed.network.get_input(0)
    side = tuple(picture.shape)[1:]
    batches: Sequence[int] = (1, order.best_batch, order.largest_batch)
    made.set_shape(picture.name, *[(n, *side) for n in batches])
    return made


def _aim(library: Library, config: Any, target: str) -> None:
    """`current` is this machine's GPU; others can be named with TensorRT-RTX alone."""
    if target == "current":
        return
    if target not in library.targets:
        known = ", ".join(library.targets) or "none (only the GPU of the machine that builds)"
        raise BundleError(f"{library.name} builds for no target {target!r}; it knows {known}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(library.api.ComputeCapability, target.upper()), 0)
