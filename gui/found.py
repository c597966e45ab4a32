"""What a network found in the view whose picture is shown."""

from __future__ import annotations

from inspector.values import Finding, InspectionRecord


def seen_in(record: InspectionRecord) -> tuple[tuple[Finding, ...], bytes | None]:
    """Its findings, and its heat map as a small picture over the frame, for `Canvas.show_findings`."""
    views = [view for view in record.views if view.image_sha256 in (None, record.image_sha256)]
    judged = next((view for view in views if view.prediction is not None), None)
    if judged is None or judged.prediction is None:
        return (), None
    return judged.prediction.findings, judged.heat_png
