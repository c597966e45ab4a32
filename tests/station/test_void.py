"""When the certificate was void: what begins a period, and what ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from db.queries import RunSummary
from db.records import Event, Severity
from station.reports.void import VoidPeriod, void_periods

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def alarm(minutes: int, camera: str = "top", station: str = "s-1") -> Event:
    return Event(station, Severity.ALARM, "drift_alarm", f"camera {camera}: lamp fade: brightness fell", at(minutes))


def relearn(minutes: int, camera: str = "top", station: str = "s-1") -> Event:
    return Event(station, Severity.INFO, "drift_relearn", f"camera {camera}: by ann: lamp replaced", at(minutes))


def ran(minutes: int, bundle: str = "b", revision: str = "r", station: str = "s-1") -> RunSummary:
    return RunSummary(
        uuid4(), station, "lid", revision, "{}", bundle * 20, "classify", ("good",), at(minutes), None, None
    )


def ends(periods: list[VoidPeriod]) -> list[tuple[datetime, datetime | None]]:
    return [(period.since, period.until) for period in periods]


def test_an_alarm_that_nothing_ended_is_still_void() -> None:
    (period,) = void_periods([alarm(5)], [ran(0), ran(60)])
    assert period == VoidPeriod("s-1", "top", at(5), "lamp fade: brightness fell")
    assert period.text() == (
        "certificate void at s-1, camera top, since 2026-01-02 12:05 UTC: lamp fade: brightness fell"
    )
    assert period.fields()["until"] is None


def test_learning_anew_ends_it_and_says_by_whom_and_why() -> None:
    (period,) = void_periods([alarm(5), relearn(30)], [ran(0)])
    assert (period.until, period.ended) == (at(30), "by ann: lamp replaced")
    assert "until 2026-01-02 12:30 UTC (by ann: lamp replaced): lamp fade" in period.text()
    assert period.fields()["until"] == at(30).isoformat()


def test_further_alarms_of_one_period_begin_no_other() -> None:
    assert ends(void_periods([alarm(5), alarm(6), relearn(30), alarm(40)], [ran(0)])) == [
        (at(5), at(30)),
        (at(40), None),
    ]


def test_cameras_and_stations_are_apart() -> None:
    events = [alarm(1), alarm(2, "side"), alarm(3, station="s-2"), relearn(4, "side"), relearn(5, station="s-3")]
    assert ends(void_periods(events, [ran(0), ran(0, station="s-2"), ran(9, "c", station="s-3")])) == [
        (at(1), None),
        (at(2), at(4)),
        (at(3), None),
    ]


def test_a_later_run_with_another_bundle_or_recipe_ends_it() -> None:
    (other_bundle,) = void_periods([alarm(5)], [ran(0), ran(10), ran(20, bundle="c")])
    assert (other_bundle.until, other_bundle.ended) == (at(20), "another bundle, cccccccccccccccc")
    (other_recipe,) = void_periods([alarm(5), relearn(50)], [ran(0), ran(20, revision="q")])
    assert (other_recipe.until, other_recipe.ended) == (at(20), "another recipe")


def test_an_alarm_before_any_run_on_record_is_ended_by_an_order_only() -> None:
    (period,) = void_periods([alarm(5)], [ran(10, bundle="c")])
    assert period.until is None


def test_a_message_without_a_camera_is_kept_whole() -> None:
    (period,) = void_periods([Event("s-1", Severity.ALARM, "drift_alarm", "lamp fade", NOON)], [])
    assert (period.camera, period.cause) == ("", "lamp fade")
