"""Pictures that lie twice in the data set: across splits, or under two labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.documents import Document
from inspector.duplicates import fingerprints, near_pairs
from training.dataset_check.looking import Look
from training.dataset_check.remarks import Remark, fault, warning

NEAR_BY_FEATURES = 0.85
"""By this correlation of features 16 of 1.0 million pairs of different steel are joined, none of tiles and spindles."""
WORDS = {
    "file": "the same file",
    "fingerprint": "near-duplicates ({:.2f} alike)",
    "features": "look-alikes ({:.2f} alike by features; the same piece?)",
}


class Pair(Document):
    """Two near-duplicates."""

    first: str
    second: str
    likeness: float = Field(ge=-1, le=1, description="correlation of fingerprints, or of features; 1 is the same file")
    by: str = Field(description="file, fingerprint or features")
    splits: tuple[str, str]
    labels: tuple[str, str]
    same_group: bool

    @property
    def straddles(self) -> bool:
        return self.splits[0] != self.splits[1]

    @property
    def disagrees(self) -> bool:
        return self.labels[0] != self.labels[1]


def find_pairs(looks: Sequence[Look]) -> list[Pair]:
    """Return every pair of near-duplicates, the likest first; equal files among them, be they flat or not.

    A picture and its golden template are alike by intent, and no pair.
    """
    prints = fingerprints(np.stack([seen.small for seen in looks]))
    found = {(i, j): (likeness, "fingerprint") for i, j, likeness in near_pairs(prints)}
    found |= dict.fromkeys(_equal_files(looks), (1.0, "file"))
    apart = ((i, j, *how) for (i, j), how in found.items() if not _is_template(looks[i], looks[j]))
    pairs = [pair_of(looks[i], looks[j], likeness, by) for i, j, likeness, by in apart]
    return sorted(pairs, key=lambda pair: (-pair.likeness, pair.first, pair.second))


def _is_template(one: Look, other: Look) -> bool:
    a, b = one.sample, other.sample
    return a.template_path == b.path or b.template_path == a.path


def _equal_files(looks: Sequence[Look]) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for position, seen in enumerate(looks):
        if seen.digest and first.setdefault(seen.digest, position) != position:
            yield first[seen.digest], position


def pair_of(one: Look, other: Look, likeness: float, by: str) -> Pair:
    a, b = one.sample, other.sample
    return Pair(
        first=a.name,
        second=b.name,
        likeness=round(likeness, 4),
        by=by,
        splits=(a.split, b.split),
        labels=(a.label, b.label),
        same_group=a.group == b.group,
    )


def remarks_on(pairs: Sequence[Pair]) -> Iterator[Remark]:
    """Yield a fault for equal files across splits, and warnings for other pairs that may mislead."""
    for pair in pairs:
        names = (pair.first, pair.second)
        what = WORDS[pair.by].format(pair.likeness)
        if pair.straddles:
            say = fault if pair.by == "file" else warning
            yield say("duplicate", f"{what} in {pair.splits[0]} and {pair.splits[1]}", *names)
        if pair.disagrees:
            yield warning("label", f"{what} labelled {pair.labels[0]} and {pair.labels[1]}", *names)


def pairs_across_splits(looks: Sequence[Look], features: NDArray[np.float32]) -> list[Pair]:
    """Return the pairs across splits whose features (N, F) are nearly the same, the likest first."""
    found = near_pairs(fingerprints(features), NEAR_BY_FEATURES)
    apart = ((i, j, likeness) for i, j, likeness in found if not _is_template(looks[i], looks[j]))
    pairs = [pair_of(looks[i], looks[j], likeness, "features") for i, j, likeness in apart]
    return sorted((pair for pair in pairs if pair.straddles), key=lambda pair: -pair.likeness)
