"""The engine that a network needs on a GPU: where it is kept, whether it is there, and what to build if not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from inspector.bundle import MODEL_FILES, Bundle, Precision, load_bundle
from inspector.documents import read_json
from inspector.errors import BundleError
from inspector.runtimes import Tell
from inspector.runtimes.trt.driver import Gpu
from inspector.runtimes.trt.engines import (
    EngineProof,
    Order,
    best_batch,
    build_for,
    engine_path,
    engines_home,
    proof_path,
    store,
    unpacked,
)
from inspector.runtimes.trt.library import Library
from inspector.runtimes.trt.timing import timing_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WantedEngine:
    """An engine of one bundle for one GPU, kept or not."""

    bundle: Bundle
    order: Order
    library: Library
    path: Path

    @property
    def here(self) -> Order:
        """As this machine's library is told it: a GPU that it has no name for is the current one."""
        named = self.order.target in self.library.targets
        return self.order if named else replace(self.order, target="current")

    def read(self) -> bytes | None:
        """Return the engine where it is kept whole; whether the driver takes it is another question."""
        try:
            return unpacked(self.path) if self._is_whole() else None
        except BundleError as error:
            logger.warning("%s; built again", error)
            return None

    def build(self, tell: Tell | None = None) -> tuple[bytes, EngineProof]:
        """Build it, in this process; raise BundleError."""
        timings = timing_path(engines_home(self.bundle.path), self.order.target, self.library)
        return build_for(self.bundle, self.here, self.library, timings, tell)

    def keep(self, engine: bytes, proof: EngineProof) -> None:
        """Write it; a folder that cannot be written costs a build at each start, no more."""
        try:
            store(self.path, engine, proof)
        except BundleError as error:
            logger.warning("%s; it is built at each start", error)

    def _is_whole(self) -> bool:
        """Is there an engine for batches of that size, with a proof of this bundle, which is written last?"""
        if not proof_path(self.path).is_file() or not self.path.is_file():
            return False
        try:
            proof = read_json(proof_path(self.path), EngineProof, BundleError)
        except BundleError as error:
            logger.warning("%s; built again", error)
            return False
        fits = proof.bundle == self.bundle.id and proof.library == self.library.name
        return fits and proof.batches[-1] >= self.order.largest_batch and proof.packed_bytes == self.path.stat().st_size


def wanted_engine(model: Path, library: Library, gpu: Gpu, largest_batch: int) -> WantedEngine:
    """Return the engine of a bundle's network for a GPU; raise BundleError for a network that is in no bundle."""
    bundle, precision = _bundle_of(model)
    order = Order(precision, _target(library, gpu), best_batch(bundle, largest_batch), largest_batch)
    return WantedEngine(bundle, order, library, engine_path(engines_home(bundle.path), bundle.id, order, library))


def _bundle_of(model: Path) -> tuple[Bundle, Precision]:
    for precision, file in MODEL_FILES.items():
        if model.name == file:
            return load_bundle(model.parent), precision
    raise BundleError(f"{model}: TensorRT runs networks of bundles; expected one of {', '.join(MODEL_FILES.values())}")


def _target(library: Library, gpu: Gpu) -> str:
    """RTX engines fit a GPU's architecture; those of `tensorrt` fit one GPU and one driver."""
    return gpu.capability if gpu.capability in library.targets else gpu.slug
