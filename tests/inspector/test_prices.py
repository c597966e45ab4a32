"""A million inspections cost the machine's hours and its energy; idle machines are paid for too."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.documents import read_toml
from inspector.errors import ConfigError
from inspector.prices import Prices, cost_per_million

EXAMPLE = Path(__file__).resolve().parents[2] / "configs" / "prices.example.toml"
BOX = Prices(machine=6000, life_years=1, hours_per_year=6000, power_w=36, energy_per_kwh=0.5)
"""1 an hour, and 36 W."""


def test_a_machine_that_is_always_busy_costs_its_hours() -> None:
    cost = cost_per_million(BOX, images_per_s=100, joules_per_image=None)
    assert cost.machine == pytest.approx(1e6 / 100 / 3600)
    assert cost.energy == pytest.approx(1e6 * 0.36 / 3.6e6 * 0.5)
    assert cost.total == cost.machine + cost.energy
    assert cost.machines == 1


def test_energy_that_was_counted_stands_for_the_power_that_was_assumed() -> None:
    assert cost_per_million(BOX, 100, joules_per_image=7.2).energy == pytest.approx(1.0)


@pytest.mark.parametrize(("part_hz", "machines"), [(5.0, 1), (100.0, 1), (100.1, 2), (450.0, 5)])
def test_a_line_pays_for_whole_machines_busy_or_not(part_hz: float, machines: int) -> None:
    cost = cost_per_million(BOX.model_copy(update={"part_hz": part_hz}), 100, None)
    assert cost.machines == machines
    assert cost.machine == pytest.approx(machines * 1e6 / part_hz / 3600)


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="images_per_s"):
        cost_per_million(BOX, 0, None)


def test_the_example_shows_every_field_and_its_default() -> None:
    text = EXAMPLE.read_text()
    shown = read_toml(EXAMPLE, Prices, ConfigError)
    assert shown == Prices(machine=shown.machine)
    assert all(f"{name} = " in text for name in Prices.model_fields)


def test_a_price_file_with_wrong_fields_names_them_all(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("machine = -1\nhours_per_year = 9000\n")
    with pytest.raises(ConfigError, match=r"prices\.toml.*machine.*hours_per_year"):
        read_toml(tmp_path / "prices.toml", Prices, ConfigError)
