"""A picture that is zoomed, panned, toned and drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QCursor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from gui.palette import Theme
from gui.picture import Placement, Pyramid, Tones, fitted, render
from gui.words import tr
from inspector.drawn import Box, Point, Polygon, Shape, Stroke
from inspector.errors import UnreadableImage
from inspector.overlay import sketch_pixels
from inspector.values import Finding

_NEAR_PX = 8.0
_ARROWS = {Qt.Key.Key_Left: (1, 0), Qt.Key.Key_Right: (-1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}
_ENDING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)
DRAWN = "#00c8ff"
"""No outcome's colour, and rare on machined parts."""


class Tool(StrEnum):
    """What the left button of the mouse does."""

    PAN = "pan"
    BOX = "box"
    POLYGON = "polygon"
    BRUSH = "brush"
    ERASER = "eraser"
    LINE = "line"
    """A straight stroke of two points."""


class Canvas(QWidget):
    """Shows a `Pyramid`; `drawn` brings each shape that was finished, in frame pixels."""

    drawn = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._picture: Pyramid | None = None
        self._place = Placement()
        self._whole = True
        self._tones = Tones()
        self._rendered: QImage | None = None
        self._findings: tuple[Finding, ...] = ()
        self._heat: QImage | None = None
        self._shapes: tuple[Shape, ...] = ()
        self._points: list[Point] = []
        self._panning: QPointF | None = None
        self._words = ""
        self._by_key = False
        self.findings_shown = True
        self.heat_shown = False
        self.tool = Tool.PAN
        self.brush_px = 12.0
        self.setMinimumSize(320, 240)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Picture of the part"))

    # ---- what is shown

    def show_picture(self, picture: Pyramid | None, words: str = "", *, stay: bool = False) -> None:
        """Show a picture whole, or with `stay` where the one before was; without one, `words` in its place."""
        stays = stay and self._same_size(picture)
        self._picture, self._words, self._points = picture, words, []
        if stays:
            self._anew()
        else:
            self.fit()

    def show_findings(self, findings: Sequence[Finding], heat_png: bytes | None = None) -> None:
        """Show what was found, and where it was seen: `inspector.overlay.heat_sketch` of the whole picture."""
        self._findings = tuple(findings)
        self._heat = None if heat_png is None else _heat_layer(heat_png)
        self.update()

    def show_shapes(self, shapes: Sequence[Shape]) -> None:
        self._shapes = tuple(shapes)
        self.update()

    def set_tones(self, tones: Tones) -> None:
        self._tones = tones
        self._anew()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._anew()

    def set_tool(self, tool: Tool) -> None:
        self.tool, self._points = tool, []
        cursors = {Tool.PAN: Qt.CursorShape.OpenHandCursor}
        self.setCursor(QCursor(cursors.get(tool, Qt.CursorShape.CrossCursor)))
        self.update()

    def set_findings_shown(self, shown: bool) -> None:
        self.findings_shown = shown
        self.update()

    def set_heat_shown(self, shown: bool) -> None:
        self.heat_shown = shown
        self.update()

    # ---- where

    def fit(self) -> None:
        if self._picture is not None:
            self._whole = True
            self._place = fitted((self._picture.width_px, self._picture.height_px), self._view())
        self._anew()

    def actual_size(self) -> None:
        """One pixel of the picture on one of the screen, about the middle."""
        self.zoom(1 / self._place.scale)

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        if self._picture is None:
            return
        width, height = self._view()
        x, y = (width / 2, height / 2) if at is None else (at.x() * self._ratio, at.y() * self._ratio)
        least = min(1.0, fitted((self._picture.width_px, self._picture.height_px), (width, height)).scale) / 2
        self._place = self._place.zoomed(factor, x, y, least)
        self._whole = False
        self._anew()

    def pan(self, dx: float, dy: float) -> None:
        self._place = self._place.moved(dx * self._ratio, dy * self._ratio)
        self._whole = False
        self._anew()

    def _same_size(self, picture: Pyramid | None) -> bool:
        old = self._picture
        return old is not None and picture is not None and old.levels[0].shape == picture.levels[0].shape

    @property
    def placement(self) -> Placement:
        return self._place

    @property
    def _ratio(self) -> float:
        return self.devicePixelRatioF()

    def _view(self) -> tuple[int, int]:
        """Width and height in screen pixels."""
        return max(1, round(self.width() * self._ratio)), max(1, round(self.height() * self._ratio))

    def _anew(self) -> None:
        self._rendered = None
        self.update()

    def _picture_point(self, at: QPointF) -> Point:
        return self._place.to_picture(at.x() * self._ratio, at.y() * self._ratio)

    def _view_point(self, point: Point) -> QPointF:
        x, y = self._place.to_view(*point)
        return QPointF(x / self._ratio, y / self._ratio)

    # ---- painting

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        if self._picture is None:
            self._paint_words(painter)
            return
        if self._rendered is None:
            self._rendered = self._render(self._picture)
        painter.drawImage(0, 0, self._rendered)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.heat_shown and self._heat is not None:
            self._paint_heat(painter, self._picture, self._heat)
        if self.findings_shown:
            for finding in self._findings:
                self._paint_finding(painter, finding)
        if self._shapes or self._points:
            self._paint_shapes(painter)
        if self.hasFocus() and self._by_key:
            painter.setPen(QPen(QColor(self._theme.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def _render(self, picture: Pyramid) -> QImage:
        behind = QColor(self._theme.picture)
        view = self._view()
        pixels = render(picture, self._place, view, self._tones, (behind.red(), behind.green(), behind.blue()))
        pixels = np.ascontiguousarray(pixels)
        # A copy: the array is gone before the image is.
        image = QImage(pixels.data, view[0], view[1], 3 * view[0], QImage.Format.Format_RGB888).copy()
        image.setDevicePixelRatio(self._ratio)
        return image

    def _paint_words(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), QColor(self._theme.picture))
        painter.setPen(QColor(self._theme.quiet))
        inner = QRectF(self.rect()).adjusted(24, 24, -24, -24)
        painter.drawText(inner, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._words)

    def _paint_heat(self, painter: QPainter, picture: Pyramid, heat: QImage) -> None:
        far = self._view_point((picture.width_px, picture.height_px))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(self._view_point((0, 0)), far), heat)

    def _paint_finding(self, painter: QPainter, finding: Finding) -> None:
        corner = self._view_point((finding.x, finding.y))
        far = self._view_point((finding.x + finding.width, finding.y + finding.height))
        box = QRectF(corner, far)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor("#000000"), 3.5))
        painter.drawRect(box)
        painter.setPen(QPen(QColor(self._theme.rejected), 1.8))
        painter.drawRect(box)
        self._paint_tag(painter, box, f"{finding.label} {finding.probability:.0%}")

    def _paint_tag(self, painter: QPainter, box: QRectF, words: str) -> None:
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        size = QFontMetricsF(font).boundingRect(words).size()
        above = box.top() - size.height() - 6
        tag = QRectF(box.left(), above if above > 0 else box.bottom(), size.width() + 10, size.height() + 4)
        painter.fillRect(tag, QColor(self._theme.surface))
        painter.setPen(QColor(self._theme.text))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, words)

    def _paint_shapes(self, painter: QPainter) -> None:
        """On a layer of their own, so that the eraser removes what was drawn and not the picture."""
        layer = QImage(*self._view(), QImage.Format.Format_ARGB32_Premultiplied)
        layer.setDevicePixelRatio(self._ratio)
        layer.fill(Qt.GlobalColor.transparent)
        on_layer = QPainter(layer)
        on_layer.setRenderHint(QPainter.RenderHint.Antialiasing)
        for shape in (*self._shapes, *self._unfinished()):
            self._paint_shape(on_layer, shape)
        on_layer.end()
        painter.setOpacity(0.5)
        painter.drawImage(0, 0, layer)
        painter.setOpacity(1.0)
        painter.setPen(QPen(QColor(DRAWN), 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for shape in (*self._shapes, *self._unfinished()):
            if not isinstance(shape, Stroke):
                painter.drawPath(self._outline(shape))
        if self.tool is Tool.POLYGON and self._points:
            painter.drawPolyline(QPolygonF([self._view_point(point) for point in self._points]))
            painter.setBrush(QColor(DRAWN))
            painter.drawEllipse(self._view_point(self._points[0]), 4, 4)

    def _paint_shape(self, painter: QPainter, shape: Shape) -> None:
        if not isinstance(shape, Stroke):
            painter.fillPath(self._outline(shape), QColor(DRAWN))
            return
        mode = QPainter.CompositionMode.CompositionMode_Clear
        over = QPainter.CompositionMode.CompositionMode_SourceOver
        painter.setCompositionMode(mode if shape.erases else over)
        width = 2 * shape.radius_px * self._place.scale / self._ratio
        painter.setPen(
            QPen(QColor(DRAWN), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        )
        painter.drawPath(self._path(shape.points))
        painter.setCompositionMode(over)

    def _outline(self, shape: Box | Polygon) -> QPainterPath:
        path = QPainterPath()
        if isinstance(shape, Box):
            corner, far = (shape.x, shape.y), (shape.x + shape.width, shape.y + shape.height)
            path.addRect(QRectF(self._view_point(corner), self._view_point(far)))
        else:
            path = self._path(shape.points)
            path.closeSubpath()
        return path

    def _path(self, points: Sequence[Point]) -> QPainterPath:
        path = QPainterPath(self._view_point(points[0]))
        for point in points[1:]:
            path.lineTo(self._view_point(point))
        if len(points) == 1:
            path.lineTo(self._view_point(points[0]) + QPointF(0.01, 0))
        return path

    # ---- drawing

    def _unfinished(self) -> list[Shape]:
        if self.tool in (Tool.BRUSH, Tool.ERASER, Tool.LINE) and self._points:
            return [self._stroke()]
        box = self._box() if self.tool is Tool.BOX and len(self._points) == 2 else None
        return [] if box is None else [box]

    def _stroke(self) -> Stroke:
        return Stroke(points=tuple(self._points), radius_px=self.brush_px, erases=self.tool is Tool.ERASER)

    def _box(self) -> Box | None:
        (x1, y1), (x2, y2) = self._points
        if x1 == x2 or y1 == y2:
            return None
        return Box(x=min(x1, x2), y=min(y1, y2), width=abs(x2 - x1), height=abs(y2 - y1))

    def _finish(self) -> None:
        shape: Shape | None = None
        if self.tool is Tool.POLYGON and len(self._points) >= 3:
            shape = Polygon(points=tuple(self._points))
        elif self.tool is Tool.BOX and len(self._points) == 2:
            shape = self._box()
        elif self.tool in (Tool.BRUSH, Tool.ERASER, Tool.LINE) and len(self._points) > (self.tool is Tool.LINE):
            shape = self._stroke()
        self._points = []
        if shape is not None:
            self.drawn.emit(shape)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        middle = event.button() is Qt.MouseButton.MiddleButton
        if middle or (event.button() is Qt.MouseButton.LeftButton and self.tool is Tool.PAN):
            self._panning = event.position()
        elif event.button() is Qt.MouseButton.LeftButton and self._picture is not None:
            self._press(event.position())

    def _press(self, at: QPointF) -> None:
        if self.tool is not Tool.POLYGON:
            self._points = [self._picture_point(at)]
        elif len(self._points) >= 3 and (self._view_point(self._points[0]) - at).manhattanLength() < _NEAR_PX:
            self._finish()
        else:
            self._points.append(self._picture_point(at))
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self._panning is not None:
            moved = event.position() - self._panning
            self._panning = event.position()
            self.pan(moved.x(), moved.y())
        elif self._points and self.tool in (Tool.BOX, Tool.LINE):
            self._points = [self._points[0], self._picture_point(event.position())]
            self.update()
        elif self._points and self.tool in (Tool.BRUSH, Tool.ERASER):
            self._points.append(self._picture_point(event.position()))
            self.update()

    def mouseReleaseEvent(self, _: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        self._panning = None
        if self.tool is not Tool.POLYGON and self._points:
            self._finish()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self.tool is Tool.POLYGON:
            self._finish()
        elif self.tool is Tool.PAN:
            self.fit()
        else:
            self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        self.zoom(1.0015 ** event.angleDelta().y(), event.position())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        key = Qt.Key(event.key())
        if key in _ARROWS:
            x, y = _ARROWS[key]
            self.pan(60 * x, 60 * y)
        elif key is Qt.Key.Key_Escape and self._points:
            self._points = []
            self.update()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.tool is Tool.POLYGON and self._points:
            self._finish()
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        self._by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def event(self, event: QEvent) -> bool:
        """While a polygon is drawn, Enter and Escape are its, and no shortcut's."""
        if isinstance(event, QKeyEvent) and self._is_mine(event):
            event.accept()
            return True
        return super().event(event)

    def _is_mine(self, event: QKeyEvent) -> bool:
        asked = event.type() is QEvent.Type.ShortcutOverride
        return asked and bool(self._points) and Qt.Key(event.key()) in _ENDING

    def resizeEvent(self, _: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        if self._whole:
            self.fit()
        self._anew()


def _heat_layer(png: bytes) -> QImage | None:
    """None where the map is damaged: the picture is shown without it."""
    try:
        pixels = np.ascontiguousarray(sketch_pixels(png))
    except UnreadableImage:
        return None
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
