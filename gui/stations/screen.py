"""The stations screen: how each station does, what it reported and who has seen it, what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QListView, QListWidget, QScrollArea, QVBoxLayout, QWidget

from db.orders import OrderKind
from db.sessions import Session
from gui.lists import fill_choice, fill_list
from gui.live.stream import StationStream
from gui.naming import short
from gui.order_texts import order_line, order_word
from gui.palette import Theme
from gui.pieces import button, choice, field, notice, plate, text
from gui.screen import Screen
from gui.stations.badge import StateBadge
from gui.stations.board import Board
from gui.stations.controller import ORDERED_HERE, StationsController
from gui.stations.desk import StationsDesk
from gui.stations.texts import (
    about_text,
    challenges_text,
    device_line,
    event_line,
    health_state,
    health_word,
    message_text,
    orders_hint,
    self_test_text,
    wanted_actual_text,
)
from gui.words import tr
from gui.worker import LIVE, Worker

PERIOD_MS = 1000


class StationsScreen(Screen):
    """Shows a `StationsController`. Streams run while it is in front. `refused` tells that a session is over."""

    refused = Signal(object)
    _heard = Signal(object)

    def __init__(
        self, desk: StationsDesk, worker: Worker, theme: Theme, stations: tuple[tuple[str, str | None], ...]
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self._addresses = stations
        self._streams: list[StationStream] = []
        self.controller = StationsController(desk, worker.lane(LIVE), self._show, self.refused.emit)
        self.notice, self.badge = notice(), StateBadge(theme)
        self.about, self.hint = text("", "quiet", wraps=True), text("", "quiet", wraps=True)
        self.station = choice(tr("Station"))
        self.devices, self.events, self.orders = QListWidget(), QListWidget(), QListWidget()
        names = (tr("Devices"), tr("Events"), tr("Orders"))
        for made, name in zip((self.devices, self.events, self.orders), names, strict=True):
            made.setAccessibleName(name)
            made.setWordWrap(True)
            made.setResizeMode(QListView.ResizeMode.Adjust)
            made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.challenges, self.self_test = text("", "", wraps=True), text("", "", wraps=True)
        self.wanted_actual = text("", "", wraps=True)
        self.note = field(tr("Note on the event"))
        self.seen = button(tr("Acknowledge"), self.controller.acknowledge, look="primary")
        self.kind, self.wanted = choice(tr("Order")), choice(tr("Which one"))
        for kind in ORDERED_HERE:
            self.kind.addItem(order_word(kind), kind)
        self.kind.setCurrentIndex(ORDERED_HERE.index(self.controller.kind))
        self.reason = field(tr("Reason (needed)"))
        self.give = button(tr("Give the order"), self.controller.order, look="primary")
        self.again = button(tr("Refresh"), self.controller.poll, key="F5")
        self._timer = QTimer(self)
        self._timer.setInterval(PERIOD_MS)
        self._timer.timeout.connect(self.controller.poll)
        self._lay_out()
        self._connect()
        self._show()

    # ---- what the window calls

    def begin(self, session: Session) -> None:
        self.controller.begin(session)

    def end(self) -> None:
        self.controller.end()

    def enter(self) -> None:
        self.leave()
        self._streams = [StationStream(address, self._heard.emit, token) for address, token in self._addresses]
        for stream in self._streams:
            stream.start()
        self._timer.start()
        self.events.setFocus()
        self.controller.poll()

    def leave(self) -> None:
        self._timer.stop()
        for stream in self._streams:
            stream.stop()
        self._streams = []

    def set_theme(self, theme: Theme) -> None:
        self.badge.set_theme(theme)

    # ---- showing

    def _show(self) -> None:
        controller, board = self.controller, self.controller.board
        words = message_text(controller)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        fill_choice(self.station, [(name, name) for name in controller.stations], controller.chosen)
        if board is None:
            empty = tr("No station has run on this database yet.") if controller.is_read else ""
            self.about.setText(empty)
        else:
            self._show_board(board)
        for made, typed in ((self.note, controller.note), (self.reason, controller.reason)):
            if made.text() != typed:
                made.setText(typed)
        self.note.setEnabled(controller.may_acknowledge or controller.busy)
        self.seen.setEnabled(controller.may_acknowledge)
        self.give.setEnabled(controller.may_order)
        self.hint.setText(orders_hint(board))
        self.hint.setVisible(bool(self.hint.text()))

    def _show_board(self, board: Board) -> None:
        controller, heard = self.controller, self.controller.stream
        self.badge.show_state(health_state(heard), health_word(board, heard))
        self.about.setText(about_text(board, heard))
        devices = heard.devices if heard is not None and heard.connected else ()
        fill_list(self.devices, [(each.name, device_line(each)) for each in devices], None)
        self.devices.setVisible(bool(devices))
        lines = [(each.event.event_id, event_line(each)) for each in board.reported]
        fill_list(self.events, lines, controller.event_id)
        fill_list(self.orders, [(given.number, order_line(given)) for given in board.orders], None)
        self.challenges.setText(challenges_text(board, heard))
        self.self_test.setText(self_test_text(board))
        self.wanted_actual.setText(wanted_actual_text(board))
        self._show_wanted(board)

    def _show_wanted(self, board: Board) -> None:
        """What an order names: a recipe, or a bundle for the shadow."""
        kind = self.controller.kind
        lines: list[tuple[str, str]] = []
        if kind is OrderKind.RECIPE:
            lines = [(name, name) for name in board.recipes]
        elif kind is OrderKind.SHADOW:
            lines = [("", tr("no bundle: end the shadow")), *((one, short(one)) for one in board.approved)]
        fill_choice(self.wanted, lines, self.controller.wanted)
        self.wanted.setVisible(bool(lines))

    def _chosen_event(self, row: int) -> None:
        item = self.events.item(row)
        if item is not None:
            self.controller.look(item.data(Qt.ItemDataRole.UserRole))

    def _chosen_kind(self) -> None:
        kind, board = OrderKind(self.kind.currentData()), self.controller.board
        first = board.recipes[0] if kind is OrderKind.RECIPE and board is not None and board.recipes else ""
        self.controller.want(kind, first)

    # ---- making

    def _connect(self) -> None:
        controller = self.controller
        self._heard.connect(controller.hear, Qt.ConnectionType.QueuedConnection)
        self.station.activated.connect(lambda _: controller.choose(self.station.currentData()))
        self.events.currentRowChanged.connect(self._chosen_event)
        self.note.textEdited.connect(controller.write)
        self.note.returnPressed.connect(controller.acknowledge)
        self.kind.activated.connect(lambda _: self._chosen_kind())
        self.wanted.activated.connect(lambda _: controller.want(controller.kind, self.wanted.currentData()))
        self.reason.textEdited.connect(controller.say)
        self.reason.returnPressed.connect(controller.order)
        keys: dict[str, Callable[[], object]] = {"F5": controller.poll, "Ctrl+Return": controller.acknowledge}
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(text(tr("Stations"), "title"))
        head.addSpacing(12)
        head.addWidget(self.station)
        head.addStretch()
        head.addWidget(self.again)
        body = QHBoxLayout()
        body.setSpacing(12)
        body.addWidget(self._health(), 4)
        body.addLayout(self._events(), 5)
        body.addWidget(self._orders(), 4)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(head)
        column.addWidget(self.notice)
        column.addLayout(body, 1)

    def _health(self) -> QWidget:
        card = plate("card")
        column = QVBoxLayout(card)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(6)
        column.addWidget(text(tr("HEALTH"), "heading"))
        column.addWidget(self.badge)
        column.addWidget(self.about)
        column.addWidget(self.devices, 1)
        inside = QWidget()
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(0, 0, 6, 0)
        rows.setSpacing(4)
        for heading, label in ((tr("PARTS OF KNOWN TRUTH"), self.challenges), (tr("SELF-TEST"), self.self_test)):
            rows.addWidget(text(heading, "heading"))
            rows.addWidget(label)
            rows.addSpacing(6)
        rows.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setAccessibleName(tr("Parts of known truth and self-test"))
        scroll.setWidget(inside)
        column.addWidget(scroll, 1)
        return card

    def _events(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(text(tr("EVENTS"), "heading"))
        column.addWidget(self.events, 1)
        row = QHBoxLayout()
        row.addWidget(self.note, 1)
        row.addWidget(self.seen)
        column.addLayout(row)
        return column

    def _orders(self) -> QWidget:
        card = plate("card")
        column = QVBoxLayout(card)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(text(tr("WANTED AND NOT YET SO"), "heading"))
        column.addWidget(self.wanted_actual)
        column.addWidget(text(tr("ORDERS"), "heading"))
        column.addWidget(self.orders, 1)
        for widget in (self.hint, self.kind, self.wanted, self.reason, self.give):
            column.addWidget(widget)
        return card
