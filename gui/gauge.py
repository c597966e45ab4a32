"""A probability between the two limits of the policy: where it passes, where a person decides, where it is rejected."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from gui.limits import Limits
from gui.palette import Theme
from gui.words import tr
from inspector.values import Outcome

FLOOR = 1e-4


def place(probability: float) -> float:
    """Where a probability stands on the gauge, 0..1: evenly in log-odds, since limits lie close to 0 or to 1."""
    inside = min(max(probability, FLOOR), 1 - FLOOR)
    return 0.5 + math.log(inside / (1 - inside)) / (2 * math.log((1 - FLOOR) / FLOOR))


class Gauge(QWidget):
    """The three zones as a band, the limits as ticks with their numbers, the part as a pointer."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._probability: float | None = None
        self._limits: Limits | None = None
        self.setFixedHeight(62)
        self.setMinimumWidth(180)

    def show_probability(self, probability: float | None, limits: Limits | None) -> None:
        self._probability, self._limits = probability, limits
        said = tr("no probability") if probability is None else f"{probability:.1%}"
        self.setAccessibleName(tr("Defect probability {value}", value=said))
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(260, 62)

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        band = QRectF(4, 20, self.width() - 8, 12)
        self._paint_zones(painter, band)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        for number, limit in enumerate(self._limits or ()):
            self._paint_limit(painter, band, limit, leftwards=number == 0)
        if self._probability is not None:
            self._paint_pointer(painter, band, self._probability)

    def _paint_zones(self, painter: QPainter, band: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        if self._limits is None:
            painter.setBrush(QColor(self._theme.line))
            painter.drawRoundedRect(band, 3, 3)
            return
        edges = [0.0, place(self._limits[0]), place(self._limits[1]), 1.0]
        for outcome, left, right in zip((Outcome.PASS, Outcome.REVIEW, Outcome.REJECT), edges, edges[1:], strict=False):
            painter.setBrush(QColor(self._theme.outcome(outcome)))
            painter.drawRect(QRectF(band.left() + left * band.width(), band.top(), (right - left) * band.width(), 12))

    def _paint_limit(self, painter: QPainter, band: QRectF, limit: float, *, leftwards: bool) -> None:
        x = band.left() + place(limit) * band.width()
        painter.setPen(QPen(QColor(self._theme.text), 2))
        painter.drawLine(QPointF(x, band.top() - 2), QPointF(x, band.bottom() + 5))
        painter.setPen(QColor(self._theme.quiet))
        words, width = _percent(limit), 64.0
        left = min(max(x - width if leftwards else x, 0.0), self.width() - width)
        side = Qt.AlignmentFlag.AlignRight if leftwards and left > 0 else Qt.AlignmentFlag.AlignLeft
        if not leftwards and left < x:
            side = Qt.AlignmentFlag.AlignRight
        painter.drawText(QRectF(left, band.bottom() + 6, width, 18), side | Qt.AlignmentFlag.AlignVCenter, words)

    def _paint_pointer(self, painter: QPainter, band: QRectF, probability: float) -> None:
        x = band.left() + place(probability) * band.width()
        painter.setPen(QPen(QColor(self._theme.surface), 1.5))
        painter.setBrush(QColor(self._theme.text))
        tip = band.top() + 5
        painter.drawPolygon(QPolygonF([QPointF(x, tip), QPointF(x - 8, tip - 15), QPointF(x + 8, tip - 15)]))
        font = painter.font()
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.text))
        right = x + 12 + 56 < self.width()
        beside = QRectF(x + 12 if right else x - 68, 0, 56, 16)
        side = Qt.AlignmentFlag.AlignLeft if right else Qt.AlignmentFlag.AlignRight
        painter.drawText(beside, side | Qt.AlignmentFlag.AlignVCenter, _percent(probability))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
