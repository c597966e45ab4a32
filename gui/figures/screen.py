"""The figures screen: choices, figures, charts; a point of a chart opens its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from db.records import utc_now
from gui.charts.model import Chart
from gui.charts.view import ChartView
from gui.figures.charts import all_charts
from gui.figures.controller import FiguresController
from gui.figures.desk import DatabaseFigures
from gui.figures.export import KINDS, Sheet
from gui.figures.filters import Filters
from gui.figures.numbers import Numbers
from gui.figures.parts import PartsPage, listed_line
from gui.figures.tiles import Tile, tiles, unbroken
from gui.palette import Theme
from gui.picture import Pyramid
from gui.pieces import button, notice, plate, text
from gui.screen import Screen
from gui.words import tr
from gui.worker import FIGURES, PICTURES, Worker
from inspector.errors import InspectorError

CHARTS, ACROSS = 6, 3
TILES = 5


class FiguresScreen(Screen):
    """Shows a `FiguresController`."""

    def __init__(self, desk: DatabaseFigures, worker: Worker, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self._desk, self._pictures = desk, worker.lane(PICTURES)
        self._shown: Numbers | None = None
        self.controller = FiguresController(desk, worker.lane(FIGURES), self._show)
        self.notice, self.about = notice(), text("", "quiet")
        self.filters = Filters(self._chosen)
        self.again = button(tr("Refresh"), self.controller.refresh, key="F5")
        self.export = button(tr("Export"), self._ask_where)
        self.tiles = [(text("", "heading"), text("-", "figure"), text("", "quiet", wraps=True)) for _ in range(TILES)]
        self.charts = [ChartView(theme) for _ in range(CHARTS)]
        self.parts = PartsPage(theme, self._read, tr("Back to the charts"), listed_line)
        self._pages = QStackedWidget()
        self._lay_out()
        self._connect()

    # ---- what the window calls

    def enter(self) -> None:
        self.charts[0].setFocus()
        self.controller.refresh()

    def leave(self) -> None:
        if self.controller.opened is not None:
            self.controller.close()

    def set_theme(self, theme: Theme) -> None:
        for chart in self.charts:
            chart.set_theme(theme)
        self.parts.set_theme(theme)

    # ---- showing

    def _show(self) -> None:
        controller = self.controller
        words = _said(controller)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        self.export.setEnabled(controller.numbers is not None)
        if controller.numbers is not None and controller.numbers is not self._shown:
            self._show_numbers(controller.numbers)
        if controller.opened is not None:
            self.parts.show_parts(controller.opened.words, controller.listing, controller.record)
        self._pages.setCurrentIndex(0 if controller.opened is None else 1)

    def _show_numbers(self, numbers: Numbers) -> None:
        self._shown = numbers
        self.filters.show_choices(numbers.choices)
        self.about.setText(_about(numbers))
        for labels, tile in zip(self.tiles, tiles(numbers), strict=True):
            for label, words in zip(labels, (tile.heading, tile.value, tile.words), strict=True):
                label.setText(unbroken(words))
        for view, chart in zip(self.charts, all_charts(numbers), strict=True):
            view.show_chart(chart)

    def _chosen(self, name: str, value: object) -> None:
        controller = self.controller
        if name in ("back", "label", "measure"):
            # type: each list offers values of its own field
            controller.ask(replace(controller.question, **{name: value}))  # type: ignore[arg-type]
        else:
            controller.narrow(**{name: value if isinstance(value, str) else None})

    def _read(self, sha256: str, then: Callable[[Pyramid], None], failed: Callable[[InspectorError], None]) -> None:
        self._pictures("listed picture", lambda: self._desk.picture(sha256), then, failed)

    # ---- export

    def sheet(self) -> Sheet:
        """What is on the screen, and what was chosen for it, as it is exported."""
        chosen = "  ·  ".join(made.currentText() for made in self.filters.lists.values())
        shown = tuple(Tile(*(label.text() for label in labels)) for labels in self.tiles)
        charts: tuple[Chart, ...] = tuple(view.chart for view in self.charts)
        made = tr("made {when}", when=f"{utc_now().astimezone():%Y-%m-%d %H:%M}")
        return Sheet(tr("Figures"), f"{self.about.text()}  ·  {chosen}  ·  {made}", shown, charts)

    def _ask_where(self) -> None:
        asking = QFileDialog(self, tr("Export"), "figures.png", ";;".join(f"*{kind}" for kind in KINDS))
        asking.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        asking.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        asking.fileSelected.connect(lambda path: self.controller.export(self.sheet(), _named(path, asking)))
        asking.open()

    # ---- making

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(text(tr("Figures"), "title"))
        head.addSpacing(12)
        head.addWidget(self.about, 1, Qt.AlignmentFlag.AlignBottom)
        head.addWidget(self.again)
        head.addWidget(self.export)
        sheet = QWidget()
        inside = QVBoxLayout(sheet)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(10)
        inside.addWidget(self.filters)
        inside.addWidget(self._tile_row())
        inside.addLayout(self._grid(), 1)
        self._pages.addWidget(sheet)
        self._pages.addWidget(self.parts)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(head)
        column.addWidget(self.notice)
        column.addWidget(self._pages, 1)

    def _tile_row(self) -> QWidget:
        card = plate("card")
        row = QHBoxLayout(card)
        row.setContentsMargins(14, 8, 14, 8)
        row.setSpacing(18)
        for labels in self.tiles:
            column = QVBoxLayout()
            column.setSpacing(2)
            for label in labels:
                column.addWidget(label)
            column.addStretch()
            row.addLayout(column, 1)
        return card

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(10)
        for number, view in enumerate(self.charts):
            grid.addWidget(view, *divmod(number, ACROSS))
        for row in range(CHARTS // ACROSS):
            grid.setRowStretch(row, 1)
        for column in range(ACROSS):
            grid.setColumnStretch(column, 1)
        return grid

    def _connect(self) -> None:
        for view in self.charts:
            view.opened.connect(self.controller.open)
        self.parts.closed.connect(self.controller.close)
        self.parts.looked.connect(self.controller.look)
        keys: dict[str, Callable[[], object]] = {
            "F5": self.controller.refresh,
            "Esc": self.controller.close,
            "F": self.parts.canvas.fit,
            "Z": self.parts.canvas.actual_size,
            "H": self.parts.tones.overlay.click,
            "M": self.parts.tones.heat.click,
        }
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(lambda act=act: act())


def _said(controller: FiguresController) -> str:
    if controller.error:
        return tr("{error}\nWhat you see is what was read before. Press F5 to try again.", error=controller.error)
    if controller.written is not None:
        return tr("Written: {path}", path=controller.written)
    return ""


def _about(numbers: Numbers) -> str:
    counted = tr("{n} parts", n=numbers.tally.parts)
    return f"{counted}  ·  {tr('rendered parts, since there are no others')}" if numbers.scope.simulated else counted


def _named(path: str, asking: QFileDialog) -> Path:
    """A name without an ending gets that of the chosen kind."""
    chosen = Path(path)
    return chosen if chosen.suffix else chosen.with_suffix(asking.selectedNameFilter().removeprefix("*"))
