"""Painting a chart: into a widget, a picture or a page alike, so that what is exported is what is seen."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from gui.charts.model import Chart, Form, Frame, Look, Trace, thinned, tick_words, ticks
from gui.palette import Theme

TITLE_PX, SMALL_PX = 13, 11
_DOT = 3.2


def frame_of(chart: Chart, at: QRectF, font: QFont) -> Frame:
    """Return where the plot lies: below title and caption, right of the numbers, above the names."""
    small = QFontMetricsF(_sized(font, SMALL_PX))
    low, high = chart.heights()
    words = tick_words(ticks(low, high), percent=chart.percent)
    left = max((small.horizontalAdvance(word) for word in words), default=0.0) + 10
    top = 24 + _caption_height(chart, at, font)
    height = max(10.0, at.height() - top - 24)
    return Frame(
        at.left() + left, at.top() + top, max(10.0, at.width() - left - 12), height, chart.x_range, (low, high)
    )


def paint_chart(painter: QPainter, chart: Chart, at: QRectF, theme: Theme, chosen: int | None = None) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = painter.font()
    _paint_head(painter, chart, at, theme, font)
    if not chart.points:
        painter.setFont(_sized(font, 12))
        painter.setPen(QColor(theme.quiet))
        inner = at.adjusted(12, 28, -12, -8)
        painter.drawText(inner, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, chart.empty)
        painter.setFont(font)
        return
    frame = frame_of(chart, at, font)
    painter.setFont(_sized(font, SMALL_PX))
    _paint_axes(painter, chart, frame, theme)
    if chart.form is Form.BARS:
        _paint_bars(painter, chart, frame, theme, chosen)
    for trace in chart.traces:
        _paint_trace(painter, trace, frame, theme)
    if chart.form is not Form.BARS:
        _paint_points(painter, chart, frame, theme, chosen)
    painter.setFont(font)


def _sized(font: QFont, size_px: int) -> QFont:
    made = QFont(font)
    made.setPixelSize(size_px)
    return made


def _caption_height(chart: Chart, at: QRectF, font: QFont) -> float:
    if not chart.caption:
        return 0.0
    small = QFontMetricsF(_sized(font, SMALL_PX))
    wanted = QRectF(0, 0, at.width() - 8, 200)
    return small.boundingRect(wanted, Qt.TextFlag.TextWordWrap, chart.caption).height() + 6


def _paint_head(painter: QPainter, chart: Chart, at: QRectF, theme: Theme, font: QFont) -> None:
    title = _sized(font, TITLE_PX)
    title.setWeight(QFont.Weight.DemiBold)
    painter.setFont(title)
    painter.setPen(QColor(theme.text))
    painter.drawText(QRectF(at.left() + 4, at.top(), at.width() - 8, 20), Qt.AlignmentFlag.AlignVCenter, chart.title)
    if chart.points:
        painter.setFont(_sized(font, SMALL_PX))
        painter.setPen(QColor(theme.quiet))
        below = QRectF(at.left() + 4, at.top() + 20, at.width() - 8, _caption_height(chart, at, font))
        painter.drawText(below, Qt.TextFlag.TextWordWrap, chart.caption)


def _paint_axes(painter: QPainter, chart: Chart, frame: Frame, theme: Theme) -> None:
    values = ticks(*frame.y_range)
    for value, word in zip(values, tick_words(values, percent=chart.percent), strict=True):
        y = frame.y(value)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.drawLine(QPointF(frame.left, y), QPointF(frame.left + frame.width, y))
        painter.setPen(QColor(theme.quiet))
        side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(frame.left - 84, y - 8, 78, 16), side, word)
    metrics = painter.fontMetrics()
    widest = max((metrics.horizontalAdvance(name.word) for name in chart.names), default=1)
    room = frame.width / max(1, len(chart.names))
    fitting = max(1, int(frame.width // (min(widest, 130) + 10)))
    names = chart.names if chart.form is Form.BARS else thinned(chart.names, fitting)
    for name in names:
        width = room if chart.form is Form.BARS else 140.0
        middle = frame.x(name.at)
        left = min(max(middle - width / 2, frame.left - 20), frame.left + frame.width + 10 - width)
        word = metrics.elidedText(name.word, Qt.TextElideMode.ElideRight, int(width))
        if chart.form is not Form.BARS:
            width = metrics.horizontalAdvance(word) + 2.0
            left = min(max(middle - width / 2, frame.left - 20), frame.left + frame.width + 12 - width)
        painter.drawText(QRectF(left, frame.bottom + 4, width, 16), Qt.AlignmentFlag.AlignCenter, word)


def _paint_bars(painter: QPainter, chart: Chart, frame: Frame, theme: Theme, chosen: int | None) -> None:
    width = min(60.0, 0.7 * frame.width / max(1, len(chart.points)))
    for number, point in enumerate(chart.points):
        x, y = frame.x(point.x), frame.y(point.y)
        bar = QRectF(x - width / 2, y, width, frame.bottom - y)
        painter.fillRect(bar, QColor(theme.review if point.flagged else theme.accent))
        _paint_spread(painter, point.low, point.high, x, frame, theme)
        if number == chosen:
            painter.setPen(QPen(QColor(theme.text), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(bar.adjusted(-2, -2, 2, 0))


def _paint_trace(painter: QPainter, trace: Trace, frame: Frame, theme: Theme) -> None:
    looks = {
        Look.CENTRE: QPen(QColor(theme.quiet), 1.2),
        Look.LIMIT: QPen(QColor(theme.rejected), 1.2, Qt.PenStyle.DashLine),
        Look.CURVE: QPen(QColor(theme.quiet), 1.4, Qt.PenStyle.DotLine),
    }
    painter.setPen(looks[trace.look])
    painter.setBrush(Qt.BrushStyle.NoBrush)
    piece: list[QPointF] = []
    for x, y in zip(trace.x, trace.y, strict=True):
        if y is None:
            painter.drawPolyline(QPolygonF(piece))
            piece = []
        else:
            piece.append(QPointF(frame.x(x), frame.y(y)))
    painter.drawPolyline(QPolygonF(piece))


def _paint_points(painter: QPainter, chart: Chart, frame: Frame, theme: Theme, chosen: int | None) -> None:
    at = [QPointF(frame.x(point.x), frame.y(point.y)) for point in chart.points]
    if chart.form is Form.LINE:
        painter.setPen(QPen(QColor(theme.accent), 1.6))
        painter.drawPolyline(QPolygonF(at))
    for number, (point, spot) in enumerate(zip(chart.points, at, strict=True)):
        _paint_spread(painter, point.low, point.high, spot.x(), frame, theme)
        _paint_dot(painter, spot, flagged=point.flagged, theme=theme)
        if number == chosen:
            painter.setPen(QPen(QColor(theme.text), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(spot, 8, 8)


def _paint_dot(painter: QPainter, spot: QPointF, *, flagged: bool, theme: Theme) -> None:
    """A dot, or for a point that breaks a rule a larger diamond: told apart without its colour."""
    painter.setPen(QPen(QColor(theme.surface), 1))
    if not flagged:
        painter.setBrush(QColor(theme.accent))
        painter.drawEllipse(spot, _DOT, _DOT)
        return
    painter.setBrush(QColor(theme.rejected))
    side = 2 * _DOT
    steps = ((0, -side), (side, 0), (0, side), (-side, 0))
    painter.drawPolygon(QPolygonF([spot + QPointF(dx, dy) for dx, dy in steps]))


def _paint_spread(
    painter: QPainter, low: float | None, high: float | None, x: float, frame: Frame, theme: Theme
) -> None:
    if low is None or high is None:
        return
    painter.setPen(QPen(QColor(theme.quiet), 1.2))
    painter.drawLine(QPointF(x, frame.y(low)), QPointF(x, frame.y(high)))
    for value in (low, high):
        painter.drawLine(QPointF(x - 3, frame.y(value)), QPointF(x + 3, frame.y(value)))
