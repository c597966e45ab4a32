"""Recorded parts by their probability, and the two limits between them, to be dragged or moved by arrows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gui.badges import outcome_word, paint_mark
from gui.gauge import FLOOR, place
from gui.limits import Limits
from gui.palette import Theme
from gui.whatif.model import Judged, Recorded
from gui.words import tr
from inspector.values import Outcome

BINS = 80
STEP = 0.005
"""Of the axis, for an arrow key."""
_NAMES = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
Heights = NDArray[np.float64]


def probability(at: float) -> float:
    """The inverse of `gui.gauge.place`, to four decimals."""
    inside = min(max(at, 0.0), 1.0)
    return round(1 / (1 + math.exp(-(inside - 0.5) * 2 * math.log((1 - FLOOR) / FLOOR))), 4)


def histogram(parts: Judged) -> Heights:
    """(BINS,) how many parts lie at each place of the axis; those that no limit passes are in none."""
    scores = parts.pass_scores[parts.pass_scores <= 1]
    inside = np.clip(scores, FLOOR, 1 - FLOOR)
    at = 0.5 + np.log(inside / (1 - inside)) / (2 * math.log((1 - FLOOR) / FLOOR))
    return np.histogram(at, bins=BINS, range=(0.0, 1.0))[0].astype(np.float64)


class LimitsBand(QWidget):
    """Three histograms over one axis in log-odds; `moved` brings both limits with each step of a drag."""

    moved = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._rows: tuple[tuple[str, Heights, int], ...] = ()
        self._limits: Limits = (0.0, 1.0)
        self._certified: Limits | None = None
        self._parts: Recorded | None = None
        self.handle = 0
        self._dragging = False
        self.setMinimumSize(420, 260)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self._say()

    def show_limits(self, parts: Recorded | None, limits: Limits, certified: Limits | None) -> None:
        if parts is not self._parts:
            self._parts = parts
            self._rows = () if parts is None else _rows(parts)
        self._limits, self._certified = limits, certified
        self._say()
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def x_of(self, chance: float) -> float:
        area = self._area()
        return area.left() + place(chance) * area.width()

    def _say(self) -> None:
        below, above = self._limits
        self.setAccessibleName(tr("Limits: pass below {below}, reject from {above}", below=below, above=above))
        which = tr("pass limit") if self.handle == 0 else tr("reject limit")
        self.setAccessibleDescription(tr("Arrows move the {limit}, Space takes the other one", limit=which))

    def _area(self) -> QRectF:
        return QRectF(14, 44, self.width() - 28.0, self.height() - 78.0)

    def _move(self, chance: float) -> None:
        below, above = self._limits
        self.moved.emit((chance, above) if self.handle == 0 else (below, chance))

    # ---- what Qt calls

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(760, 420)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        x = event.position().x()
        first, second = (abs(self.x_of(limit) - x) for limit in self._limits)
        # Of two at one place the one that can be moved towards the mouse.
        self.handle = int(second < first or (first == second and x > self.x_of(self._limits[0])))
        self._dragging = True
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self._dragging:
            area = self._area()
            self._move(probability((event.position().x() - area.left()) / area.width()))

    def mouseReleaseEvent(self, _: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self._dragging = False

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        step = {Qt.Key.Key_Left: -STEP, Qt.Key.Key_Right: STEP}.get(Qt.Key(event.key()))
        if step is not None:
            self._move(probability(place(self._limits[self.handle]) + step))
        elif Qt.Key(event.key()) is Qt.Key.Key_Space:
            self.handle = 1 - self.handle
            self._say()
            self.update()
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        super().focusInEvent(event)
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme, focus = self._theme, self.hasFocus()
        painter.setPen(QPen(QColor(theme.accent if focus else theme.line), 2 if focus else 1))
        painter.setBrush(QColor(theme.surface))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 8, 8)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        self._paint_zones(painter, self._area())
        self._paint_rows(painter, self._area())
        self._paint_axis(painter, self._area())
        self._paint_limits(painter, self._area())

    def _paint_zones(self, painter: QPainter, area: QRectF) -> None:
        edges = (area.left(), *map(self.x_of, self._limits), area.right())
        outcomes = (Outcome.PASS, Outcome.REVIEW, Outcome.REJECT)
        for outcome, left, right in zip(outcomes, edges, edges[1:], strict=False):
            tint = QColor(self._theme.outcome(outcome))
            tint.setAlphaF(0.10)
            painter.fillRect(QRectF(left, area.top(), right - left, area.height()), tint)
            word = outcome_word(outcome)
            width = painter.fontMetrics().horizontalAdvance(word) + 18
            if right - left >= width:
                middle = (left + right - width) / 2
                paint_mark(painter, outcome, QRectF(middle, area.top() - 22, 12, 12), self._theme)
                painter.setPen(QColor(self._theme.text))
                at = QRectF(middle + 17, area.top() - 25, width, 18)
                painter.drawText(at, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, word)

    def _paint_rows(self, painter: QPainter, area: QRectF) -> None:
        """Heights by their root, so that few parts beside many are seen."""
        height = area.height() / max(1, len(self._rows))
        for number, (word, heights, count) in enumerate(self._rows):
            bottom = area.top() + (number + 1) * height
            most = max(1.0, float(heights.max()))
            width = area.width() / BINS
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self._theme.accent))
            for place_, value in enumerate(heights):
                tall = math.sqrt(value / most) * (height - 24)
                painter.drawRect(QRectF(area.left() + place_ * width, bottom - tall, max(1.0, width - 1), tall))
            painter.setPen(QPen(QColor(self._theme.line), 1))
            painter.drawLine(QPointF(area.left(), bottom), QPointF(area.right(), bottom))
            painter.setPen(QColor(self._theme.quiet))
            at = QRectF(area.left() + 6, bottom - height + 4, area.width() - 12, 16)
            painter.drawText(at, Qt.AlignmentFlag.AlignLeft, f"{word}: {count}")

    def _paint_axis(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(QColor(self._theme.quiet))
        for chance in _NAMES:
            word = f"{100 * chance:g} %"
            width = painter.fontMetrics().horizontalAdvance(word) + 4.0
            left = min(max(self.x_of(chance) - width / 2, 4.0), self.width() - width - 4)
            painter.drawText(QRectF(left, area.bottom() + 6, width, 16), Qt.AlignmentFlag.AlignCenter, word)

    def _paint_limits(self, painter: QPainter, area: QRectF) -> None:
        for limit in self._certified or ():
            painter.setPen(QPen(QColor(self._theme.quiet), 1.5, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(self.x_of(limit), area.top()), QPointF(self.x_of(limit), area.bottom()))
        for number, limit in enumerate(self._limits):
            x = self.x_of(limit)
            painter.setPen(QPen(QColor(self._theme.text), 2.5 if number == self.handle else 1.6))
            painter.drawLine(QPointF(x, area.top() - 6), QPointF(x, area.bottom() + 4))
            painter.setBrush(QColor(self._theme.accent if number == self.handle else self._theme.raised))
            painter.drawRoundedRect(QRectF(x - 5, area.center().y() - 14, 10, 28), 3, 3)


def _rows(parts: Recorded) -> tuple[tuple[str, Heights, int], ...]:
    named = (
        (tr("All parts"), parts.every),
        (tr("Called good by a person"), parts.good),
        (tr("Called defective by a person"), parts.defective),
    )
    return tuple((word, histogram(one), len(one.pass_scores)) for word, one in named)
