"""What TensorRT-RTX compiles at the station, kernels for its very GPU: kept beside the engine for the next start.

An engine of RTX is finished where it runs: the first inference of a batch size compiles for the GPU at hand, and a
runtime cache takes what was made. The library itself refuses a cache of another version, GPU or driver. `tensorrt`
compiles when it builds, and has no such cache. Names: the library's own `IRuntimeConfig` and `IRuntimeCache`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from inspector.runtimes.trt.library import Library

logger = logging.getLogger(__name__)


class CompiledKernels:
    """The runtime cache of one engine and its file. The thread that infers calls it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cache: Any = None
        self._written = b""

    def context(self, engine: Any) -> Any:
        """Return an execution context that takes compiled kernels from the file, and gives new ones to `keep`."""
        config = engine.create_runtime_config()
        self._cache = config.create_runtime_cache()
        kept = self._read()
        if kept and self._cache.deserialize(kept):
            self._written = kept
        elif kept:
            logger.info("%s: of another GPU, driver or library; kernels are compiled again", self._path)
        config.set_runtime_cache(self._cache)
        return engine.create_execution_context(config)

    def keep(self) -> None:
        """Write what was compiled by now; a folder that cannot be written costs the next start its time, no more."""
        compiled = bytes(self._cache.serialize())
        if compiled == self._written:
            return
        self._written = compiled
        scratch = self._path.with_name(f".{self._path.name}.new")
        try:
            scratch.write_bytes(compiled)
            scratch.replace(self._path)
        except OSError as error:
            logger.warning("%s: cannot be written (%s); compiled again at each start", self._path, error.strerror)

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:
            return b""


def compiled_kernels(engine: Path, library: Library) -> CompiledKernels | None:
    """Return what is compiled for the engine kept at this path; None where the library compiles when it builds."""
    return CompiledKernels(engine.with_suffix(".compiled")) if library.kind == "tensorrt-rtx" else None
