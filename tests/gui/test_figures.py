"""Figures: a week of parts with labels, on a screen that reads it off the GUI thread."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from db.history.listing import Listing, Wanted, listing
from db.history.over_time import even_edges
from db.history.scope import Scope
from db.records import utc_now
from gui.charts.model import Chart, Form, Frame, Point, nearest, tick_words, ticks
from gui.charts.paint import frame_of
from gui.database import Source, reading
from gui.figures.charts import all_charts
from gui.figures.controller import FiguresController, FiguresDesk
from gui.figures.export import Sheet, write_sheet
from gui.figures.numbers import Numbers, Question, read_numbers
from gui.figures.tiles import percent, tiles
from gui.identity import Presence
from gui.shell import Shell
from gui.watchdog import Watchdog
from inspector.errors import DatabaseError, UndefinedFigure, UserError
from inspector.ewma import moving_average

PASSWORD = "correct horse battery"
WAIT_MS = 30_000
STALL_MS = 50


@pytest.fixture
def window(source: Source, qtbot: Any, off_the_gui_thread: None) -> Iterator[Shell]:
    window = Shell(source, "a test")
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    window.identity.sign_in("ann", PASSWORD)
    qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
    yield window
    window.close()


def answered(window: Shell, qtbot: Any) -> Numbers:
    controller = window.figures.controller
    qtbot.waitUntil(lambda: controller.numbers is not None and not controller.busy, timeout=WAIT_MS)
    assert controller.numbers is not None
    return controller.numbers


def read(source: Source, question: Question | None = None) -> Numbers:
    with reading(source.engine) as connection:
        return read_numbers(connection, question or Question(), utc_now())


def test_every_number_is_that_of_the_parts_with_count_and_bound(week: Any, source: Source) -> None:
    numbers = read(source)
    rejects = numbers.tally.rejects
    assert (numbers.tally.parts, rejects) == (96, 15)
    yielded, stopped, escapes, overkill, latency = tiles(numbers)
    assert yielded.value.replace("\N{NO-BREAK SPACE}", " ") == "80.2 %"
    assert yielded.words.startswith("77 of 96 passed; between 70")
    assert stopped.words.startswith("19 of 96 parts; between")
    assert "drawn for audit" in escapes.words
    assert overkill.words.startswith("4 of 15 labelled rejects are good; at most ")
    assert latency.words.endswith("96 parts")
    assert sum(bin_.defective.n for bin_ in numbers.trust) == 40
    assert [bar.label for bar in numbers.pareto.bars] == ["dent", "scratch", "stain"]


def test_a_shift_breaks_a_run_rule_and_leaves_the_moving_average(week: Any, source: Source) -> None:
    charts = all_charts(read(source))
    assert [chart.title for chart in charts] == [
        "Yield",
        "Stopped parts, p' chart",
        "Brightness, EWMA",
        "Rejects by class",
        "Probability said, and seen",
        "Latency, ms",
    ]
    stopped, drift = charts[1], charts[2]
    assert any(point.flagged for point in stopped.points[-8:])
    assert not any(point.flagged for point in stopped.points[:8])
    assert drift.points[-1].flagged
    assert all("of" in point.words for chart in charts for point in chart.points)


def test_filters_narrow_all_and_a_class_counts_among_all_parts(week: Any, source: Source) -> None:
    assert read(source, Question(scope=Scope(lot="lot-0"))).tally.parts == 48
    assert read(source, Question(scope=Scope(bundle_id="x"))).tally.parts == 0
    assert read(source, Question(back=timedelta(hours=24))).tally.parts == pytest.approx(24, abs=1)
    of_class = read(source, Question(label="hole"))
    assert of_class.tally.parts == 96
    assert of_class.stopped is not None
    assert (of_class.stopped.count, of_class.stopped.n) == (0, 96)
    assert of_class.control is None
    assert "needs two stretches" in all_charts(of_class)[1].empty


def test_nothing_on_record_says_so_everywhere(source: Source) -> None:
    numbers = read(source)
    assert {tile.value for tile in tiles(numbers)} == {"-"}
    assert all(chart.empty for chart in all_charts(numbers))


def test_parts_behind_a_point_are_those_that_it_counts(week: Any, source: Source) -> None:
    charts = all_charts(read(source))
    with reading(source.engine) as connection:
        for chart in charts[:2]:
            for point in chart.points:
                assert isinstance(point.parts, Wanted)
                count = int(point.words.split(", ")[1].split(" ")[0])
                found = listing(connection, point.parts)
                expected = count if chart is charts[1] else int(point.words.split(" of ")[1].split(" ")[0])
                assert (found.of, len(found.parts)) == (expected, expected)


def test_a_person_opens_the_parts_of_a_point_by_keys_and_by_mouse(week: Any, window: Shell, qtbot: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    answered(window, qtbot)
    figures, pareto = window.figures, window.figures.charts[3]
    watchdog = Watchdog()
    watchdog.start()
    pareto.setFocus()
    QTest.keyClick(pareto, Qt.Key.Key_Right)
    assert pareto.accessibleDescription().startswith("dent: 9 of 96 parts")
    QTest.keyClick(pareto, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: figures.parts.canvas._picture is not None, timeout=WAIT_MS)
    assert figures.parts.list.count() == 9
    assert figures.parts.count.text() == "9 of 9 parts, the newest first"
    QTest.keyClick(figures.parts.list, Qt.Key.Key_Escape)
    assert pareto.isVisible()
    frame = frame_of(pareto.chart, pareto._inner(), pareto.font())
    QTest.mouseClick(pareto, Qt.MouseButton.LeftButton, pos=QPoint(round(frame.x(0)), round(frame.y(2))))
    qtbot.waitUntil(lambda: figures.parts.isVisible() and figures.parts.list.count() == 9, timeout=WAIT_MS)
    QTest.mouseClick(figures.parts.back, Qt.MouseButton.LeftButton)
    assert watchdog.stop().cpu_ms < STALL_MS


def test_choosing_a_class_asks_again(week: Any, window: Shell, qtbot: Any) -> None:
    window.go(2)
    answered(window, qtbot)
    labels = window.figures.filters.lists["label"]
    labels.setFocus()
    labels.setCurrentIndex(labels.findData("scratch"))
    labels.activated.emit(labels.currentIndex())
    assert answered(window, qtbot).question.label == "scratch"
    assert window.figures.tiles[1][0].text() == "STOPPED AS SCRATCH"


@pytest.mark.parametrize("kind", ["png", "csv", "pdf"])
def test_what_is_seen_is_written(kind: str, week: Any, window: Shell, qtbot: Any, tmp_path: Path) -> None:
    window.go(2)
    answered(window, qtbot)
    path = tmp_path / f"figures.{kind}"
    assert "last 7 days  ·  all stations" in window.figures.sheet().about
    window.figures.controller.export(window.figures.sheet(), path)
    qtbot.waitUntil(lambda: "Written" in window.figures.notice.text(), timeout=WAIT_MS)
    if kind == "png":
        assert QImage(str(path)).size() == QSize(2800, 1800)
    elif kind == "pdf":
        assert path.read_bytes().startswith(b"%PDF-")
        assert path.stat().st_size > 5000
    else:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        assert {row["figure"] for row in rows} >= {"YIELD", "Rejects by class", "Latency, ms"}
        assert all(row["words"] for row in rows)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "a.docx", "expected a name that ends in"), (tmp_path / "no" / "a.csv", "No such")):
        with pytest.raises(UserError, match=said):
            write_sheet(Sheet("", "", (), ()), path)


def test_ticks_are_round_and_told_apart() -> None:
    assert ticks(0.0, 1.0) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert tick_words(ticks(0.118, 0.142), percent=True) == ["12.0 %", "12.5 %", "13.0 %", "13.5 %", "14.0 %"]
    assert ticks(3.0, 3.0) == [3.0]


def test_a_click_beside_every_point_opens_none() -> None:
    frame = Frame(0, 0, 100, 100, (0, 1), (0, 1))
    points = (Point(0.1, 0.1, "a"), Point(0.9, 0.9, "b"))
    assert nearest(Chart("", points=points), frame, 88, 12) == 1
    assert nearest(Chart("", points=points), frame, 50, 50) is None
    assert nearest(Chart("", form=Form.BARS, points=points), frame, 20, 99) == 0
    assert nearest(Chart(""), frame, 20, 99) is None


def test_the_moving_average_is_that_of_its_definition() -> None:
    values = np.random.default_rng(2).normal(5, 1, 30)
    found = moving_average(list(values))
    weights = 0.2 * 0.8 ** np.arange(30)
    expected = [weights[: n + 1][::-1] @ values[: n + 1] + 0.8 ** (n + 1) * values.mean() for n in range(30)]
    assert [level.value for level in found.levels] == pytest.approx(expected)
    sigma = np.abs(np.diff(values)).mean() / 1.128
    assert found.levels[-1].high - found.centre == pytest.approx(3 * sigma * np.sqrt(0.2 / 1.8), rel=1e-4)
    for values_ in ([1.0], [1.0, float("nan")]):
        with pytest.raises(UndefinedFigure):
            moving_average(values_)


def test_edges_are_even_and_hold_both_ends() -> None:
    now = utc_now()
    for back in (timedelta(0), timedelta(seconds=7), timedelta(hours=3), timedelta(days=400)):
        edges = even_edges(now - back, now, 40)
        assert edges[0] <= now - back
        assert edges[-1] > now
        assert 2 <= len(edges) <= 42
        assert len({after - before for before, after in pairwise(edges)}) == 1


def test_shares_are_written_with_the_places_that_they_need() -> None:
    spoken = [percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0.0, 0.0004, 0.0012, 0.072, 1.0)]
    assert spoken == ["0.0 %", "0.040 %", "0.12 %", "7.2 %", "100.0 %"]


class Later:
    """An `Ask` that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, Any, Any]] = []

    def __call__(self, topic: str, question: Any, then: Any, failed: Any) -> None:
        self.asked.append((topic, question, then, failed))


