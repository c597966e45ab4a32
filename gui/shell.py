"""The window: who is at it, where one can go in it, how it looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from db.sessions import Session
from gui.accounts.desk import DatabaseAccounts
from gui.accounts.screen import AccountsScreen
from gui.database import Source
from gui.figures.desk import DatabaseFigures
from gui.figures.screen import FiguresScreen
from gui.identity import Gate, Identity, Presence
from gui.keys import keys_text
from gui.live.screen import DatabaseLive, LiveScreen
from gui.models.desk import DatabaseModels
from gui.models.screen import ModelsScreen
from gui.palette import DARK, THEMES, Theme
from gui.pieces import plate, text, toggle
from gui.recipes.desk import DatabaseRecipes
from gui.recipes.screen import RecipesScreen
from gui.review.desk import DatabaseDesk
from gui.review.screen import ReviewScreen
from gui.screen import Screen
from gui.sign_in import SignInPage
from gui.stations.desk import DatabaseStations
from gui.stations.screen import StationsScreen
from gui.style import stylesheet
from gui.whatif.desk import DatabaseWhatIf
from gui.whatif.screen import WhatIfScreen
from gui.words import tr
from gui.worker import LABELS, Worker

TICK_MS = 1000
_TOUCHES = (QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.Wheel)


@dataclass(frozen=True, slots=True)
class Place:
    """A screen and what the way to it is called."""

    name: str
    screen: Screen


class Shell(QMainWindow):
    """Sign-in page or screens, never both. `language_chosen` asks for another window in another language."""

    language_chosen = Signal(str)

    def __init__(
        self,
        source: Source,
        place: str,
        language: str = "en",
        theme: Theme = DARK,
        stations: tuple[tuple[str, str | None], ...] = (),
    ) -> None:
        super().__init__()
        self.theme = theme
        self.worker = Worker(self)
        self.identity = Identity(Gate(source, place), self.worker.lane(LABELS), self._identity_changed)
        self.sign_in = SignInPage(self.identity, source.embedded, language)
        self.review = ReviewScreen(DatabaseDesk(source), self.worker, theme)
        self.live = LiveScreen(DatabaseLive(source), self.worker, theme, stations)
        self.figures = FiguresScreen(DatabaseFigures(source), self.worker, theme)
        self.what_if = WhatIfScreen(DatabaseWhatIf(source, place), self.worker, theme)
        self.models = ModelsScreen(DatabaseModels(source, place), self.worker, theme)
        self.stations = StationsScreen(DatabaseStations(source), self.worker, theme, stations)
        self.recipes = RecipesScreen(DatabaseRecipes(source, stations), self.worker, theme)
        self.accounts = AccountsScreen(DatabaseAccounts(source), self.worker)
        self.places = [
            Place(tr("Review"), self.review),
            Place(tr("Live"), self.live),
            Place(tr("Figures"), self.figures),
            Place(tr("What if"), self.what_if),
            Place(tr("Models"), self.models),
            Place(tr("Stations"), self.stations),
            Place(tr("Recipes"), self.recipes),
            Place(tr("Accounts"), self.accounts),
        ]
        self._begun: Session | None = None
        self._here: Screen | None = None
        self._lay_out(source.name)
        self._make_menus()
        self._connect()
        self.set_theme(theme)
        self.setWindowTitle("Open Inspector")
        self.resize(1366, 768)
        self.identity.look()

    # ---- places

    def go(self, number: int) -> None:
        """Show the screen of that number, from 0."""
        screen = self.places[number].screen
        if self.identity.presence is not Presence.PRESENT or screen is self._here:
            return
        if self._here is not None:
            self._here.leave()
        self._here = screen
        self._ways.button(number).setChecked(True)
        self._screens.setCurrentWidget(screen)
        screen.enter()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.setStyleSheet(stylesheet(theme))
        for place in self.places:
            place.screen.set_theme(theme)

    # ---- persons

    def _identity_changed(self) -> None:
        identity = self.identity
        self.sign_in.show_identity()
        there = identity.presence is Presence.PRESENT
        for action in self._when_there:
            action.setEnabled(there)
        if there and identity.session is not self._begun and identity.session is not None:
            self._enter(identity.session)
        elif not there:
            self._leave()

    def _enter(self, session: Session) -> None:
        self._begun = session
        account = session.account
        self._who.setText(f"{account.full_name or account.name}  ·  {_role_word(account.role)}")
        for place in self.places:
            place.screen.begin(session)
        self._pages.setCurrentIndex(1)
        if self._here is None:
            self.go(0)
        else:
            self._here.enter()

    def _leave(self) -> None:
        if self._pages.currentIndex() == 1:
            if self._here is not None:
                self._here.leave()
            self._pages.setCurrentIndex(0)
            self.sign_in.prepare()
        self._begun = None
        if self.identity.presence is Presence.NOBODY:
            self._who.setText(tr("nobody signed in"))
            for place in self.places:
                place.screen.end()
            self._here = None

    # ---- making

    def _lay_out(self, database: str) -> None:
        self._pages, self._screens = QStackedWidget(), QStackedWidget()
        main = plate("page")
        row = QHBoxLayout(main)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._rail())
        row.addWidget(self._screens, 1)
        for place in self.places:
            self._screens.addWidget(place.screen)
        self._pages.addWidget(self.sign_in)
        self._pages.addWidget(main)
        self.setCentralWidget(self._pages)
        self._who = text(tr("nobody signed in"))
        short = text(f"{tr('Database')}  {database.rpartition('/')[2]}")
        short.setToolTip(database)
        self.statusBar().addWidget(short)
        self.statusBar().addPermanentWidget(self._who)
        self.statusBar().setSizeGripEnabled(False)

    def _rail(self) -> QWidget:
        rail = plate("rail")
        rail.setFixedWidth(150)
        column = QVBoxLayout(rail)
        column.setContentsMargins(10, 16, 10, 16)
        column.setSpacing(4)
        product = text("OPEN INSPECTOR", "heading")
        product.setContentsMargins(12, 0, 0, 10)
        column.addWidget(product)
        self._ways = QButtonGroup(self)
        for number, place in enumerate(self.places):
            way = toggle(place.name, partial(self.go, number), look="place")
            way.setToolTip(f"{place.name} (Ctrl+{number + 1})")
            self._ways.addButton(way, number)
            column.addWidget(way)
        column.addStretch()
        return rail

    def _make_menus(self) -> None:
        window, view, helping = (self.menuBar().addMenu(words) for words in (tr("&Window"), tr("&View"), tr("&Help")))
        self._when_there = [
            _action(window, tr("Lock"), "Ctrl+L", self.identity.lock),
            _action(window, tr("Sign out"), "Ctrl+Shift+Q", self._sign_out),
        ]
        _action(window, tr("Quit"), "Ctrl+Q", self.close)
        for number, place in enumerate(self.places):
            going = _action(view, place.name, f"Ctrl+{number + 1}", partial(self.go, number))
            self._when_there.append(going)
        view.addSeparator()
        self._make_themes(view)
        _action(view, tr("Full screen"), "F11", self._full_screen)
        _action(helping, tr("Keys"), "F1", self._show_keys)

    def _make_themes(self, menu: QMenu) -> None:
        group = QActionGroup(self)
        words = {"dark": tr("Dark"), "light": tr("Light")}
        for name, theme in THEMES.items():
            action = _action(menu, words[name], "", partial(self.set_theme, theme))
            action.setCheckable(True)
            action.setChecked(theme is self.theme)
            group.addAction(action)

    def _connect(self) -> None:
        for screen in (self.review, self.what_if, self.models, self.stations, self.recipes, self.accounts):
            screen.refused.connect(self.identity.failed)
        self.sign_in.language_chosen.connect(self.language_chosen)
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self.identity.tick)
        self._tick.start()

    def _sign_out(self) -> None:
        """What is typed or drawn comes back when the same person signs in here again."""
        self.identity.sign_out()

    def _full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _show_keys(self) -> None:
        box = QMessageBox(QMessageBox.Icon.NoIcon, tr("Keys"), keys_text(), QMessageBox.StandardButton.Close, self)
        box.setTextFormat(Qt.TextFormat.RichText)
        box.open()

    # ---- what Qt calls

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() in _TOUCHES:
            self.identity.active()
        return super().eventFilter(watched, event)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        super().showEvent(event)
        self.windowHandle().installEventFilter(self)
        self.sign_in.prepare()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        self._tick.stop()
        if self._here is not None:
            self._here.leave()
        for place in self.places:
            place.screen.end()
        self.worker.close()
        super().closeEvent(event)


def _action(menu: QMenu, words: str, keys: str, act: Callable[[], object]) -> QAction:
    action = menu.addAction(words)
    if keys:
        action.setShortcut(QKeySequence(keys))
    action.triggered.connect(lambda: act())
    return action


def _role_word(role: str) -> str:
    words = {
        "operator": tr("operator"),
        "engineer": tr("process engineer"),
        "quality": tr("quality engineer"),
        "admin": tr("administrator"),
    }
    return words[role]
