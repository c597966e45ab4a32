"""The accounts screen: persons, and the audit log, each for who may see it."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QVBoxLayout

from db.sessions import Session
from gui.accounts.controller import AccountsController
from gui.accounts.desk import AccountsDesk
from gui.accounts.log import LogPage
from gui.accounts.persons import PersonsPage
from gui.accounts.texts import message_text
from gui.pieces import button, notice, text, toggle
from gui.screen import Screen
from gui.words import tr
from gui.worker import FIGURES, Worker


class AccountsScreen(Screen):
    """Shows an `AccountsController`. `refused` tells that a session is over."""

    refused = Signal(object)

    def __init__(self, desk: AccountsDesk, worker: Worker) -> None:
        super().__init__()
        self.setObjectName("page")
        self.controller = AccountsController(desk, worker.lane(FIGURES), self._show, self.refused.emit)
        self.notice = notice()
        self.persons, self.log = PersonsPage(self.controller), LogPage(self.controller)
        self.pages, self.ways = QStackedWidget(), QButtonGroup(self)
        self.again = button(tr("Refresh"), self.controller.refresh, key="F5")
        self._lay_out()
        shortcut = QShortcut(QKeySequence("F5"), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.controller.refresh)

    # ---- what the window calls

    def begin(self, session: Session) -> None:
        self.controller.begin(session)
        self.turn_to(0 if self.controller.may_manage or not self.controller.may_audit else 1)

    def end(self) -> None:
        self.persons.forget_passwords()
        self.controller.end()

    def enter(self) -> None:
        self.ways.button(self.pages.currentIndex()).setFocus()
        self.controller.refresh()

    def leave(self) -> None:
        self.persons.forget_passwords()

    def turn_to(self, page: int) -> None:
        self.pages.setCurrentIndex(page)
        self.ways.button(page).setChecked(True)

    # ----

    def _show(self) -> None:
        words = message_text(self.controller)
        self.notice.setText(words)
        self.notice.setVisible(bool(words))
        self.ways.button(0).setEnabled(self.controller.may_manage)
        self.ways.button(1).setEnabled(self.controller.may_audit)
        self.persons.show_controller()
        self.log.show_controller()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(text(tr("Accounts"), "title"))
        head.addSpacing(12)
        for number, words in enumerate((tr("Persons"), tr("Audit log"))):
            way = toggle(words, partial(self.turn_to, number))
            self.ways.addButton(way, number)
            head.addWidget(way)
        head.addStretch()
        head.addWidget(self.again)
        for page in (self.persons, self.log):
            self.pages.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(head)
        column.addWidget(self.notice)
        column.addWidget(self.pages, 1)
