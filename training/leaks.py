"""A split that leaks is refused before hours go into it: pictures of validation that training has as good as seen.

Costs one reading of the pictures of train and val at 32 px: 1 to 3 s for 1,440 of 200 px. On the honest splits of
five real sets it finds nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from inspector.dataset import Dataset, Sample
from inspector.duplicates import fingerprints, near_pairs, small_pictures
from inspector.errors import DatasetError

logger = logging.getLogger(__name__)

SURE = 0.98
"""Likeness from which a pair counts: more than `duplicates.NEAR`, since parts of one fixture that happen to lie alike
reach that too (24 pairs of 90 rendered parts, 0.962 at most), and a refusal must be right."""
TOLERATED_SHARE = 0.01
TOLERATED = 1
"""Pictures: among tens of thousands of pairs one may be alike by chance."""


def require_no_leak(dataset: Dataset, *, allowed: bool) -> None:
    """Raise DatasetError where near-duplicates lie on both sides of a cut; only log it where that is `allowed`.

    Without a split `val` the cut will be made inside train by group, so there near-duplicates in different groups
    count. The rows of `test` are not looked at.
    """
    rows = (*dataset.select("train"), *dataset.select("val"))
    held = [row for row in rows if row.split == "val"] or list(rows)
    leaked = leaked_pairs(rows)
    names = {sample.name for pair in leaked for sample in pair} & {row.name for row in held}
    if len(names) <= max(TOLERATED, TOLERATED_SHARE * len(held)):
        return
    one, other = leaked[0]
    text = (
        f"{dataset.folder}: {len(names)} of {len(held)} pictures for validation are near-duplicates of pictures for "
        f"training ({one.name} and {other.name}): expected every part in one group, and every group in one split; "
        "see `inspector dataset check --html`, or train on it all the same with --allow-leaks"
    )
    if not allowed:
        raise DatasetError(text)
    logger.warning("%s", text)


def leaked_pairs(rows: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Return near-duplicates on two sides of a cut: in train and val, or in two groups where there is no val."""
    has_val = any(row.split == "val" for row in rows)
    pairs = near_pairs(fingerprints(small_pictures([row.path for row in rows])), SURE)
    found = ((rows[i], rows[j]) for i, j, _ in pairs)
    return [(a, b) for a, b in found if (a.split != b.split if has_val else a.group != b.group)]
