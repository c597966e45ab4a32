"""The small widgets that every screen is made of. `look` is the name that the stylesheet knows them by."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QPushButton, QWidget


def text(words: str = "", look: str = "", *, wraps: bool = False) -> QLabel:
    """Plain text, whatever it holds: names of parts and errors are not markup."""
    label = QLabel(words)
    label.setObjectName(look)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(wraps)
    return label


def notice() -> QLabel:
    """A message that is there only when something is to be said."""
    label = text("", "notice", wraps=True)
    label.setVisible(False)
    return label


def button(words: str, act: Callable[[], object] | None = None, *, key: str = "", look: str = "") -> QPushButton:
    """A button that names its key; a screen reader says the words alone."""
    made = QPushButton(f"{words}   {key}" if key else words)
    made.setAccessibleName(words)
    made.setObjectName(look)
    if act is not None:
        made.clicked.connect(lambda: act())
    return made


def toggle(words: str, act: Callable[[], object], *, key: str = "", look: str = "") -> QPushButton:
    made = button(words, act, key=key, look=look)
    made.setCheckable(True)
    return made


def field(words: str) -> QLineEdit:
    """A line to type in; `words` say what."""
    made = QLineEdit()
    made.setPlaceholderText(words)
    made.setAccessibleName(words)
    return made


class Choice(QComboBox):
    """A list to choose from, with an arrow in the colour of its text: stylesheets know arrows only as files."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(self.foregroundRole()), 1.6))
        x, y = self.width() - 18.0, self.height() / 2 - 2.0
        painter.drawPolyline(QPolygonF([QPointF(x - 4, y), QPointF(x, y + 4), QPointF(x + 4, y)]))


def choice(words: str) -> QComboBox:
    made = Choice()
    made.setAccessibleName(words)
    return made


def plate(look: str) -> QWidget:
    """A surface with a background of its own."""
    made = QWidget()
    made.setObjectName(look)
    made.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    return made
