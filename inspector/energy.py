"""Energy that the machine itself counts: RAPL for processors, NVML for NVIDIA's GPUs; nothing is estimated.

RAPL: /sys/class/powercap (Linux, "Power Capping Framework"), one counter per package, in microjoules, that starts anew
at `max_energy_range_uj`. NVML: nvmlDeviceGetTotalEnergyConsumption, millijoules since the driver was loaded. Both count
all that the device does, so what else runs is in the figure.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

POWERCAP = Path("/sys/class/powercap")
_NVML = ("libnvidia-ml.so.1", "nvml.dll")


class Meter(Protocol):
    """A counter of energy; one thread reads it, at least once in the minutes in which it may start anew."""

    name: str

    def joules(self) -> float:
        """Return the energy since the meter was made."""
        ...


@dataclass(slots=True)
class Rapl:
    """One package of a processor."""

    name: str
    folder: Path
    range_uj: int
    _last_uj: int = field(init=False)
    _total_uj: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._last_uj = self._read()

    def joules(self) -> float:
        now_uj = self._read()
        self._total_uj += (now_uj - self._last_uj) % (self.range_uj + 1)
        self._last_uj = now_uj
        return self._total_uj / 1e6

    def _read(self) -> int:
        return int((self.folder / "energy_uj").read_text())


@dataclass(slots=True)
class Nvml:
    """One GPU."""

    name: str
    library: Any
    device: Any
    _start_mj: int = field(init=False)

    def __post_init__(self) -> None:
        self._start_mj = self._read()

    def joules(self) -> float:
        return (self._read() - self._start_mj) / 1e3

    def _read(self) -> int:
        counted = ctypes.c_ulonglong()
        if code := self.library.nvmlDeviceGetTotalEnergyConsumption(self.device, ctypes.byref(counted)):
            raise OSError(f"NVML: error {code}")
        return counted.value


def meters(powercap: Path = POWERCAP, nvml: Any = None) -> Sequence[Meter]:
    """Return the counters that this machine has and lets us read; often it has none, as in a virtual machine."""
    return [*_processors(powercap), *_gpus(nvml)]


def joules(counters: Sequence[Meter]) -> float | None:
    """Return what all of them counted together; None where there is none."""
    return sum(counter.joules() for counter in counters) if counters else None


def _processors(powercap: Path) -> list[Meter]:
    """Packages alone: what they hold (cores, graphics) is counted in them, memory (dram) is a zone of its own kind."""
    found: list[Meter] = []
    for folder in sorted(powercap.glob("*-rapl:*")):
        with suppress(OSError, ValueError):
            if (folder / "name").read_text().startswith("package"):
                found.append(Rapl(folder.name, folder, int((folder / "max_energy_range_uj").read_text())))
    return found


def _gpus(nvml: Any) -> list[Meter]:
    library = nvml or _load_nvml()
    if library is None or library.nvmlInit_v2() != 0:
        return []
    count, found = ctypes.c_uint(), list[Meter]()
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    for number in range(count.value):
        device = ctypes.c_void_p()
        with suppress(OSError):
            if library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(device)) == 0:
                found.append(Nvml(f"gpu.{number}", library, device))
    return found


def _load_nvml() -> Any:
    for name in _NVML:
        with suppress(OSError):
            return ctypes.CDLL(name)
    return None
