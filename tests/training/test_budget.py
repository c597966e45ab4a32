from __future__ import annotations

import pytest

from training.budget import FREER, Budget, BudgetTooSmall, Pace, hopeful, plan_fit
from training.learning import rate_share


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


COUNTS = {"done": 0, "steps": 50, "selection": 80, "afterwards": 600}


def test_epochs_are_cut_to_what_the_budget_allows() -> None:
    clock = Clock()
    budget = Budget.starting_now(10, clock)
    clock.now += 30
    plan = plan_fit(budget, Pace(step_s=0.5, look_s=0.02), epochs=1000, **COUNTS)
    planned_s = plan.epochs * (50 * 0.5 + 80 * 0.02)
    assert planned_s + 30 + 3 * 600 * 0.02 < 600
    assert planned_s > 300


def test_a_generous_budget_changes_nothing() -> None:
    plan = plan_fit(Budget.starting_now(1000, Clock()), Pace(0.5, 0.02), epochs=7, **COUNTS)
    assert plan.epochs == 7


def test_without_a_budget_progress_follows_steps_alone() -> None:
    plan = plan_fit(Budget(), Pace(0.5, 0.02), epochs=4, **COUNTS)
    assert plan.progress(100, now_s=1e9) == pytest.approx(0.5)


def test_a_machine_that_slows_down_still_ends_with_a_small_rate() -> None:
    plan = plan_fit(Budget.starting_now(10, Clock()), Pace(0.5, 0.02), epochs=1000, **COUNTS)
    progress = plan.progress(step=10, now_s=plan.begin_s + plan.fit_s)
    assert progress == 1
    assert rate_share(progress) == pytest.approx(0, abs=1e-9)


def test_a_budget_without_time_to_fit_says_how_much_is_needed() -> None:
    with pytest.raises(BudgetTooSmall, match=r"--minutes: expected at least \d+\.\d for one epoch"):
        plan_fit(Budget.starting_now(0.5, Clock()), Pace(0.5, 0.02), epochs=10, **COUNTS)


def test_a_resumed_run_counts_only_what_is_left_to_do() -> None:
    plan = plan_fit(Budget.starting_now(10, Clock()), Pace(0.5, 0.02), epochs=30, **{**COUNTS, "done": 25})
    assert plan.epochs == 30


def test_a_machine_that_was_busy_at_first_may_do_more_epochs_and_no_more_than_asked() -> None:
    budget = Budget.starting_now(10, Clock())
    plan = plan_fit(budget, Pace(step_s=0.5, look_s=0.02), epochs=1000, **COUNTS)
    longer = hopeful(plan, 1000, 0)
    assert longer.epochs == FREER * plan.epochs
    assert hopeful(plan, plan.epochs + 1, 0).epochs == plan.epochs + 1
    assert hopeful(plan, plan.epochs, 0) == plan
    assert hopeful(plan, 1000, plan.epochs - 1).epochs == plan.epochs - 1 + FREER
    half_way = plan.begin_s + plan.fit_s / 2
    assert longer.progress(0, half_way) == plan.progress(0, half_way)
