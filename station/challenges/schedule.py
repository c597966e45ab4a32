"""When a part of known truth is due: pure, from the last one that was judged as it had to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from db.challenges import Settled
from station.challenges.settings import ChallengeSettings


@dataclass(frozen=True, slots=True)
class Serving:
    """What judges the parts, and since when."""

    recipe: str
    bundle_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A challenge part is due."""

    since: datetime
    why: str


def due(
    settings: ChallengeSettings, settled: Settled | None, serving: Serving, now: datetime, zone: tzinfo | None = None
) -> Due | None:
    """Return what has been due for longest; None where nothing is. Shifts start in `zone`, the machine's own if None.

    Nothing is due before the station serves: nobody could have shown a part to it.
    """
    occasions = sorted(_occasions(settings, settled, serving, now, zone), key=lambda each: each.since)
    if not occasions:
        return None
    first = occasions[0]
    return Due(max(first.since, serving.since), first.why)


def _occasions(
    settings: ChallengeSettings, settled: Settled | None, serving: Serving, now: datetime, zone: tzinfo | None
) -> Iterator[Due]:
    if settled is None:
        yield Due(serving.since, "none has been judged as it had to be yet")
        return
    if settings.at_change_over and settled.recipe != serving.recipe:
        yield Due(serving.since, f"change-over from {settled.recipe} to {serving.recipe}")
    if settings.at_model_change and settled.bundle_id != serving.bundle_id:
        yield Due(serving.since, f"bundle changed from {settled.bundle_id[:12]} to {serving.bundle_id[:12]}")
    if settings.every_h is not None and (again := settled.at + timedelta(hours=settings.every_h)) <= now:
        yield Due(again, f"{settings.every_h:g} h after the last one")
    if (shift := _last_shift(settings, now, zone)) is not None and settled.at < shift:
        yield Due(shift, f"shift began at {shift.astimezone(zone):%H:%M}")


def _last_shift(settings: ChallengeSettings, now: datetime, zone: tzinfo | None) -> datetime | None:
    """Return when the shift that works now began; None without shifts."""
    here = now.astimezone(zone)
    days = (here.date(), here.date() - timedelta(days=1))
    starts = [
        datetime.combine(day, start).replace(tzinfo=zone).astimezone(zone) for day in days for start in settings.shifts
    ]
    return max((start for start in starts if start <= now), default=None)
