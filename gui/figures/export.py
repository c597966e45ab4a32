"""What is seen, as a file: a picture, a page, or the numbers with their words."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMarginsF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPageLayout, QPageSize, QPainter, QPdfWriter

from gui.charts.model import Chart
from gui.charts.paint import paint_chart
from gui.figures.tiles import Tile
from gui.palette import LIGHT
from inspector.errors import UserError

WIDTH, HEIGHT = 1400, 900
SCALE = 2
KINDS = (".png", ".csv", ".pdf")
FAMILIES = ["Inter", "Segoe UI", "Noto Sans", "DejaVu Sans", "sans-serif"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that is on the screen."""

    title: str
    about: str
    tiles: tuple[Tile, ...]
    charts: tuple[Chart, ...]


def write_sheet(sheet: Sheet, path: Path) -> None:
    """Write a sheet as the path's ending says; not on the GUI thread, since a large picture takes a while.

    Raises:
        UserError: another ending, or a place that cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise UserError(f"{path}: expected a name that ends in {', '.join(KINDS)}")
    try:
        path.write_bytes(b"")
        if kind == ".csv":
            path.write_text(csv_text(sheet), encoding="utf-8", newline="")
            return
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    written = _write_picture(sheet, path) if kind == ".png" else _write_page(sheet, path)
    if not written:
        raise UserError(f"{path}: cannot be written")


def csv_text(sheet: Sheet) -> str:
    """Every tile and point as a row: where it stands, its value, its ends, and what is said of it."""
    into = io.StringIO()
    rows = csv.writer(into)
    rows.writerow(["figure", "x", "value", "low", "high", "flagged", "words"])
    for tile in sheet.tiles:
        rows.writerow([tile.heading, "", tile.value, "", "", "", tile.words])
    for chart in sheet.charts:
        for point in chart.points:
            flagged = "yes" if point.flagged else ""
            rows.writerow([chart.title, point.x, point.y, point.low, point.high, flagged, point.words])
    return into.getvalue()


def _write_picture(sheet: Sheet, path: Path) -> bool:
    image = QImage(WIDTH * SCALE, HEIGHT * SCALE, QImage.Format.Format_RGB32)
    image.fill(QColor(LIGHT.surface))
    painter = QPainter(image)
    painter.scale(SCALE, SCALE)
    _paint(painter, sheet)
    painter.end()
    # type: the stubs want the format as bytes, the library takes text only
    return image.save(str(path), "PNG")  # type: ignore[call-overload,no-any-return]


def _write_page(sheet: Sheet, path: Path) -> bool:
    writer = QPdfWriter(str(path))
    writer.setTitle(sheet.title)
    margins = QMarginsF(10, 10, 10, 10)
    writer.setPageLayout(
        QPageLayout(
            QPageSize(QSizeF(297, 210), QPageSize.Unit.Millimeter),
            QPageLayout.Orientation.Portrait,
            margins,
            QPageLayout.Unit.Millimeter,
        )
    )
    painter = QPainter()
    if not painter.begin(writer):
        return False
    factor = min(writer.width() / WIDTH, writer.height() / HEIGHT)
    painter.scale(factor, factor)
    _paint(painter, sheet)
    return painter.end()


def _paint(painter: QPainter, sheet: Sheet) -> None:
    """Light, whatever the screen's theme: pages are white."""
    font = QFont()
    font.setFamilies(FAMILIES)
    _line(painter, font, QRectF(24, 14, WIDTH - 48, 30), sheet.title, 20, LIGHT.text)
    _line(painter, font, QRectF(24, 44, WIDTH - 48, 20), sheet.about, 12, LIGHT.quiet)
    across = (WIDTH - 48) / max(1, len(sheet.tiles))
    for place, tile in enumerate(sheet.tiles):
        left = 24 + place * across
        _line(painter, font, QRectF(left, 76, across - 12, 16), tile.heading, 11, LIGHT.quiet)
        _line(painter, font, QRectF(left, 92, across - 12, 26), tile.value, 18, LIGHT.text)
        _line(painter, font, QRectF(left, 118, across - 12, 50), tile.words, 11, LIGHT.quiet)
    width, height = (WIDTH - 48) / 3, (HEIGHT - 190) / 2
    painter.setFont(font)
    for place, chart in enumerate(sheet.charts):
        row, column = divmod(place, 3)
        paint_chart(painter, chart, QRectF(24 + column * width, 180 + row * height, width - 16, height - 16), LIGHT)


def _line(painter: QPainter, font: QFont, at: QRectF, words: str, size_px: int, colour: str) -> None:
    made = QFont(font)
    made.setPixelSize(size_px)
    painter.setFont(made)
    painter.setPen(QColor(colour))
    painter.drawText(at, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, words)
