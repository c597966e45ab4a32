"""Stations: what is reported, who has seen it, what is wanted and what is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest
from sqlalchemy import select

from db.acknowledgements import acknowledgements
from db.bundle_states import BundleState, StateChange, set_state
from db.challenges import Hold, add_hold
from db.ledger import Ledger
from db.orders import OrderKind, OrderState, OrderStep, orders, write_step
from db.plant_tables import AUDIT_LOG
from db.records import Event, Severity, utc_now
from db.sessions import Session
from gui.database import Source, reading, writing
from gui.identity import Presence
from gui.live.stream import Device, Heard
from gui.shell import Shell
from gui.stations.badge import paint_state
from gui.stations.controller import StationsController
from gui.stations.desk import DatabaseStations, Ordered
from gui.stations.texts import challenges_text, event_line, health_word, self_test_text, wanted_actual_text
from gui.watchdog import Watchdog
from inspector.errors import AccessRefused, DatabaseError, InspectorError, OrderRefused
from inspector.values import Outcome
from tests.gui.conftest import at_once

PASSWORD = "correct horse battery"
WAIT_MS = 30_000
STALL_MS = 50
PLACE = 5
"""Of Stations among the places of the window."""
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HEARD = Heard(
    "http://127.0.0.1:1",
    connected=True,
    heard_at=NOON,
    station="press-4",
    state="check_function",
    may_run=False,
    devices=(
        Device("challenge", "check_function", "due: shift began at 06:00"),
        Device("camera:top", "good", "well"),
    ),
)


@pytest.fixture
def troubled(workshop: Any) -> Any:
    """Two alarms and a note."""
    with Ledger(workshop.plant.path) as ledger:
        for number, (severity, kind) in enumerate(
            [(Severity.ALARM, "camera lost"), (Severity.INFO, "camera open"), (Severity.ALARM, "self-test failed")]
        ):
            at = utc_now() + timedelta(seconds=number)
            ledger.record_event(Event("press-4", severity, kind, f"{kind}: told", at)).result(10)
    return workshop


@pytest.fixture
def desk(troubled: Any, source: Source) -> DatabaseStations:
    return DatabaseStations(source)


@pytest.fixture
def stations(desk: DatabaseStations) -> StationsController:
    made = StationsController(desk, at_once, lambda: None, lambda _: None)
    made.poll()
    return made


# ---- events


def test_alarms_that_nobody_has_seen_come_first_and_go_when_they_are_seen(
    stations: StationsController, source: Source, session: Callable[[str], Session]
) -> None:
    assert stations.board is not None
    kinds = [each.event.kind for each in stations.board.reported]
    assert kinds[:3] == ["self-test failed", "camera lost", "camera open"]
    assert stations.board.open_alarms == 2
    assert "waits for a person" in event_line(stations.board.reported[0])
    stations.begin(session("ben"))
    stations.write("cable was loose")
    first = stations.event_id
    assert first is not None
    stations.acknowledge()
    assert (stations.error, stations.note) == ("", "")
    assert stations.reported is not None
    assert stations.reported.event.kind == "camera lost", "the next one that waits"
    assert stations.board.open_alarms == 1
    with reading(source.engine) as connection:
        (seen,) = acknowledgements(connection, first)
        logged = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.sequence.desc()).limit(1)).one()
    assert (seen.person, seen.note) == ("ben", "cable was loose")
    assert (logged.action, logged.person) == ("event acknowledged", "ben")


def test_nobody_acknowledges_nothing(stations: StationsController) -> None:
    assert not stations.may_acknowledge
    stations.acknowledge()
    assert stations.board is not None
    assert stations.board.open_alarms == 2


def test_a_session_that_is_over_is_told_and_the_note_stays(
    stations: StationsController, desk: DatabaseStations, source: Source, session: Callable[[str], Session]
) -> None:
    from db.sessions import sign_out

    told: list[InspectorError] = []
    mine = StationsController(desk, at_once, lambda: None, told.append)
    mine.poll()
    ben = session("ben")
    mine.begin(ben)
    mine.write("seen")
    with writing(source.engine) as connection:
        sign_out(connection, ben.token)
    mine.acknowledge()
    assert [type(error) for error in told] == [AccessRefused]
    assert mine.note == "seen"


# ---- orders


def test_an_order_takes_the_right_and_a_reason_and_its_state_is_shown(
    stations: StationsController, source: Source, session: Callable[[str], Session]
) -> None:
    stations.begin(session("ben"))
    stations.say("look at it")
    assert not stations.may_order
    stations.begin(session("eve"))
    stations.want(OrderKind.HOLD)
    assert not stations.may_order, "a reason is needed"
    stations.say("tool change")
    stations.order()
    assert (stations.error, stations.ordered, stations.reason) == ("", OrderKind.HOLD, "")
    assert stations.board is not None
    assert "hold: wanted; eve: tool change" in wanted_actual_text(stations.board)
    with writing(source.engine) as connection:
        (given,) = orders(connection, "press-4")
        write_step(connection, OrderStep(given.number, OrderState.DONE, "held", utc_now()))
    stations.poll()
    words = wanted_actual_text(stations.board)
    assert "Nothing is wanted that is not so." in words
    assert "held by eve: tool change" in words


def test_a_recipe_is_wanted_by_name_and_a_shadow_only_of_an_approved_bundle(
    troubled: Any, desk: DatabaseStations, source: Source, session: Callable[[str], Session]
) -> None:
    eve = session("eve")
    with pytest.raises(OrderRefused, match="expected which recipe is wanted"):
        desk.order(eve, Ordered("press-4", OrderKind.RECIPE, "", "other parts"))
    desk.order(eve, Ordered("press-4", OrderKind.RECIPE, "flange", "other parts"))
    shadow = Ordered("press-4", OrderKind.SHADOW, troubled.candidate, "try it")
    with pytest.raises(OrderRefused, match="expected one that is approved"):
        desk.order(eve, shadow)
    with writing(source.engine) as connection:
        set_state(connection, StateChange(troubled.candidate, BundleState.APPROVED, "ann", "good"))
    seen = desk.look("press-4").board
    assert seen is not None
    assert troubled.candidate in seen.approved
    desk.order(eve, shadow)
    desk.order(eve, Ordered("press-4", OrderKind.SHADOW, "", "enough"))
    with reading(source.engine) as connection:
        wanted = [given.order.wanted.rpartition("/")[2] for given in orders(connection, "press-4")]
    assert wanted == ["flange", troubled.candidate[:16], ""]


def test_an_order_to_a_station_that_reads_elsewhere_is_refused(
    plant: Any, source: Source, session: Callable[[str], Session]
) -> None:
    desk = DatabaseStations(source)
    with pytest.raises(OrderRefused, match="it reads orders in its own ledger"):
        desk.order(session("eve"), Ordered("press-4", OrderKind.HOLD, "", "tool change"))


# ---- health, known truth, self-test


def test_without_its_own_word_a_station_has_no_state_but_that_of_its_run(stations: StationsController) -> None:
    assert stations.board is not None
    assert health_word(stations.board, None).startswith("running since")
    stations.hear(HEARD)
    assert health_word(stations.board, stations.stream) == "function check"
    assert "due: shift began at 06:00" in challenges_text(stations.board, stations.stream)


def test_a_part_of_known_truth_says_when_it_was_shown_and_what_came_of_it(
    troubled: Any, source: Source, stations: StationsController
) -> None:
    challenge = troubled.plant.challenge()
    stations.poll()
    assert stations.board is not None
    assert "RR-1, must be Reject: never shown" in challenges_text(stations.board, None)
    troubled.plant.parts(Outcome.PASS, challenge=challenge)
    with writing(source.engine) as connection:
        add_hold(connection, Hold("press-4", True, "RR-1 was missed", "flange", "b" * 64))
    stations.poll()
    assert "Pass, missed" in challenges_text(stations.board, None) or "not judged" in challenges_text(
        stations.board, None
    )
    assert "the line is held: RR-1 was missed" in wanted_actual_text(stations.board)


def test_the_self_test_says_what_changed_last(stations: StationsController) -> None:
    assert stations.board is not None
    assert "self-test failed: told" in self_test_text(stations.board)


def test_a_database_that_is_away_leaves_the_board_and_says_since_when(
    stations: StationsController, desk: DatabaseStations
) -> None:
    waiting: list[Any] = []
    moments = iter([NOON, NOON, NOON])
    mine = StationsController(
        desk, lambda *asked: waiting.append(asked), lambda: None, lambda _: None, lambda: next(moments)
    )
    mine.poll()
    mine.poll()
    assert len(waiting) == 1, "one question at a time"
    waiting.pop()[2](desk.look(None))
    mine.poll()
    waiting.pop()[3](DatabaseError("database x: gone"))
    assert (mine.stale_since, mine.stale_words) == (NOON, "database x: gone")
    assert mine.board is not None


def test_another_station_that_is_chosen_while_one_is_read_is_read_next(
    stations: StationsController, desk: DatabaseStations, source: Source
) -> None:
    from db.tables import STATIONS

    with writing(source.engine) as connection:
        connection.execute(STATIONS.insert(), {"name": "press-5"})
    waiting: list[Any] = []
    mine = StationsController(desk, lambda *asked: waiting.append(asked), lambda: None, lambda _: None)
    mine.poll()
    answer = waiting[0][1]()
    mine.choose("press-5")
    waiting.pop(0)[2](answer)
    assert mine.board is None
    then = waiting.pop()
    then[2](then[1]())
    assert mine.board is not None
    assert mine.board.station == "press-5"


def test_every_state_has_a_shape_of_its_own() -> None:
    states = ("good", "maintenance_required", "out_of_specification", "check_function", "failure", "")
    assert len({shape(state) for state in states}) == len(states)


def shape(state: str) -> str:
    """A state in white on black, 20 x 20."""
    image = QImage(20, 20, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    painter = QPainter(image)
    paint_state(painter, state, QRectF(0, 0, 20, 20), QColor("white"))
    painter.end()
    return "".join("#" if image.pixelColor(x, y).value() > 120 else "." for y in range(20) for x in range(20))


# ---- the screen


@pytest.fixture
def window(troubled: Any, source: Source, qtbot: Any, off_the_gui_thread: None) -> Iterator[Shell]:
    window = Shell(source, "a test")
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    yield window
    window.close()


def test_a_person_acknowledges_an_alarm_and_orders_a_self_test_by_keys(
    window: Shell, source: Source, qtbot: Any
) -> None:
    window.identity.sign_in("eve", PASSWORD)
    qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
    watchdog = Watchdog()
    window.go(PLACE)
    screen = window.stations
    qtbot.waitUntil(lambda: screen.seen.isEnabled(), timeout=WAIT_MS)
    watchdog.start()
    QTest.keyClicks(screen.note, "lens cleaned")
    QTest.keyClick(screen.note, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: screen.controller.board.open_alarms == 1, timeout=WAIT_MS)  # type: ignore[union-attr]
    QTest.keyClicks(screen.reason, "after cleaning")
    QTest.keyClick(screen.reason, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: screen.orders.count() == 1, timeout=WAIT_MS)
    assert watchdog.stop().cpu_ms < STALL_MS
    assert "self-test: wanted; eve: after cleaning" in screen.orders.item(0).text()
