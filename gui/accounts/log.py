"""The page of the audit log: a filter, its rows, one of them whole, and whether the log is the one that was written."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from gui.accounts.controller import AccountsController
from gui.accounts.desk import Asked
from gui.accounts.table import Table
from gui.accounts.texts import entry_text, examination_text, moment
from gui.figures.filters import times
from gui.pieces import button, choice, field, plate, text
from gui.words import tr


class LogPage(QWidget):
    """Shows a controller's rows, and tells it what was asked."""

    def __init__(self, controller: AccountsController) -> None:
        super().__init__()
        self._controller = controller
        self.person, self.words, self.back = field(tr("Person")), field(tr("Words in it")), choice(tr("Time"))
        for word, back in times():
            self.back.addItem(word, back)
        self.back.setCurrentIndex(self.back.count() - 1)
        self.search = button(tr("Find"), self._find)
        headings = (tr("Row"), tr("Time"), tr("Person"), tr("What"), tr("Of what"), tr("Reason"))
        self.table = Table(tr("Audit log"), headings, 5)
        self.older = button(tr("Older rows"), controller.older)
        self.count = text("", "quiet")
        self.whole = QPlainTextEdit()
        self.whole.setReadOnly(True)
        self.whole.setTabChangesFocus(True)
        self.whole.setAccessibleName(tr("The row"))
        self.key, self.heads = field(tr("File of the public key, optional")), field(tr("File of heads, optional"))
        self.verify = button(tr("Verify the log"), self._verify, look="primary")
        self.examined = text("", "", wraps=True)
        self._lay_out()
        for line in (self.person, self.words):
            line.returnPressed.connect(self._find)
        self.back.activated.connect(self._find)
        self.table.itemSelectionChanged.connect(self._show_row)

    def show_controller(self) -> None:
        controller = self._controller
        rows = [
            (str(one.sequence), moment(one.at), one.person, one.action, one.subject, one.reason)
            for one in controller.entries
        ]
        self.table.show_rows(rows)
        if rows and self.table.currentRow() < 0:
            self.table.selectRow(0)
        self._show_row()
        more = tr("there are older ones") if controller.more else tr("that is all")
        self.count.setText(tr("{n} rows, {more}", n=len(rows), more=more))
        self.older.setEnabled(controller.more)
        self.examined.setText(examination_text(controller))
        for widget in (self.person, self.words, self.back, self.search, self.key, self.heads):
            widget.setEnabled(controller.may_audit)
        self.verify.setEnabled(controller.may_audit and not controller.examining)
        if controller.session is None:
            for line in (self.person, self.words, self.key, self.heads):
                line.clear()

    def _show_row(self) -> None:
        row = self.table.currentRow()
        entries = self._controller.entries
        words = entry_text(entries[row]) if 0 <= row < len(entries) else ""
        if self.whole.toPlainText() != words:
            self.whole.setPlainText(words)

    def _find(self) -> None:
        self._controller.look_for(Asked(self.person.text(), self.words.text(), self.back.currentData()))

    def _verify(self) -> None:
        self._controller.examine(self.key.text(), self.heads.text())

    def _lay_out(self) -> None:
        above, below = QHBoxLayout(), QHBoxLayout()
        for narrowing in (self.person, self.words, self.back):
            above.addWidget(narrowing, 1)
        above.addWidget(self.search)
        below.addWidget(self.count, 1)
        below.addWidget(self.older)
        left = QVBoxLayout()
        left.setSpacing(10)
        left.addLayout(above)
        left.addWidget(self.table, 1)
        left.addLayout(below)
        panel = plate("card")
        panel.setFixedWidth(360)
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(8)
        column.addWidget(text(tr("THE ROW"), "heading"))
        column.addWidget(self.whole, 1)
        column.addWidget(text(tr("IS THE LOG THE ONE THAT WAS WRITTEN?"), "heading"))
        for widget in (self.key, self.heads, self.verify, self.examined):
            column.addWidget(widget)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        row.addLayout(left, 1)
        row.addWidget(panel)
