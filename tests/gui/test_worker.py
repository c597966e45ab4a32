from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget

from gui.watchdog import Watchdog
from gui.worker import LABELS, LIVE, Worker
from inspector.errors import DatabaseError


@pytest.fixture
def worker(qapp: Any) -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def nothing(_: object) -> None:
    raise AssertionError("this answer should have been dropped")


def test_a_question_is_answered_elsewhere_and_the_answer_handed_back_here(worker: Worker, qtbot: Any) -> None:
    heard: list[tuple[int, int]] = []
    ask = worker.lane(LABELS)
    ask("who", threading.get_ident, lambda there: heard.append((there, threading.get_ident())), nothing)
    qtbot.waitUntil(lambda: len(heard) == 1)
    there, here = heard[0]
    assert here == threading.get_ident() != there


def test_an_answer_that_was_overtaken_is_dropped(worker: Worker, qtbot: Any) -> None:
    heard: list[str] = []
    go = threading.Event()
    ask = worker.lane(LABELS)
    ask("part", lambda: go.wait(5), nothing, nothing)
    ask("other", lambda: "other", heard.append, nothing)
    ask("part", lambda: "new", heard.append, nothing)
    go.set()
    qtbot.waitUntil(lambda: heard == ["other", "new"])


def test_a_lane_that_waits_holds_up_no_other(worker: Worker, qtbot: Any) -> None:
    heard: list[str] = []
    go = threading.Event()
    worker.lane(LIVE)("slow", lambda: go.wait(5), lambda _: heard.append("slow"), nothing)
    worker.lane(LABELS)("quick", lambda: "quick", heard.append, nothing)
    qtbot.waitUntil(lambda: heard == ["quick"])
    go.set()
    qtbot.waitUntil(lambda: heard == ["quick", "slow"])


def refuse() -> None:
    raise DatabaseError("database x: gone")


def test_a_refusal_is_handed_back_as_one(worker: Worker, qtbot: Any) -> None:
    heard: list[str] = []
    worker.lane(LABELS)("x", refuse, nothing, lambda error: heard.append(str(error)))
    qtbot.waitUntil(lambda: heard == ["database x: gone"])


def test_what_nobody_foresaw_reaches_the_hook(worker: Worker, qtbot: Any) -> None:
    with qtbot.captureExceptions() as caught:
        worker.lane(LABELS)("x", lambda: 1 / 0, nothing, nothing)
        qtbot.waitUntil(lambda: len(caught) == 1)
    assert caught[0][0] is ZeroDivisionError


def test_a_closed_worker_hands_nothing_back(worker: Worker, qtbot: Any) -> None:
    worker.lane(LABELS)("x", lambda: 1, nothing, nothing)
    worker.close()
    worker.lane(LABELS)("x", lambda: 1, nothing, nothing)
    qtbot.wait(50)


class Painted(QWidget):
    """Counts how often it was painted."""

    count = 0

    def paintEvent(self, _: object) -> None:  # noqa: N802 - Qt's name
        self.count += 1


def test_this_version_of_qt_may_paint_for_ever(qtbot: Any) -> None:
    """PySide6 6.12.0 gave up a reference to None at each paint; Python 3.11 dies when none is left."""
    widget = Painted()
    qtbot.addWidget(widget)
    with qtbot.waitExposed(widget):
        widget.show()
    before = sys.getrefcount(None)
    for _ in range(500):
        widget.repaint()
    assert widget.count >= 500
    assert abs(sys.getrefcount(None) - before) < 100


def test_the_watchdog_sees_a_stall_and_whose_it_was(qtbot: Any) -> None:
    watchdog = Watchdog()
    watchdog.start()
    qtbot.wait(30)
    threading.Event().wait(0.12)  # blocks, and computes nothing
    qtbot.wait(30)
    stall = watchdog.stop()
    assert stall.wall_ms > 110
    assert stall.cpu_ms < 100
