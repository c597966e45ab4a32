"""A back-test as one HTML file: what changed, and the pictures of what did."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from db.images import ImageStore
from inspector.errors import StationError, UserError
from inspector.preprocess import decode_image, resize
from training.backtest.figures import BacktestReport
from training.backtest.parts import RecordedPart

MOST_FLIPS = 60
HEIGHT_PX, WIDEST_PX = 150, 320


def write_page(path: Path, report: BacktestReport, parts: Sequence[RecordedPart], images: Path) -> None:
    """Write the page; an OSError is the caller's."""
    environment = Environment(
        loader=PackageLoader("training.backtest", "."),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    by_id, store = {str(part.part_id): part for part in parts}, ImageStore(images)
    shown = [(flip, _picture(store, by_id[flip.part_id])) for flip in report.flips[:MOST_FLIPS]]
    path.write_text(environment.get_template("page.html").render(report=report, flips=shown), encoding="utf-8")


def _picture(store: ImageStore, part: RecordedPart) -> str:
    """The first view, small, base64 of a JPEG; empty where it cannot be read any more."""
    stored = part.views[0].image
    try:
        image = decode_image(store.load(stored), stored.path)
    except (UserError, StationError):
        return ""
    scale = min(HEIGHT_PX / image.shape[0], WIDEST_PX / image.shape[1], 1.0)
    height, width = (max(1, round(scale * side)) for side in image.shape[:2])
    encoded = cv2.imencode(".jpg", resize(image, width, height), (cv2.IMWRITE_JPEG_QUALITY, 82))[1]
    return base64.b64encode(encoded.tobytes()).decode("ascii")
