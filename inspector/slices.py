"""Escapes and overkill by slice: is a bundle as good on every exposure, every group and every size of defect?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from inspector.errors import UserError
from inspector.evaluation import policy_figures
from inspector.figures import JudgedPart
from inspector.samples import Sample
from inspector.truth import has_mask, read_boxes, read_mask

BUILTIN = ("label", "group", "size")
"""Slices of every data set; further ones are the extra columns of its index."""
MOST_VALUES = 12
BINS = 4
UNSTATED = "not stated"
SliceFigures = list[dict[str, object]]


def slice_figures(parts: Sequence[JudgedPart], names: Sequence[str]) -> dict[str, SliceFigures]:
    """Return, for each slice, its values in order with `value`, `n` and the figures of `policy_figures`.

    `size` is the share of the picture that is defective, after mask or boxes; good parts have none and are a value of
    their own. A column of more than 12 different numbers is cut at its quartiles.

    Raises:
        UserError: a name that no part knows; the message lists those that there are.
        DatasetError: a mask or a file of boxes that is not fit.
    """
    require_known(names, [part.sample for part in parts])
    return {name: _figures(_by_value(parts, name)) for name in names}


def require_known(names: Iterable[str], samples: Sequence[Sample]) -> None:
    """Raise UserError for a slice that these samples do not have: before they are inspected, and not after."""
    known = (*BUILTIN, *sorted({column for sample in samples for column in sample.extra}))
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"--slice {', '.join(unknown)}: unknown to this data set; expected of {', '.join(known)}")


def slice_lines(slices: object) -> list[str]:
    """Return `slice_figures` for a terminal, one line per value."""
    shown: list[str] = []
    for name, rows in slices.items() if isinstance(slices, Mapping) else ():
        shown.append(f"by {name}")
        for row in rows:
            rates = ((word, row[word]) for word in ("escape", "overkill"))
            texts = (f"{word} {rate['text']}" for word, rate in rates if rate is not None)
            shown.append(f"  {row['value']!s:20} {row['n']:5} parts  {'; '.join(texts)}")
    return shown


def _figures(by_value: Mapping[str, Sequence[JudgedPart]]) -> SliceFigures:
    return [{"value": value, "n": len(parts), **policy_figures(parts)} for value, parts in by_value.items()]


def _by_value(parts: Sequence[JudgedPart], name: str) -> dict[str, list[JudgedPart]]:
    values = [_value(part, name) for part in parts]
    numbers = [number for value in values if (number := _number(value)) is not None]
    is_size = name == "size"
    named = _cut(numbers, is_size) if numbers and (is_size or len(set(numbers)) > MOST_VALUES) else str
    groups: dict[str, list[JudgedPart]] = {}
    for value, part in sorted(zip(values, parts, strict=True), key=lambda pair: _order(pair[0])):
        groups.setdefault(named(value), []).append(part)
    return groups


def _value(part: JudgedPart, name: str) -> str:
    match name:
        case "label":
            return part.sample.label
        case "group":
            return part.sample.group
        case "size":
            return _size(part)
        case _:
            return part.sample.extra.get(name) or UNSTATED


def _size(part: JudgedPart) -> str:
    """Return the defective share of the picture as text, or a word where there is none or it is not known."""
    if not part.is_defect:
        return "good part"
    shape = (part.placement.frame_height, part.placement.frame_width)
    if has_mask(part.sample):
        return repr(float(read_mask(part.sample, shape).mean()))
    boxes = read_boxes(part.sample, shape).xyxy
    if not len(boxes):
        return UNSTATED
    covered = np.zeros(shape, np.bool_)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        covered[y1:y2, x1:x2] = True
    return repr(float(covered.mean()))


def _cut(numbers: Sequence[float], as_share: bool) -> Callable[[str], str]:
    """Return what names the quartile that a number is in; words keep their name."""
    edges = np.unique([*np.quantile(numbers, np.linspace(0, 1, BINS + 1))])
    edges = edges if len(edges) > 1 else np.repeat(edges, 2)
    names = [f"{_shown(low, as_share)} to {_shown(high, as_share)}" for low, high in pairwise(edges)]

    def named(value: str) -> str:
        number = _number(value)
        if number is None:
            return value
        return names[int(np.clip(np.searchsorted(edges, number, side="right") - 1, 0, len(names) - 1))]

    return named


def _shown(number: float, as_share: bool) -> str:
    return f"{100 * number:.3g} %" if as_share else f"{number:g}"


def _order(value: str) -> tuple[bool, float, str]:
    """Words first, then numbers by size."""
    number = _number(value)
    return (number is not None, number or 0.0, value)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
