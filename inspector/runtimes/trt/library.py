"""The two libraries: `tensorrt` (servers, Jetson) and `tensorrt-rtx` (workstations), whose Python faces are one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from inspector.errors import RuntimeUnavailable

Kind = Literal["tensorrt", "tensorrt-rtx"]


@dataclass(frozen=True, slots=True)
class Library:
    """An imported library; `api` is its module."""

    kind: Kind
    api: Any

    @property
    def name(self) -> str:
        """Kind and version, as they stand in the names of engines."""
        return f"{self.kind}-{self.api.__version__}"

    @property
    def targets(self) -> tuple[str, ...]:
        """GPU architectures for which engines can be built without such a GPU; none with `tensorrt`."""
        members = getattr(getattr(self.api, "ComputeCapability", None), "__members__", {})
        return tuple(name.lower() for name in members if name.startswith("SM"))


def load_library(kind: str) -> Library:
    """Import a library; raise RuntimeUnavailable saying how to install it."""
    if kind not in ("tensorrt", "tensorrt-rtx"):
        raise RuntimeUnavailable(f"{kind!r} is no TensorRT; expected tensorrt or tensorrt-rtx")
    try:
        api = import_module(kind.replace("-", "_"))
    except ImportError as error:
        advice = f"pip install 'open-inspector[{kind}]'"
        raise RuntimeUnavailable(f"runtime {kind!r} needs {error.name or error}: {advice}") from error
    return Library("tensorrt" if kind == "tensorrt" else "tensorrt-rtx", api)
