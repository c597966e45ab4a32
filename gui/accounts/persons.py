"""The page of persons: every account, what can be done to one, and a further one."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from db.accounts import SHORTEST_PASSWORD, Role
from gui.accounts.controller import AccountsController
from gui.accounts.desk import AccountChange, Act
from gui.accounts.table import Table
from gui.accounts.texts import moment, role_words, sessions_text, state_word
from gui.pieces import button, choice, field, plate, text
from gui.words import tr


class PersonsPage(QWidget):
    """Shows a controller's accounts, and tells it what was pressed."""

    def __init__(self, controller: AccountsController) -> None:
        super().__init__()
        self._controller, self._shown = controller, ""
        self._forgotten: AccountChange | None = None
        headings = (tr("Name"), tr("Full name"), tr("Role"), tr("State"), tr("Password since"), tr("Sessions"))
        self.table = Table(tr("Accounts"), headings, 1)
        self.who, self.sessions = text("", "big"), text("", "quiet", wraps=True)
        self.role, self.password = _roles(), _secret(tr("New password"))
        self.reason = field(tr("Reason for the change"))
        self.give = button(tr("Give role"), lambda: self._act(Act.ROLE))
        self.reset = button(tr("Set password"), lambda: self._act(Act.PASSWORD))
        self.disable = button(tr("Disable"), lambda: self._act(Act.DISABLE))
        self.enable = button(tr("Enable"), lambda: self._act(Act.ENABLE))
        self.end_sessions = button(tr("End sessions"), lambda: self._act(Act.END_SESSIONS))
        self.name, self.full_name = field(tr("Name to sign in with")), field(tr("Full name"))
        self.new_role, self.new_password = (
            _roles(),
            _secret(tr("Password, {n} characters or more", n=SHORTEST_PASSWORD)),
        )
        self.make = button(tr("Make account"), self._make, look="primary")
        self._lay_out()
        self.table.itemSelectionChanged.connect(self._chosen)

    def show_controller(self) -> None:
        controller, people = self._controller, self._controller.people
        known = () if people is None else people.accounts
        words = role_words()
        rows = [
            (
                account.name,
                account.full_name,
                words[account.role],
                state_word(account),
                moment(account.password_at),
                str(len(people.of(account.name))) if people is not None else "",
            )
            for account in known
        ]
        self.table.show_rows(rows)
        self._show_chosen([account.name for account in known])
        self._show_enabled()
        if controller.done is not self._forgotten:
            self._forget(controller.done)

    def forget_passwords(self) -> None:
        self.password.clear()
        self.new_password.clear()

    def _show_chosen(self, names: list[str]) -> None:
        account = self._controller.account
        self.sessions.setText(sessions_text(self._controller))
        if account is None:
            self.who.setText("")
            return
        self.who.setText(account.full_name or account.name)
        if self._shown != account.name:
            self._shown = account.name
            self.role.setCurrentIndex(self.role.findData(account.role))
            self.password.clear()
        self.table.blockSignals(True)
        self.table.selectRow(names.index(account.name))
        self.table.blockSignals(False)

    def _show_enabled(self) -> None:
        controller, account = self._controller, self._controller.account
        free = controller.may_manage and not controller.busy
        for widget in (self.name, self.full_name, self.new_role, self.new_password, self.make, self.reason):
            widget.setEnabled(free)
        one = free and account is not None
        for widget in (self.role, self.password, self.give, self.reset, self.end_sessions):
            widget.setEnabled(one)
        open_ = account is not None and account.disabled_at is None
        self.disable.setVisible(open_)
        self.enable.setVisible(not open_ or (account is not None and account.locked_until is not None))
        self.disable.setEnabled(one)
        self.enable.setEnabled(one)

    def _forget(self, done: AccountChange | None) -> None:
        """What was carried out needs not be typed again; the rest stays."""
        self._forgotten = done
        if done is None:
            return
        if self.reason.text().strip() == done.reason.strip():
            self.reason.clear()
            self.forget_passwords()
        if done.act is Act.MAKE and self.name.text().strip() == done.name:
            self.name.clear()
            self.full_name.clear()

    def _chosen(self) -> None:
        people, row = self._controller.people, self.table.currentRow()
        if people is not None and 0 <= row < len(people.accounts):
            self._controller.choose(people.accounts[row].name)

    def _act(self, act: Act) -> None:
        role, name = Role(self.role.currentData()), self._controller.chosen
        self._controller.change(AccountChange(act, name, self.reason.text(), role, self.password.text()))

    def _make(self) -> None:
        role, password = Role(self.new_role.currentData()), self.new_password.text()
        self._controller.change(
            AccountChange(Act.MAKE, self.name.text(), self.reason.text(), role, password, self.full_name.text())
        )

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        row.addWidget(self.table, 1)
        panel = plate("card")
        panel.setFixedWidth(360)
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(8)
        column.addWidget(text(tr("REASON, FOR ANY CHANGE"), "heading"))
        column.addWidget(self.reason)
        column.addSpacing(8)
        for widget in (self.who, self.sessions):
            column.addWidget(widget)
        for pair in ((self.role, self.give), (self.password, self.reset)):
            column.addLayout(_beside(*pair))
        column.addLayout(_beside(self.disable, self.enable, self.end_sessions))
        column.addStretch()
        column.addWidget(text(tr("NEW ACCOUNT"), "heading"))
        for made in (self.name, self.full_name, self.new_role, self.new_password, self.make):
            column.addWidget(made)
        row.addWidget(panel)


def _roles() -> QComboBox:
    made = choice(tr("Role"))
    for role, word in role_words().items():
        made.addItem(word, role)
    return made


def _secret(words: str) -> QLineEdit:
    made = field(words)
    made.setEchoMode(QLineEdit.EchoMode.Password)
    return made


def _beside(first: QWidget, *others: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(first, 1)
    for other in others:
        row.addWidget(other)
    return row
