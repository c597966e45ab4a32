"""The models screen: bundles, a comparison of two, trainings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QVBoxLayout

from db.sessions import Session
from gui.models.bundles import BundlesController
from gui.models.bundles_page import BundlesPage
from gui.models.desk import DatabaseModels
from gui.models.pairs import PairsController
from gui.models.pairs_page import PairsPage
from gui.models.trainings import TrainingsController
from gui.models.trainings_page import TrainingsPage
from gui.palette import Theme
from gui.picture import Pyramid
from gui.pieces import button, text, toggle
from gui.screen import Screen
from gui.words import tr
from gui.worker import FIGURES, LIVE, PICTURES, Worker
from inspector.errors import InspectorError

PERIOD_MS = 2000
BUNDLES, PAIRS, TRAININGS = range(3)


class ModelsScreen(Screen):
    """Shows three controllers, a page each. `refused` tells that a session is over."""

    refused = Signal(object)

    def __init__(self, desk: DatabaseModels, worker: Worker, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self._desk, self._pictures = desk, worker.lane(PICTURES)
        ask = worker.lane(LIVE)
        self.bundles = BundlesController(desk, ask, self._show_bundles, self.refused.emit)
        self.pairs = PairsController(desk, worker.lane(FIGURES), self._show_pairs)
        self.trainings = TrainingsController(desk, ask, self._show_trainings, self.refused.emit)
        self.bundles_page = BundlesPage(self.bundles)
        self.pairs_page = PairsPage(self.pairs, theme, self._read)
        self.trainings_page = TrainingsPage(self.trainings)
        self.again = button(tr("Refresh"), self.refresh, key="F5")
        self._timer = QTimer(self)
        self._timer.setInterval(PERIOD_MS)
        self._timer.timeout.connect(self._poll)
        self._lay_out()
        self.pairs_page.asked.connect(self.pairs.compare)
        shortcut = QShortcut(QKeySequence("F5"), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.refresh)
        self._show_bundles()
        self._show_pairs()
        self._show_trainings()

    # ---- what the window calls

    def begin(self, session: Session) -> None:
        self.bundles.begin(session)
        self.trainings.begin(session)

    def end(self) -> None:
        self.bundles_page.forget()
        self.bundles.end()
        self.trainings.end()

    def enter(self) -> None:
        self.bundles_page.list.setFocus()
        self._timer.start()
        self.refresh()

    def leave(self) -> None:
        self._timer.stop()
        self.bundles_page.password.clear()
        if self.pairs.is_open:
            self.pairs.close()

    def set_theme(self, theme: Theme) -> None:
        self.pairs_page.set_theme(theme)

    # ---- asking and showing

    def refresh(self) -> None:
        self.bundles.refresh()
        self.trainings.refresh()
        if self._pages.currentIndex() == PAIRS:
            self.pairs.refresh()

    def turn_to(self, page: int) -> None:
        """Show one of the three pages."""
        self._ways.button(page).setChecked(True)
        self._pages.setCurrentIndex(page)
        self._poll()

    def _poll(self) -> None:
        """What changes by itself: states and orders, or how far trainings are."""
        if self._pages.currentIndex() == TRAININGS:
            self.trainings.poll()
        else:
            self.bundles.poll()

    def _show_bundles(self) -> None:
        self.bundles_page.show_bundles()
        if self.bundles.shelf is not None:
            self.pairs_page.show_choices(self.bundles.shelf)
            self.trainings_page.show_choices(self.bundles.shelf)

    def _show_pairs(self) -> None:
        self.pairs_page.show_pairs()

    def _show_trainings(self) -> None:
        self.trainings_page.show_trainings()

    def _read(self, sha256: str, then: Callable[[Pyramid], None], failed: Callable[[InspectorError], None]) -> None:
        self._pictures("paired picture", lambda: self._desk.picture(sha256), then, failed)

    # ---- making

    def _lay_out(self) -> None:
        self._ways, self._pages = QButtonGroup(self), QStackedWidget()
        head = QHBoxLayout()
        head.addWidget(text(tr("Models"), "title"))
        head.addSpacing(12)
        pages = (
            (tr("Bundles"), self.bundles_page),
            (tr("Comparison"), self.pairs_page),
            (tr("Trainings"), self.trainings_page),
        )
        for number, (words, page) in enumerate(pages):
            way = toggle(words, partial(self.turn_to, number))
            self._ways.addButton(way, number)
            self._pages.addWidget(page)
            head.addWidget(way)
        self._ways.button(BUNDLES).setChecked(True)
        head.addStretch()
        head.addWidget(self.again)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(head)
        column.addWidget(self._pages, 1)
