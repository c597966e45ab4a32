from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError

from inspector.errors import UserError
from inspector.shifts import ShiftSettings, before, last_ended, shift_on

THREE = ShiftSettings(time_zone="Europe/Berlin", starts={"night": "22:00", "early": "06:00", "late": "14:00"})


def test_the_last_shift_is_the_one_that_is_over() -> None:
    shift = last_ended(THREE, datetime(2026, 1, 15, 13, 0, tzinfo=UTC))  # 14:00 in Berlin, on the very end
    assert (shift.name, shift.start.hour, shift.end.hour) == ("early", 5, 13)
    assert last_ended(THREE, datetime(2026, 1, 15, 12, 59, tzinfo=UTC)).name == "night"
    assert last_ended(THREE, datetime(2026, 1, 15, 12, 59, tzinfo=UTC), "late").day == date(2026, 1, 14)


def test_a_night_belongs_to_the_day_on_which_it_begins_and_is_an_hour_shorter_when_clocks_go_forward() -> None:
    night = shift_on(THREE, date(2026, 3, 28), "night")
    assert night.start == datetime(2026, 3, 28, 21, tzinfo=UTC)
    assert night.end - night.start == timedelta(hours=7)
    assert shift_on(THREE, date(2026, 10, 24), "night").end - shift_on(THREE, date(2026, 10, 24), "night").start == (
        timedelta(hours=9)
    )


def test_the_shifts_before_one_join_without_a_gap() -> None:
    chain = before(THREE, shift_on(THREE, date(2026, 4, 2), "late"), 25)
    assert len(chain) == 26
    assert all(one.end == after.start for one, after in pairwise(chain))
    assert chain[-1].name == "late"


def test_a_shift_that_clocks_going_forward_leave_no_time_for_is_none() -> None:
    odd = ShiftSettings(time_zone="Europe/Berlin", starts={"a": "02:30", "b": "03:30"})
    with pytest.raises(UserError, match="clocks leave no time for it"):
        shift_on(odd, date(2026, 3, 29), "a")
    chain = before(odd, shift_on(odd, date(2026, 3, 30), "b"), 4)
    assert all(one.start < one.end == after.start for one, after in pairwise(chain))


def test_one_shift_lasts_a_day() -> None:
    shift = last_ended(ShiftSettings(starts={"day": "07:30"}), datetime(2026, 1, 15, 8, tzinfo=UTC))
    assert (shift.start, shift.end - shift.start) == (datetime(2026, 1, 14, 7, 30, tzinfo=UTC), timedelta(days=1))


def test_a_shift_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UserError, match="--shift 'noon': expected one of night, early, late"):
        shift_on(THREE, date(2026, 1, 15), "noon")
    with pytest.raises(UserError, match="--shift 'noon'"):
        last_ended(THREE, datetime(2026, 1, 15, tzinfo=UTC), "noon")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"time_zone": "Mars/Olympus"}, "expected a time zone such as Europe/Berlin"),
        ({"time_zone": "../etc"}, "expected a time zone"),
        ({"starts": {}}, "starts"),
        ({"starts": {"early": "six"}}, "early: 'six'; expected a time such as 06:00"),
        ({"starts": {"early": "25:00"}}, "expected a time such as 06:00"),
        ({"starts": {"early": "06:00", "late": "06:00"}}, "two shifts begin at the same time"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        ShiftSettings.model_validate({"starts": {"early": "06:00"}, **changes})
