"""The page before all others: sign in, unlock, or make the first account."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from db.accounts import Role
from gui.identity import Identity, Presence
from gui.pieces import button, choice, field, notice, plate, text
from gui.words import LANGUAGES, tr

ACCOUNT_COMMAND = "inspector db account add NAME --role operator --by YOU --reason WORDS --database URL"


class SignInPage(QWidget):
    """A card in the middle of the window. It shows what `Identity` is, and tells it what was entered."""

    language_chosen = Signal(str)

    def __init__(self, identity: Identity, embedded: bool, language: str) -> None:
        super().__init__()
        self.setObjectName("page")
        self._identity, self._embedded = identity, embedded
        self.title = text("", "title")
        self.explanation = text("", "quiet", wraps=True)
        self.name = field(tr("Name"))
        self.password = field(tr("Password"))
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.role = choice(tr("Role"))
        self.enter = button("", self._entered, look="primary")
        self.leave = button(tr("Sign out"), identity.sign_out)
        self.message = notice()
        self.language = choice(tr("Language"))
        self._fill(language)
        self._lay_out()
        self._connect()
        self.show_identity()

    def show_identity(self) -> None:
        identity = self._identity
        locked, first = identity.presence is Presence.LOCKED, identity.first_account
        self.title.setText(tr("Locked") if locked else tr("First account") if first else tr("Sign in"))
        self.explanation.setText(self._explanation(locked, first))
        self.explanation.setVisible(bool(self.explanation.text()))
        self.name.setReadOnly(locked)
        if locked and identity.session is not None:
            self.name.setText(identity.session.account.name)
        possible = not first or self._embedded
        for widget in (self.name, self.password, self.enter):
            widget.setVisible(possible)
            widget.setEnabled(not identity.busy)
        self.role.setVisible(first and possible)
        self.leave.setVisible(locked)
        self.language.setVisible(not locked)
        self.enter.setAccessibleName(self.title.text())
        self.enter.setText(tr("Unlock") if locked else tr("Make account and sign in") if first else tr("Sign in"))
        words = identity.message
        if identity.other_refused:
            words = tr("Only who locked the window opens it. Sign out here to let another in.")
        self.message.setText(words)
        self.message.setVisible(bool(words))

    def prepare(self) -> None:
        """The page comes to the front: nothing of the last password is left, and typing can begin."""
        self.password.clear()
        (self.password if self.name.text() else self.name).setFocus()

    def _explanation(self, locked: bool, first: bool) -> str:
        if locked:
            return tr("Your work is kept as you left it. Enter your password to go on.")
        if first and self._embedded:
            return tr(
                "Nobody has an account in this database yet. Choose a name and a password of at least 10 characters."
            )
        if first:
            return tr("Nobody has an account in this database yet. An administrator makes one with:") + (
                f"\n{ACCOUNT_COMMAND}"
            )
        return ""

    def _fill(self, language: str) -> None:
        names = {
            Role.QUALITY: tr("Quality engineer: labels, approves, audits"),
            Role.ENGINEER: tr("Process engineer: labels, recipes, models"),
            Role.OPERATOR: tr("Operator: labels"),
            Role.ADMIN: tr("Administrator: accounts, no labels"),
        }
        for role, words in names.items():
            self.role.addItem(words, role)
        for code, name in LANGUAGES.items():
            self.language.addItem(name, code)
        self.language.setCurrentIndex(list(LANGUAGES).index(language))

    def _lay_out(self) -> None:
        card = plate("card")
        card.setFixedWidth(400)
        inner = QVBoxLayout(card)
        inner.setContentsMargins(32, 28, 32, 28)
        inner.setSpacing(12)
        product = text("OPEN INSPECTOR", "heading")
        fields: tuple[QWidget, ...] = (product, self.title, self.explanation, self.name, self.password, self.role)
        for widget in (*fields, self.message, self.enter, self.leave, self.language):
            inner.addWidget(widget)
        middle = QHBoxLayout()
        middle.addStretch()
        middle.addWidget(card)
        middle.addStretch()
        outer = QVBoxLayout(self)
        outer.addStretch()
        outer.addLayout(middle)
        outer.addStretch()

    def _connect(self) -> None:
        self.enter.setAutoDefault(True)
        self.name.returnPressed.connect(lambda: self.password.setFocus(Qt.FocusReason.TabFocusReason))
        self.password.returnPressed.connect(self._entered)
        self.language.activated.connect(lambda: self.language_chosen.emit(self.language.currentData()))

    def _entered(self) -> None:
        if self._identity.busy or not self.name.text().strip():
            return
        name, password = self.name.text().strip(), self.password.text()
        self.password.clear()
        if self._identity.first_account:
            self._identity.make_first(name, password, Role(self.role.currentData()))
        else:
            self._identity.sign_in(name, password)
