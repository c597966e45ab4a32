"""A chart on the screen: arrows or the mouse choose a point, Enter or a click opens its parts."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from gui.charts.model import Chart, nearest
from gui.charts.paint import frame_of, paint_chart
from gui.palette import Theme
from gui.words import tr

_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class ChartView(QWidget):
    """Shows a `Chart`; `opened` brings the point that was asked for."""

    opened = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.chart = Chart("")
        self.chosen: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(200, 130)
        self._say()

    def show_chart(self, chart: Chart) -> None:
        if chart != self.chart:
            self.chart, self.chosen = chart, None
            self._say()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def choose(self, number: int | None) -> None:
        if number != self.chosen:
            self.chosen = number
            self._say()

    def _say(self) -> None:
        """What a screen reader reads."""
        chart = self.chart
        self.setAccessibleName(chart.title or tr("Chart"))
        said = chart.empty if not chart.points else chart.caption
        if self.chosen is not None:
            said = chart.points[self.chosen].words
        self.setAccessibleDescription(said)
        self.update()

    def _open(self) -> None:
        if self.chosen is not None and self.chart.points[self.chosen].parts is not None:
            self.opened.emit(self.chart.points[self.chosen])

    def _inner(self) -> QRectF:
        return QRectF(self.rect()).adjusted(10, 8, -10, -6)

    def _at(self, x: float, y: float) -> int | None:
        return nearest(self.chart, frame_of(self.chart, self._inner(), self.font()), x, y)

    # ---- what Qt calls

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(380, 220)

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focus = self.hasFocus()
        edge = 2 if focus else 1
        painter.setPen(QPen(QColor(self._theme.accent if focus else self._theme.line), edge))
        painter.setBrush(QColor(self._theme.surface))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 8, 8)
        paint_chart(painter, self.chart, self._inner(), self._theme, self.chosen)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        key, last = Qt.Key(event.key()), len(self.chart.points) - 1
        if key in _STEPS and last >= 0:
            start = self.chosen if self.chosen is not None else (-1 if _STEPS[key] > 0 else last + 1)
            self.choose(min(max(start + _STEPS[key], 0), last))
            self._tell()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._open()
        else:
            event.ignore()

    def _tell(self) -> None:
        """The words of the point that arrows chose, beside the chart."""
        if self.chosen is not None:
            frame = frame_of(self.chart, self._inner(), self.font())
            point = self.chart.points[self.chosen]
            at = self.mapToGlobal(self.rect().topLeft())
            at.setX(at.x() + round(frame.x(point.x)))
            at.setY(at.y() + round(frame.y(point.y)))
            QToolTip.showText(at, point.words, self)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if event.button() is Qt.MouseButton.LeftButton:
            self.choose(self._at(event.position().x(), event.position().y()))
            self._open()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        super().focusInEvent(event)
        self.update()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            number = self._at(event.pos().x(), event.pos().y())
            words = "" if number is None else self.chart.points[number].words
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)
