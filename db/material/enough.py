"""Have I labelled enough? By class: parts to learn from, and groups to prove it on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from db.material.manifest import SnapshotManifest
from inspector.gate_settings import GateSettings, groups_needed
from inspector.labels import split_labels

LEAST_GOOD, LEAST_DEFECTIVE = 50, 20
"""Parts of train below which a class is not learned from: calibration and selection take their share of them."""


@dataclass(frozen=True, slots=True)
class Enough:
    """One class, and what it lacks."""

    label: str
    fitted: int
    """Parts of train."""
    fitted_needed: int
    tested: int
    """Groups of test."""
    tested_needed: int
    """Groups that the gate needs where both bundles say the same of all."""
    more_groups: int
    """Further groups of any split after which test is expected to have enough of them."""

    @property
    def missing(self) -> bool:
        return self.fitted < self.fitted_needed or self.tested < self.tested_needed

    def text(self) -> str:
        """Return e.g. `scratch: 12 of 20 parts in train, 4 of 29 groups in test; label about 125 more groups`."""
        seen = f"{self.label}: {self.fitted} of {self.fitted_needed} parts in train"
        seen += f", {self.tested} of {self.tested_needed} groups in test"
        if self.tested < self.tested_needed:
            return f"{seen}; about {self.more_groups} more groups with it are needed"
        return f"{seen}; label more of it" if self.missing else f"{seen}; enough"


def enough(manifest: SnapshotManifest, settings: GateSettings) -> list[Enough]:
    """Return every class, the good ones first."""
    return list(_by_class(manifest, settings))


def answer(classes: list[Enough]) -> str:
    """Return yes or no in one line."""
    short = [one.label for one in classes if one.missing]
    return f"labelled enough: {'no, too few of ' + ', '.join(short) if short else 'yes'}"


def _by_class(manifest: SnapshotManifest, settings: GateSettings) -> Iterator[Enough]:
    names = {(item.is_defect, label) for item in manifest.items for label in split_labels(item.label)}
    for is_defect, label in sorted(names):
        mine = [item for item in manifest.items if label in split_labels(item.label)]
        tested = len({item.group for item in mine if item.split == "test"})
        margin = settings.margin_of(label) if is_defect else min(settings.overkill_margin, settings.review_margin)
        needed = groups_needed(margin, settings.error)
        yield Enough(
            label=label,
            fitted=sum(item.split == "train" for item in mine),
            fitted_needed=LEAST_DEFECTIVE if is_defect else LEAST_GOOD,
            tested=tested,
            tested_needed=needed,
            more_groups=math.ceil(max(0, needed - tested) / manifest.shares.test),
        )
