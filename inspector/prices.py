"""What a million inspections cost: the machine over its life, its upkeep, and the energy that it takes."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from inspector.documents import Document

MILLION = 1_000_000


class Prices(Document):
    """A price file (TOML): what one machine and its energy cost, in one currency."""

    currency: str = Field(default="EUR", max_length=8, description="only printed")
    machine: float = Field(gt=0, description="price of the box that inspects, bought")
    life_years: float = Field(default=5.0, gt=0, le=50, description="after which it is worth nothing")
    hours_per_year: float = Field(default=6000.0, gt=0, le=8784, description="in which the line runs")
    upkeep_per_year: float = Field(default=0.0, ge=0, description="service, spare parts, licences")
    power_w: float = Field(
        default=60.0, ge=0, description="taken while it inspects, where the machine counts no energy"
    )
    energy_per_kwh: float = Field(default=0.25, ge=0, description="price of a kilowatt-hour")
    part_hz: float | None = Field(
        default=None, gt=0, description="parts per second of the line; unset: as fast as the network goes"
    )

    @property
    def hourly(self) -> float:
        """Of the machine, without energy."""
        return (self.machine / self.life_years + self.upkeep_per_year) / self.hours_per_year


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a million inspections."""

    machine: float
    energy: float
    machines: int
    """So many the line needs to keep its pace; 1 where no pace is given."""

    @property
    def total(self) -> float:
        return self.machine + self.energy


def cost_per_million(prices: Prices, images_per_s: float, joules_per_image: float | None) -> Cost:
    """Return what a million pictures cost.

    With a pace of the line, whole machines are paid for whether they are busy or not; without one, a machine is always
    busy. Energy is the counted one where the machine counts, else `power_w` for the time that an inspection takes.
    """
    if not images_per_s > 0:
        raise ValueError(f"images_per_s: expected more than 0, found {images_per_s}")
    joules = prices.power_w / images_per_s if joules_per_image is None else joules_per_image
    energy = MILLION * joules / 3.6e6 * prices.energy_per_kwh
    if prices.part_hz is None:
        return Cost(prices.hourly * MILLION / images_per_s / 3600, energy, 1)
    machines = -int(-prices.part_hz // images_per_s)
    return Cost(machines * prices.hourly * MILLION / prices.part_hz / 3600, energy, machines)
