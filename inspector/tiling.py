"""Frames larger than the network's input: cut in tiles that overlap, and put together again.

A defect no larger than the overlap lies whole in at least one tile; its halves in the neighbours are recognised by
touching the edge where they were cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inspector.boxes import areas, shared_areas, suppress
from inspector.bundle import Tiles
from inspector.errors import UnreadableImage
from inspector.preprocess import Roi
from inspector.values import Finding, Prediction

SMALLEST_PX = 8
TOUCHES_PX = 2.0
COVERED = 0.5
"""Findings of one kind, from two tiles, that share this much of the smaller one are the same defect."""
DOUBLE = 0.6


def windows(shape: Sequence[int], tiles: Tiles, roi: Roi | None = None) -> tuple[Roi, ...]:
    """Tiles that cover a frame of `shape` (H, W, ...), or its region of interest, row by row.

    All have the same size, the last of a row moved inward to end at the edge; a region smaller than a tile is one.
    Raises UnreadableImage where the region of interest leaves nothing of the frame.
    """
    left, top = (roi.x, roi.y) if roi else (0, 0)
    width = min(roi.width, shape[1] - left) if roi else shape[1]
    height = min(roi.height, shape[0] - top) if roi else shape[0]
    if min(width, height) < SMALLEST_PX:
        raise UnreadableImage(
            f"frame: {max(width, 0)}x{max(height, 0)} px of the {shape[1]}x{shape[0]} frame are left to cut in tiles; "
            f"expected at least {SMALLEST_PX}x{SMALLEST_PX}"
        )
    across = _starts(width, tiles.width, tiles.overlap)
    down = _starts(height, tiles.height, tiles.overlap)
    size = {"width": min(tiles.width, width), "height": min(tiles.height, height)}
    return tuple(Roi(x=left + x, y=top + y, **size) for y in down for x in across)


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [min(number * (tile - overlap), length - tile) for number in range(count)]


def merge(predictions: Sequence[Prediction], tiles: Sequence[Roi]) -> Prediction:
    """One prediction of a frame from those of its tiles, findings in frame px.

    The part is as defective as its worst tile; heat maps of single tiles are left out.
    """
    if len(predictions) != len(tiles) or not predictions:
        raise ValueError(f"expected one prediction for each tile, got {len(predictions)} for {len(tiles)}")
    worst = max(predictions, key=lambda prediction: prediction.defect_probability)
    strongest = np.max([prediction.class_probabilities for prediction in predictions], axis=0)
    novelties = [prediction.novelty for prediction in predictions if prediction.novelty is not None]
    p_values = [prediction.p_value for prediction in predictions if prediction.p_value is not None]
    return replace(
        worst,
        class_probabilities=tuple(strongest.tolist()),
        findings=merge_findings([prediction.findings for prediction in predictions], tiles),
        novelty=max(novelties, default=None),
        p_value=min(p_values, default=None),
        heat=None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Loose:
    """Findings of all tiles side by side."""

    findings: tuple[Finding, ...]
    corners: NDArray[np.float64]
    """(N, 4) frame px."""
    kinds: NDArray[np.int64]
    scores: NDArray[np.float64]
    tile: NDArray[np.int64]
    cut: NDArray[np.bool_]
    """Whether a finding touches an edge at which its tile was cut from the frame."""


def merge_findings(found: Sequence[Sequence[Finding]], tiles: Sequence[Roi]) -> tuple[Finding, ...]:
    """Findings of all tiles, each defect once: whole ones first, then cut ones that are part of none, joined."""
    loose = _lay_out(found, tiles)
    whole = np.flatnonzero(~loose.cut)
    kept = whole[suppress(loose.corners[whole], loose.scores[whole], loose.kinds[whole], DOUBLE)]
    rest = [place for place in np.flatnonzero(loose.cut).tolist() if not _same(loose, place, kept).any()]
    joined = [_hull(loose, group) for group in _groups(loose, rest)]
    merged = [*(loose.findings[place] for place in kept), *joined]
    return tuple(sorted(merged, key=lambda finding: -finding.probability))


def _lay_out(found: Sequence[Sequence[Finding]], tiles: Sequence[Roi]) -> _Loose:
    findings = [finding for some in found for finding in some]
    tile = np.repeat(np.arange(len(found)), [len(some) for some in found])
    corners = np.array([(f.x, f.y, f.x + f.width, f.y + f.height) for f in findings], np.float64).reshape(-1, 4)
    edges = np.array([(roi.x, roi.y, roi.x + roi.width, roi.y + roi.height) for roi in tiles], np.float64)
    outer = np.concatenate([edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)])
    touches = np.abs(corners - edges[tile]) <= TOUCHES_PX
    names = sorted({finding.label for finding in findings})
    return _Loose(
        tuple(findings),
        corners,
        np.array([names.index(finding.label) for finding in findings], np.int64),
        np.array([finding.probability for finding in findings], np.float64),
        tile,
        (touches & (edges[tile] != outer)).any(axis=1),
    )


def _same(loose: _Loose, place: int, others: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of `others`, from other tiles, are the same defect as the finding at `place`."""
    mine = loose.corners[[place]]
    smaller = np.minimum(areas(mine)[:, None], areas(loose.corners[others])[None])[0]
    shared = shared_areas(mine, loose.corners[others])[0]
    kin = (loose.kinds[others] == loose.kinds[place]) & (loose.tile[others] != loose.tile[place])
    return np.asarray(kin & (shared >= COVERED * np.maximum(smaller, 1e-12)))


def _groups(loose: _Loose, places: Sequence[int]) -> list[list[int]]:
    """Cut findings that overlap across tiles: a defect longer than the overlap is in every tile in part."""
    groups: list[list[int]] = []
    for place in places:
        touching = [group for group in groups if _meets(loose, place, np.array(group))]
        groups = [group for group in groups if group not in touching]
        groups.append([place, *(member for group in touching for member in group)])
    return groups


def _meets(loose: _Loose, place: int, others: NDArray[np.intp]) -> bool:
    kin = (loose.kinds[others] == loose.kinds[place]) & (loose.tile[others] != loose.tile[place])
    return bool((kin & (shared_areas(loose.corners[[place]], loose.corners[others])[0] > 0)).any())


def _hull(loose: _Loose, group: Sequence[int]) -> Finding:
    strongest = max((loose.findings[place] for place in group), key=lambda finding: finding.probability)
    low, high = loose.corners[list(group), :2].min(axis=0), loose.corners[list(group), 2:].max(axis=0)
    (x, y), (width, height) = low.tolist(), (high - low).tolist()
    return replace(strongest, x=x, y=y, width=width, height=height)
