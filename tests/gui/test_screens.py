"""The window as a person meets it, on Qt's offscreen platform."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QPushButton, QSlider, QWidget

from db.label_marks import marks_of
from db.labels import TaskKind
from gui.canvas import Canvas, Tool
from gui.charts.view import ChartView
from gui.database import Source, reading
from gui.identity import Presence
from gui.palette import DARK, LIGHT
from gui.review.controller import QUEUE_EMPTY
from gui.shell import Shell
from gui.watchdog import Watchdog
from gui.whatif.band import LimitsBand
from inspector.drawn import Box, Polygon, Stroke, mask
from inspector.values import Outcome

PASSWORD = "correct horse battery"
REJECT, REVIEW, PASS = Outcome.REJECT, Outcome.REVIEW, Outcome.PASS
WAIT_MS = 20_000
HEAT = bytes(cv2.imencode(".png", np.full((24, 32), 255, np.uint8))[1])
STALL_MS = 50
"""Bound on what the GUI thread itself computes between two heartbeats; what other programs of a busy machine take from
it is not in it. `off_the_gui_thread` sees to it that it waits for no database."""


@pytest.fixture
def window(source: Source, qtbot: Any, off_the_gui_thread: None) -> Iterator[Shell]:
    window = Shell(source, "a test")
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    yield window
    window.close()


@pytest.fixture
def enter(window: Shell, qtbot: Any) -> Callable[..., None]:
    """Sign in as a person would, and wait for the first part."""

    def enter(name: str = "ann", *, part: bool = True) -> None:
        window.sign_in.name.setFocus()
        QTest.keyClicks(window.sign_in.name, name)
        QTest.keyClick(window.sign_in.name, Qt.Key.Key_Return)
        QTest.keyClicks(window.sign_in.password, PASSWORD)
        QTest.keyClick(window.sign_in.password, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
        if part:
            ready(window, qtbot)

    return enter


def ready(window: Shell, qtbot: Any) -> None:
    """Wait until a part with its picture is in hand, or none is left."""
    review = window.review.controller
    qtbot.waitUntil(
        lambda: not review.busy and (review.size_px is not None or review.words.key == QUEUE_EMPTY),
        timeout=WAIT_MS,
    )


def press(window: Shell, key: Qt.Key) -> None:
    QTest.keyClick(window.focusWidget(), key)


def drag(canvas: Canvas, *points: tuple[int, int]) -> None:
    at = [QPoint(*point) for point in points]
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at[0])
    for point in at[1:]:
        QTest.mouseMove(canvas, point)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=at[-1])


def test_a_person_signs_in_and_reviews_by_keys_alone(
    plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any, labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT, REJECT, REVIEW, REJECT)
    enter()
    watchdog = Watchdog()
    watchdog.start()
    for key in (Qt.Key.Key_A, Qt.Key.Key_X, Qt.Key.Key_3):
        press(window, key)
        ready(window, qtbot)
    press(window, Qt.Key.Key_N)
    QTest.keyClicks(window.review.panel.note, "all 4 corners")
    press(window, Qt.Key.Key_Return)
    press(window, Qt.Key.Key_Return)
    ready(window, qtbot)
    stall = watchdog.stop()
    said = [(row.label, row.note) for row in labels()]
    assert said == [("scratch", ""), ("good", ""), ("stain", ""), ("scratch", "all 4 corners")]
    assert "Nothing waits" in window.review.canvas._words
    assert stall.cpu_ms < STALL_MS


def test_what_is_drawn_is_kept_in_frame_pixels(
    plant: Any, source: Source, window: Shell, enter: Callable[..., None], qtbot: Any, labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT)
    enter()
    canvas, place = window.review.canvas, window.review.canvas.placement
    spot = [QPoint(*(round(value) for value in place.to_view(*at))) for at in ((100, 80), (140, 120), (60, 150))]
    press(window, Qt.Key.Key_R)
    drag(canvas, spot[0].toTuple(), spot[1].toTuple())
    press(window, Qt.Key.Key_P)
    for point in spot:
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=point)
    press(window, Qt.Key.Key_Return)
    press(window, Qt.Key.Key_B)
    drag(canvas, spot[0].toTuple(), spot[2].toTuple())
    press(window, Qt.Key.Key_E)
    drag(canvas, spot[2].toTuple(), (spot[2].x() + 3, spot[2].y()))
    shapes = window.review.controller.draft.sketch.shapes
    assert [type(shape) for shape in shapes] == [Box, Polygon, Stroke, Stroke]
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(canvas, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    window.grab()
    press(window, Qt.Key.Key_A)
    ready(window, qtbot)
    elsewhere = plant.source()
    with reading(elsewhere.engine) as connection:
        kept = marks_of(connection, labels()[0].label_id)
    elsewhere.engine.dispose()
    assert kept is not None
    assert (kept.width_px, kept.height_px, len(kept.shapes)) == (320, 240, 3)
    assert isinstance(kept.shapes[0], Box)
    assert kept.shapes[0].x == pytest.approx(100, abs=1)
    assert kept.shapes[0].height == pytest.approx(40, abs=1)
    assert mask(kept)[100, 120] == 255


def test_of_a_blind_part_nothing_is_shown_until_it_is_answered(
    plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any
) -> None:
    plant.heat_png = HEAT
    (part,) = plant.parts(PASS)
    plant.ask(part, TaskKind.AUDIT)
    enter()
    panel = window.review.panel
    assert not panel.verdict.gauge.isVisible()
    assert not panel.accept.isEnabled()
    assert not [button for button in panel.classes.buttons.values() if button.isChecked()]
    assert window.review.canvas._findings == ()
    assert window.review.canvas._heat is None
    words = " ".join(label.text() for label in window.review.findChildren(type(panel.last)))
    assert "0.02" not in words
    press(window, Qt.Key.Key_2)
    ready(window, qtbot)
    assert "scratch" in panel.last.text()
    assert "the machine had said good" in panel.last.text()


def test_a_heat_map_lies_on_the_picture_while_it_is_wanted(
    plant: Any, window: Shell, enter: Callable[..., None]
) -> None:
    plant.heat_png = HEAT
    plant.parts(REJECT)
    enter()
    review = window.review

    def middle() -> int:
        return int(review.canvas.grab().toImage().pixelColor(review.canvas.rect().center()).value())

    plain = middle()
    press(window, Qt.Key.Key_M)
    assert review.tones.heat.isChecked()
    assert middle() != plain
    press(window, Qt.Key.Key_M)
    assert middle() == plain


def test_a_damaged_heat_map_is_left_out(plant: Any, window: Shell, enter: Callable[..., None]) -> None:
    plant.heat_png = b"no picture"
    plant.parts(REJECT)
    enter()
    press(window, Qt.Key.Key_M)
    assert window.review.canvas._heat is None
    assert window.review.canvas._picture is not None


def test_a_session_that_ends_locks_the_window_and_what_was_typed_is_there_afterwards(
    plant: Any, source: Source, window: Shell, enter: Callable[..., None], qtbot: Any, labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT)
    enter()
    press(window, Qt.Key.Key_N)
    QTest.keyClicks(window.review.panel.note, "half a sen")
    window.identity.lock()
    assert not window.review.isVisible()
    assert window.sign_in.isVisible()
    QTest.keyClicks(window.sign_in.password, PASSWORD)
    QTest.keyClick(window.sign_in.password, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.review.isVisible(), timeout=WAIT_MS)
    assert window.review.panel.note.text() == "half a sen"
    window.review.controller.accept()
    ready(window, qtbot)
    assert [row.note for row in labels()] == ["half a sen"]


def test_who_may_not_label_can_press_nothing(plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any) -> None:
    plant.parts(REJECT)
    enter("root", part=False)
    qtbot.waitUntil(lambda: "does not label" in window.review.notice.text(), timeout=WAIT_MS)
    assert not window.review.panel.accept.isVisible()
    press(window, Qt.Key.Key_A)
    assert window.identity.presence is Presence.PRESENT


def test_a_wrong_password_is_said_on_the_page(plant: Any, window: Shell, qtbot: Any) -> None:
    window.identity.sign_in("ann", "wrong")
    qtbot.waitUntil(lambda: window.sign_in.message.isVisible(), timeout=WAIT_MS)
    assert "wrong name or password" in window.sign_in.message.text()


def test_a_picture_that_is_missing_says_what_to_do(
    plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any
) -> None:
    (part,) = plant.parts(REJECT)
    next(plant.images.root.glob(f"*/*/{part.image_sha256}.png")).unlink()
    enter(part=False)
    qtbot.waitUntil(lambda: "Skip this part (S)" in window.review.canvas._words, timeout=WAIT_MS)


def test_the_live_screen_shows_the_newest_part(
    plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any
) -> None:
    plant.parts(PASS, PASS, REJECT, PASS)
    enter()
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    live = window.live
    qtbot.waitUntil(lambda: live.canvas._picture is not None and "part 4" in live.caption.text(), timeout=WAIT_MS)
    assert live.badge.accessibleName() == "Pass"
    assert live.values["yield"].text() == "75.0 %"
    assert "3 of the last 4 passed; at least 24.9\N{NO-BREAK SPACE}%" in live.yield_bound.text()
    assert live.strip.accessibleName() == "The last 4 parts, 1 of them no pass"
    assert live.values["waiting"].text() == "1"


def test_everything_that_can_be_used_has_a_name_and_is_reached_by_tab(
    plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any
) -> None:
    plant.parts(REJECT)
    enter()
    kinds = (QPushButton, QLineEdit, QComboBox, QSlider, Canvas, ChartView, LimitsBand)
    for number in range(len(window.places)):
        window.go(number)
        usable = {
            widget
            for kind in kinds
            for widget in window.findChildren(kind)
            if widget.isVisible() and widget.isEnabled()
        }
        assert [widget for widget in usable if not widget.accessibleName()] == []
        reached: set[QWidget] = set()
        for _ in range(60):
            window.focusNextPrevChild(True)
            reached.add(window.focusWidget())
        # Of buttons of which one is pressed, Tab reaches that one and arrows the others.
        alone = {widget for widget in usable if not isinstance(widget, QPushButton) or widget.group() is None}
        assert {str(widget.accessibleName()) for widget in alone - reached} == set()


def test_both_themes_paint_every_screen(plant: Any, window: Shell, enter: Callable[..., None]) -> None:
    plant.parts(REJECT)
    enter()
    seen = []
    for theme in (LIGHT, DARK):
        window.set_theme(theme)
        for number in range(len(window.places)):
            window.go(number)
            seen.append(window.grab().toImage().pixelColor(3, 400).name())
    assert seen == [LIGHT.surface] * len(window.places) + [DARK.surface] * len(window.places)


def test_the_window_fits_on_a_small_screen(plant: Any, window: Shell, enter: Callable[..., None]) -> None:
    plant.parts(REJECT)
    enter()
    least = window.minimumSizeHint()
    assert (least.width() <= 1366, least.height() <= 768) == (True, True), least


def test_two_hundred_openings_leave_nothing_behind(
    plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any
) -> None:
    plant.parts(REJECT)
    enter()
    others = range(len(window.places) - 1, -1, -1)
    for number in others:
        window.go(number)
        qtbot.wait(50)
    before = len(QApplication.allWidgets())
    for _ in range(200):
        for number in others:
            window.go(number)
    ready(window, qtbot)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()
    assert len(QApplication.allWidgets()) == before


def test_the_brush_grows_and_the_picture_zooms_by_keys(
    plant: Any, window: Shell, enter: Callable[..., None], qtbot: Any
) -> None:
    plant.parts(REJECT)
    enter()
    canvas = window.review.canvas
    whole = canvas.placement
    press(window, Qt.Key.Key_Plus)
    assert canvas.placement.scale == pytest.approx(1.25 * whole.scale)
    press(window, Qt.Key.Key_Z)
    assert canvas.placement.scale == pytest.approx(1.0)
    press(window, Qt.Key.Key_F)
    assert canvas.placement == whole
    size = canvas.brush_px
    press(window, Qt.Key.Key_BracketRight)
    assert canvas.brush_px > size
    press(window, Qt.Key.Key_P)
    assert canvas.tool is Tool.POLYGON
