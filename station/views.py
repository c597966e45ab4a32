"""A part's verdict from what was said of its views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from inspector.values import PartResult, Verdict
from inspector.verdict import combine, not_inspected


def merge_views(cameras: Sequence[str], said: Mapping[str, PartResult | str]) -> PartResult:
    """Return the part as its views say it is; of a view without a verdict, `said` holds why it has none.

    A view that is missing leaves the part NOT_INSPECTED, unless another view rejects it. Where a part has several
    views, each reason names its view. The views that were judged come in the order of `cameras`.
    """
    answers = [said.get(camera, "no verdict") for camera in cameras]
    verdicts = [not_inspected(answer) if isinstance(answer, str) else answer.verdict for answer in answers]
    if len(cameras) > 1:
        verdicts = [_named(camera, verdict) for camera, verdict in zip(cameras, verdicts, strict=True)]
    judged = tuple(view for answer in answers if isinstance(answer, PartResult) for view in answer.views)
    return PartResult(verdicts[0] if len(cameras) == 1 else combine(verdicts), judged)


def _named(camera: str, verdict: Verdict) -> Verdict:
    return replace(verdict, reasons=tuple(f'view "{camera}": {reason}' for reason in verdict.reasons))
