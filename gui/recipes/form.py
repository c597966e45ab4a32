"""The form: a page for each section of the schema, a row for each field."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gui.pieces import choice, text
from gui.recipes.controller import LOCKED, RecipesController
from gui.recipes.fields import Entry, Kind, entries, sections
from gui.recipes.texts import default_text, fault_text, section_hint, section_word
from gui.words import described, tr

Typed = Callable[[str, str], None]
_ROWS_PX = 130


class Row(QWidget):
    """One field: its name and unit, what is written, what it is for, and what is wrong with it."""

    def __init__(self, entry: Entry, typed: Typed) -> None:
        super().__init__()
        self.entry, self._typed, self._showing = entry, typed, False
        self._name = text("", "heading")
        self.editor = self._made()
        self.editor.setAccessibleName(f"{entry.path} {entry.unit}".strip())
        self.editor.setAccessibleDescription(described(entry.help))
        self.fault = text("", "fault", wraps=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 8, 6)
        column.setSpacing(3)
        for widget in (self._name, self.editor, text(described(entry.help), "quiet", wraps=True), self.fault):
            column.addWidget(widget)

    def show_controller(self, controller: RecipesController) -> None:
        entry = self.entry
        edited = entry.path in controller.draft.edits
        unit = f"  [{entry.unit}]" if entry.unit else ""
        self._name.setText(f"{entry.name}{unit}{'  ·  ' + tr('changed') if edited else ''}")
        self._showing = True
        self._write(controller.text(entry.path))
        self._showing = False
        may = controller.may_save and controller.opened is not None and not entry.path.startswith(LOCKED)
        self.editor.setEnabled(may)
        words = fault_text(controller.written.of(entry.path))
        self.fault.setText(words)
        self.fault.setVisible(bool(words))

    def _made(self) -> QComboBox | QPlainTextEdit | QLineEdit:
        entry = self.entry
        if entry.kind is Kind.CHOICE:
            box = choice(entry.path)
            for word, value in ((default_text(entry), ""), *((name, name) for name in entry.choices)):
                box.addItem(word, value)
            box.activated.connect(lambda: self._tell(str(box.currentData())))
            return box
        if entry.kind in (Kind.TABLE, Kind.ROWS):
            page = QPlainTextEdit()
            page.setTabChangesFocus(True)
            page.setFixedHeight(_ROWS_PX)
            page.textChanged.connect(lambda: self._tell(page.toPlainText()))
            return page
        line = QLineEdit()
        line.setPlaceholderText(default_text(entry))
        line.textEdited.connect(self._tell)
        return line

    def _tell(self, words: str) -> None:
        if not self._showing:
            self._typed(self.entry.path, words)

    def _write(self, words: str) -> None:
        """What is being typed stays as it is typed, also spaces at its end and what happens to be the default."""
        if isinstance(self.editor, QComboBox):
            self.editor.setCurrentIndex(max(0, self.editor.findData(words)))
        elif isinstance(self.editor, QPlainTextEdit):
            if self.editor.toPlainText().strip() != words:
                self.editor.setPlainText(words)
        elif self.editor.text().strip() not in (words, words or self.entry.default):
            self.editor.setText(words)


class Form(QWidget):
    """A list of sections, and the fields of the one that is chosen."""

    def __init__(self, typed: Typed) -> None:
        super().__init__()
        self.rows = {entry.path: Row(entry, typed) for entry in entries()}
        self.section = choice(tr("Section"))
        self._hints = {section: text("", "quiet", wraps=True) for section in sections()}
        self._pages = QStackedWidget()
        self._pages.setObjectName("inner")
        for section in sections():
            self.section.addItem(section_word(section), section)
            self._pages.addWidget(self._page(section))
        self.section.currentIndexChanged.connect(self._pages.setCurrentIndex)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.section)
        column.addWidget(self._pages, 1)

    def show_section(self, section: str) -> None:
        self.section.setCurrentIndex(self.section.findData(section))

    def show_controller(self, controller: RecipesController) -> None:
        for row in self.rows.values():
            row.show_controller(controller)
        cameras = () if controller.opened is None else controller.opened.cameras
        for number, section in enumerate(sections()):
            hint = section_hint(section, cameras)
            self._hints[section].setText(hint)
            self._hints[section].setVisible(bool(hint))
            self.section.setItemText(number, self._section_text(section, controller))

    def _section_text(self, section: str, controller: RecipesController) -> str:
        paths = [path for path, row in self.rows.items() if row.entry.section == section]
        wrong = sum(controller.written.of(path) is not None for path in paths)
        changed = sum(path in controller.draft.edits for path in paths)
        told = [tr("{n} wrong", n=wrong)] if wrong else []
        told += [tr("{n} changed", n=changed)] if changed else []
        return "  ·  ".join([section_word(section), *told])

    def _page(self, section: str) -> QScrollArea:
        scrolled = QScrollArea()
        scrolled.setWidgetResizable(True)
        scrolled.setFrameShape(QFrame.Shape.NoFrame)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        held = QWidget()
        column = QVBoxLayout(held)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._hints[section])
        rows = [row for row in self.rows.values() if row.entry.section == section]
        if section == "roi":
            for pair in (rows[:2], rows[2:]):
                beside = QHBoxLayout()
                for row in pair:
                    beside.addWidget(row, 1)
                column.addLayout(beside)
        else:
            for row in rows:
                column.addWidget(row)
        column.addStretch()
        scrolled.setWidget(held)
        return scrolled
