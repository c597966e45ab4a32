"""The report of a demo run: the ledger's records set beside the renderer's truth and pictures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from inspector.bundle import Bundle, load_bundle
from inspector.values import Image, InspectionRecord
from station.cameras.synthetic import SyntheticSettings
from station.config import StationConfig
from station.demo.figures import Figures
from station.demo.render import RenderedPart, render
from station.demo.report import Box, Head, stored_pictures, write_report

if TYPE_CHECKING:
    from station.demo.command import Account


def show(known: Figures, config: StationConfig, account: Account, out: Path) -> Path:
    """Write the report and return where it is. Pictures of passed parts, which no station keeps, are rendered again."""
    drawn = _Drawn(config)
    head = _head(config, account, load_bundle(config.station.bundle))
    pictures = stored_pictures(account.summary.images, otherwise=drawn.picture)
    write_report(known, pictures, out, head, account.events, drawn.region)
    return out


class _Drawn:
    """Parts drawn once more from their sources."""

    def __init__(self, config: StationConfig) -> None:
        camera = config.camera
        if not isinstance(camera, SyntheticSettings):
            raise TypeError(f"camera of kind {camera.kind!r}; only a synthetic one can be drawn again")
        self._part = lru_cache(maxsize=2)(
            lambda sequence: render(camera.seed, sequence, camera.defect_share, camera.drift)
        )

    def picture(self, record: InspectionRecord) -> Image:
        return self._of(record).image

    def region(self, record: InspectionRecord) -> Box | None:
        mask = self._of(record).mask
        if mask is None or not mask.any():
            return None
        left, top, width, height = cv2.boundingRect(mask)
        return left, top, width, height

    def _of(self, record: InspectionRecord) -> RenderedPart:
        return self._part(record.sequence)


def _head(config: StationConfig, account: Account, bundle: Bundle) -> Head:
    summary, limits = account.summary, bundle.manifest.limits
    began = min(record.triggered_at for record in account.records)
    return Head(
        title=f"Synthetic line: {summary.status.triggers} flanges",
        subtitle=f"Inspected on {began:%-d %B %Y from %H:%M:%S} UTC by station {summary.status.station}, "
        f"{summary.status.triggers / max(summary.seconds, 1e-9):.0f} parts per second, start-up included",
        facts=(
            ("station", summary.status.station),
            ("recipe", config.recipe.name),
            ("bundle", f"{bundle.id}, {bundle.manifest.task}, precision {config.recipe.precision}"),
            ("limits", f"PASS below {limits.pass_below:.4g}, REJECT from {limits.reject_above:.4g}: {limits.origin}"),
            ("camera", config.camera.model_dump_json(exclude_none=True)),
            ("run", str(summary.run_id)),
            ("database", summary.database),
            ("images", str(summary.images)),
        ),
    )
