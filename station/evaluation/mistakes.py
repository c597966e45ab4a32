"""Which parts a person should look at: the worst of each kind of mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inspector.bundle import Manifest
from inspector.figures import JudgedPart
from inspector.figures.detect import missed, scene
from inspector.figures.pixels import dice
from inspector.heads.segment import mask_above
from inspector.preprocess import heat_to_frame
from inspector.truth import has_mask, read_mask
from inspector.values import Outcome

MOST = 6


@dataclass(frozen=True, slots=True)
class Mistakes:
    """A kind of mistake with its worst parts, worst first. `n` counts all of them."""

    title: str
    note: str
    parts: tuple[JudgedPart, ...]
    n: int
    marks: tuple[str, ...] = ()
    """What to say of each, beyond its verdict."""


def mistakes(parts: Sequence[JudgedPart], manifest: Manifest) -> list[Mistakes]:
    """Return every kind of mistake that occurs, and what was rightly rejected; escapes and overkill even if none."""
    by_outcome = [
        _worst(parts, "Escapes", "defective, and passed", _escaped, _said),
        _worst(parts, "Overkill", "good, and rejected", _overkilled, lambda part: -_said(part)),
        _worst(parts, "Reviews", "left to a person, the surest mistakes first", _reviewed, _right),
    ]
    shown = [one for one in by_outcome if one.n or one.title != "Reviews"]
    if manifest.task == "classify":
        named = _worst(parts, "Named wrongly", "diverted, by another name than their own", _misnamed, _sureness)
        shown += [named] if named.n else []
    rejects = _worst(parts, "Rejects", "defective, and rejected: the surest", _found, lambda part: -_said(part))
    return [*shown, *_misplaced(parts, manifest), *([rejects] if rejects.n else [])]


def _worst(
    parts: Sequence[JudgedPart],
    title: str,
    note: str,
    chosen: Callable[[JudgedPart], bool],
    order: Callable[[JudgedPart], float],
) -> Mistakes:
    found = sorted(filter(chosen, parts), key=order)
    return Mistakes(title, note, tuple(found[:MOST]), len(found))


def _misplaced(parts: Sequence[JudgedPart], manifest: Manifest) -> list[Mistakes]:
    """Parts whose defects were found worst where they are, for tasks that say where."""
    if manifest.task == "detect":
        lost = [(missed([scene(part, manifest.classes)]), part) for part in parts]
        bad = sorted(((m, n, part) for (m, n), part in lost if m), key=lambda entry: -entry[0])
        return [_placed("Boxes not found", "most missed first", [(f"{m} of {n} missed", p) for m, n, p in bad])]
    if manifest.task == "segment":
        scored = [(_dice(part, manifest), part) for part in parts if part.is_defect and has_mask(part.sample)]
        known = sorted(((value, part) for value, part in scored if value is not None), key=lambda entry: entry[0])
        worst = [(f"Dice {value:.2f}", part) for value, part in known]
        return [_placed("Masks that fit worst", "smallest Dice first", worst)]
    return []


def _placed(title: str, note: str, marked: Sequence[tuple[str, JudgedPart]]) -> Mistakes:
    shown = marked[:MOST]
    return Mistakes(title, note, tuple(p for _, p in shown), len(marked), tuple(mark for mark, _ in shown))


def _dice(part: JudgedPart, manifest: Manifest) -> float | None:
    truth = read_mask(part.sample, (part.placement.frame_height, part.placement.frame_width))
    if part.prediction.heat is None or not truth.any():
        return None
    found = heat_to_frame(part.prediction.heat, part.placement, manifest.input) > mask_above(manifest)
    return dice(np.asarray(found), truth)


def _said(part: JudgedPart) -> float:
    return part.prediction.defect_probability


def _right(part: JudgedPart) -> float:
    """Probability that was given to the truth."""
    return _said(part) if part.is_defect else 1 - _said(part)


def _sureness(part: JudgedPart) -> float:
    return -max(part.prediction.class_probabilities, default=0.0)


def _escaped(part: JudgedPart) -> bool:
    return part.is_defect and part.verdict.outcome is Outcome.PASS


def _overkilled(part: JudgedPart) -> bool:
    return not part.is_defect and part.verdict.outcome is Outcome.REJECT


def _found(part: JudgedPart) -> bool:
    return part.is_defect and part.verdict.outcome is Outcome.REJECT


def _reviewed(part: JudgedPart) -> bool:
    return part.verdict.outcome is Outcome.REVIEW


def _misnamed(part: JudgedPart) -> bool:
    return part.is_defect and part.verdict.outcome is Outcome.REJECT and part.prediction.label != part.sample.label
