"""Shifts of a plant: when each begins, in the plant's own time, and which one a moment lies in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from inspector.documents import Document
from inspector.errors import UserError

_DAY = timedelta(days=1)


class ShiftSettings(Document):
    """The `[shifts]` table."""

    time_zone: str = Field(default="UTC", description="in which shifts begin, as Europe/Berlin")
    starts: dict[str, str] = Field(
        min_length=1, description="when each shift begins, as 06:00; it ends where the next one begins"
    )

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:  # what zoneinfo raises for a name that is no zone
            raise ValueError(f"{name!r}: expected a time zone such as Europe/Berlin") from error
        return name

    @field_validator("starts")
    @classmethod
    def _times(cls, starts: dict[str, str]) -> dict[str, str]:
        for name, words in starts.items():
            try:
                datetime.strptime(words, "%H:%M")
            except ValueError as error:
                raise ValueError(f"{name}: {words!r}; expected a time such as 06:00") from error
        if len(set(starts.values())) < len(starts):
            raise ValueError("two shifts begin at the same time; expected one each")
        return starts


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of one day. It has the parts triggered from `start` on and before `end`, both UTC."""

    name: str
    day: date
    """On which it begins, in the plant's time."""
    start: datetime
    end: datetime


def last_ended(settings: ShiftSettings, now: datetime, name: str | None = None) -> Shift:
    """Return the newest shift, of that name if one is given, that is over."""
    over = [shift for shift in _around(settings, now.date(), 8) if shift.end <= now]
    named = [shift for shift in over if name is None or shift.name == require_name(settings, name)]
    return named[-1]


def shift_on(settings: ShiftSettings, day: date, name: str) -> Shift:
    """Return the shift of that name which begins on that day of the plant's calendar."""
    require_name(settings, name)
    named = [shift for shift in _around(settings, day, 2) if (shift.name, shift.day) == (name, day)]
    if not named:
        raise UserError(f"--shift {name!r}: on {day:%Y-%m-%d} the clocks leave no time for it; expected another day")
    return named[0]


def before(settings: ShiftSettings, shift: Shift, count: int) -> list[Shift]:
    """Return the `count` shifts before this one, and this one, in the order of time."""
    days = count // len(settings.starts) + 3
    earlier = [one for one in _around(settings, shift.day, days) if one.start < shift.start]
    return [*earlier[-count:], shift]


def require_name(settings: ShiftSettings, name: str) -> str:
    if name not in settings.starts:
        raise UserError(f"--shift {name!r}: expected one of {', '.join(settings.starts)}")
    return name


def _around(settings: ShiftSettings, day: date, days: int) -> list[Shift]:
    """Every shift that begins within so many days of that one, in the order of time.

    One that clocks going forward leave no time for is not among them.
    """
    zone = ZoneInfo(settings.time_zone)
    begins: list[tuple[datetime, str, date]] = []
    for offset in range(-days, days + 1):
        on = day + offset * _DAY
        for name, words in settings.starts.items():
            local = datetime.combine(on, time.fromisoformat(words), zone)
            begins.append((local.astimezone(UTC), name, on))
    joined = pairwise(sorted(begins))
    return [Shift(name, on, start, end) for (start, name, on), (end, _, _) in joined if start < end]
