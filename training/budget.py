"""How long training may take, and how many epochs that allows on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from inspector.errors import UserError

SLACK = 0.95
"""Share of the time left that is planned for; the rest is for a machine that slows down."""
ROUNDING_LOOKS = 200
"""What rounding the weights together costs, in pictures looked at in export and parity (15 s where one takes 15 ms)."""


FREER = 4
"""So many times as fast as it was before fitting a machine may become."""


class BudgetTooSmall(UserError):
    """`--minutes` leaves no time to fit."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Time since the command began, against what it was given (`None`: no limit)."""

    limit_s: float | None = None
    clock: Callable[[], float] = time.monotonic
    started_s: float = field(default=-1.0)

    @classmethod
    def starting_now(cls, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> Budget:
        return cls(None if minutes is None else minutes * 60, clock, clock())

    def used_s(self) -> float:
        return self.clock() - self.started_s

    def left_s(self) -> float:
        return float("inf") if self.limit_s is None else self.limit_s - self.used_s()


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured on this machine before fitting."""

    step_s: float
    """One fitting step, batch made included."""
    look_s: float
    """One picture through the network, forward only, float32."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When fitting ends: after `epochs` of `steps` each, or at `fit_s` after `begin_s` on the budget's clock."""

    epochs: int
    steps: int
    begin_s: float
    fit_s: float

    def progress(self, step: int, now_s: float) -> float:
        """0..1, by steps or by time, whichever is further: a slow machine still ends with a small learning rate."""
        return min(1.0, max(step / (self.epochs * self.steps), (now_s - self.begin_s) / self.fit_s))


def plan_fit(
    budget: Budget, pace: Pace, *, epochs: int, done: int, steps: int, selection: int, afterwards: int
) -> Plan:
    """Plan at most `epochs`, of which `done` are behind us, so that all that follows still fits.

    `selection` pictures are looked at after each epoch, `afterwards` pictures in export, parity and calibration.
    """
    reserve_s = 20.0 + 5 * pace.look_s * (afterwards + ROUNDING_LOOKS) if budget.limit_s is not None else 0.0
    fit_s = SLACK * (budget.left_s() - reserve_s)
    epoch_s = pace.step_s * steps + pace.look_s * selection
    if fit_s < 2 * pace.step_s:
        needed = (budget.used_s() + reserve_s + epoch_s / SLACK) / 60
        raise BudgetTooSmall(
            f"--minutes: expected at least {needed:.1f} for one epoch of this data set on this machine"
        )
    possible = epochs if fit_s == float("inf") else max(1, int(fit_s / epoch_s))
    return Plan(min(epochs, done + possible), steps, budget.used_s(), fit_s)


def hopeful(plan: Plan, asked: int, done: int) -> Plan:
    """Return the plan with more epochs, up to those `asked` for: a machine that was busy when its pace was measured.

    The learning rate follows the clock too (`Plan.progress`), so a machine that stays busy loses nothing by it.
    """
    return replace(plan, epochs=max(plan.epochs, min(asked, done + FREER * (plan.epochs - done))))