def test_questions_while_one_is_open_are_asked_once_afterwards() -> None:
    ask, answer = Later(), cast(Numbers, object())
    controller = FiguresController(cast(FiguresDesk, None), ask, lambda: None)
    controller.refresh()
    controller.ask(Question(label="dent"))
    controller.ask(Question(label="scratch"))
    assert len(ask.asked) == 1
    ask.asked[0][2](answer)
    assert len(ask.asked) == 2
    ask.asked[1][2](answer)
    assert (len(ask.asked), controller.busy, controller.question.label) == (2, False, "scratch")


def test_a_database_that_is_gone_leaves_the_last_numbers_and_is_asked_again() -> None:
    ask, answer = Later(), cast(Numbers, object())
    controller = FiguresController(cast(FiguresDesk, None), ask, lambda: None)
    controller.refresh()
    ask.asked[0][2](answer)
    controller.refresh()
    ask.asked[1][3](DatabaseError("gone"))
    assert (controller.numbers, controller.error) == (answer, "gone")
    controller.refresh()
    assert (len(ask.asked), controller.error) == (3, "")


def test_parts_that_come_after_the_charts_came_back_are_not_shown() -> None:
    ask = Later()
    controller = FiguresController(cast(FiguresDesk, None), ask, lambda: None)
    controller.open(Point(0, 0, "no parts"))
    assert (controller.opened, ask.asked) == (None, [])
    controller.open(Point(0, 0, "some", parts=Wanted()))
    controller.close()
    ask.asked[0][2](Listing((), 0))
    assert controller.listing is None
