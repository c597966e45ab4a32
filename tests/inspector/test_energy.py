"""Energy is what the machine counts: counters that start anew, counters that may not be read, and none at all."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from inspector.energy import joules, meters


def package(folder: Path, number: int, energy_uj: int, name: str = "package-0", range_uj: int = 999_999) -> Path:
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(parents=True)
    for file, value in (("name", name), ("energy_uj", energy_uj), ("max_energy_range_uj", range_uj)):
        (zone / file).write_text(f"{value}\n")
    return zone


class FakeNvml:
    """One GPU that has taken `spent_mj`; `code` is what every reading answers."""

    def __init__(self, spent_mj: int = 0, code: int = 0) -> None:
        self.spent_mj, self.code = spent_mj, code

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetCount_v2(self, count: object) -> int:  # noqa: N802
        count._obj.value = 1  # type: ignore[attr-defined]
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, number: int, device: object) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device: ctypes.c_void_p, counted: object) -> int:  # noqa: N802
        counted._obj.value = self.spent_mj  # type: ignore[attr-defined]
        return self.code


def test_packages_are_added_and_what_lies_in_them_is_not_counted_twice(tmp_path: Path) -> None:
    zones = [package(tmp_path, 0, 100), package(tmp_path, 1, 0, "package-1"), package(tmp_path, 2, 0, "psys")]
    counters = meters(tmp_path)
    for zone in zones:
        (zone / "energy_uj").write_text("500100")
    assert [counter.name for counter in counters] == ["intel-rapl:0", "intel-rapl:1"]
    assert joules(counters) == pytest.approx(0.5 + 0.5001)


def test_a_counter_that_starts_anew_goes_on(tmp_path: Path) -> None:
    zone = package(tmp_path, 0, 900_000)
    counters = meters(tmp_path)
    (zone / "energy_uj").write_text("100000")
    assert joules(counters) == pytest.approx(0.2)
    (zone / "energy_uj").write_text("50000")
    assert joules(counters) == pytest.approx(0.2 + 0.95)


def test_a_machine_that_counts_nothing_says_nothing(tmp_path: Path) -> None:
    zone = package(tmp_path, 0, 1)
    (zone / "energy_uj").unlink()
    assert joules(meters(tmp_path)) is None


def test_a_gpu_counts_from_when_its_meter_was_made(tmp_path: Path) -> None:
    library = FakeNvml(5000)
    counters = meters(tmp_path, library)
    library.spent_mj = 7500
    assert [counter.name for counter in counters] == ["gpu.0"]
    assert joules(counters) == 2.5


def test_a_gpu_too_old_to_count_is_left_out(tmp_path: Path) -> None:
    assert meters(tmp_path, FakeNvml(code=3)) == []
