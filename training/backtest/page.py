"""A back-test as one HTML file: what changed, and the pictures of what did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from db.images import ImageStore
from inspector.errors import StationError, UserError
from inspector.preprocess import decode_image
from training.backtest.figures import BacktestReport
from training.backtest.parts import RecordedPart
from training.pages import rendered, thumbnail

MOST_FLIPS = 60


def write_page(path: Path, report: BacktestReport, parts: Sequence[RecordedPart], images: Path) -> None:
    """Write the page; an OSError is the caller's."""
    by_id, store = {str(part.part_id): part for part in parts}, ImageStore(images)
    shown = [(flip, _picture(store, by_id[flip.part_id])) for flip in report.flips[:MOST_FLIPS]]
    path.write_text(rendered("training.backtest", report=report, flips=shown), encoding="utf-8")


def _picture(store: ImageStore, part: RecordedPart) -> str:
    """The first view, small, base64 of a JPEG; empty where it cannot be read any more."""
    stored = part.views[0].image
    try:
        return thumbnail(decode_image(store.load(stored), stored.path))
    except (UserError, StationError):
        return ""
