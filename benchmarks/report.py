"""What every benchmark writes: flat keys with units, ratios first, then the machine and the versions."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

Figures = Mapping[str, float | int | str | bool | None]


def percentile_ms(seconds: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile in ms."""
    ordered = sorted(seconds)
    return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, str | int]:
    """Return what the figures were measured on."""
    cpu = next((line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")), "unknown")
    packages = {f"{name}_version": version(name) for name in ("numpy", "onnxruntime", "opencv-python-headless")}
    return {"cpu": cpu, "cores": os.cpu_count() or 0, "python_version": platform.python_version(), **packages}


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def write(figures: Figures, target: Path | None) -> None:
    """Print the figures as JSON, and write them to `target` if given."""
    print(json.dumps({**figures, **machine()}, indent=2))
    keep(figures, target)


def keep(figures: Figures, target: Path | None) -> None:
    """Write the figures to `target` if given; what was there before is replaced as a whole."""
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f"{target.name}.new")
        new.write_text(json.dumps({**figures, **machine()}, indent=2) + "\n")
        new.replace(target)


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="also write the figures there")
    return parser
