"""One self-contained HTML file on how good a bundle is: rates with bounds, plots, slices, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspector.bundle import Manifest
from inspector.calibration.reliability import BINS
from inspector.evaluation import calibration_of
from inspector.figures import Figures, JudgedPart
from inspector.reporting import Evaluation
from inspector.risk import Rate
from inspector.values import Outcome
from station import pages
from station.demo.figures import bins_of
from station.demo.look import LOOKS
from station.evaluation.curves import curves
from station.evaluation.mistakes import mistakes
from station.evaluation.pictures import seen_picture, true_picture

_HEADLINES = {"classify": "accuracy", "detect": "map50", "segment": "dice", "anomaly": "image_auroc", "embed": "auroc"}
_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "F1, mean over classes",
    "auroc": "AUROC, good against defective",
    "ece": "calibration error (ECE) of the named class",
    "defect_ece": "calibration error (ECE) of the defect probability",
    "brier": "Brier score",
    "map33": "mean AP at IoU 0.33",
    "map50": "mean AP at IoU 0.5",
    "map50_95": "mean AP at IoU 0.5 to 0.95",
    "boxes": "true boxes",
    "spurious_per_part": "wrong boxes per part",
    "dice": "Dice, mean over defective parts",
    "dice_n": "parts with a mask",
    "miou": "IoU, mean of defective and sound pixels",
    "aupro": "AUPRO",
    "pixel_auroc": "AUROC of pixels",
    "image_auroc": "AUROC of parts",
    "image_ap": "average precision of parts",
}
_ELSEWHERE = {"n", "review_rate", "seconds_per_image"}
"""Numbers that have a place of their own on the page."""
_MOST_ROWS = 40
_LEAST_IN_BIN = 8


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The parts of one label: how they came out, and how many came out wrong, with a bound."""

    label: str
    is_defect: bool
    n: int
    outcomes: Mapping[Outcome, int]
    wrong: Rate


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One value of a slice."""

    value: str
    n: int
    escape: Rate | None
    overkill: Rate | None
    review: Rate
    stands_out: tuple[str, ...]
    """Which of its rates are above the whole set's, beyond chance."""


@dataclass(frozen=True, slots=True)
class SliceTable:
    name: str
    rows: tuple[SliceRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A part with its pictures, base64 of JPEGs."""

    part: JudgedPart
    mark: str
    truth: str
    seen: str | None


@dataclass(frozen=True, slots=True)
class Gallery:
    title: str
    note: str
    parts: tuple[Exhibit, ...]


def require_packages() -> None:
    """Raise UserError, saying what to install, where jinja2 or matplotlib is missing."""
    pages.require_packages("leave out --html")


def write_report(evaluation: Evaluation, out: Path) -> None:
    """Write the page; raise UserError where it cannot be written."""
    from station.evaluation import plots

    parts, manifest, figures = evaluation.parts, evaluation.manifest, evaluation.figures
    said = [(part.prediction.defect_probability, part.is_defect) for part in parts]
    bins = bins_of(said, max(1, min(BINS, len(parts) // _LEAST_IN_BIN)))
    seconds = [part.seconds for part in parts]
    page = pages.render(
        "evaluation/report.html.j2",
        evaluation=evaluation,
        looks=LOOKS,
        rates=_rates(parts),
        headline=_headline(figures, manifest),
        numbers=_numbers(figures) + _trust(parts),
        times_ms=tuple(1e3 * float(np.quantile(seconds, q, method="inverted_cdf")) for q in (0.5, 0.99)),
        plots={
            "scores": plots.score_plot(parts, evaluation.policy),
            "reliability": plots.reliability_plot(bins),
            "curves": plots.curve_plot(curves(parts, manifest)),
            "seconds": plots.seconds_plot(seconds),
        },
        bins=bins,
        confusion=figures.get("confusion"),
        by_class=class_rows(parts),
        per_class=_per_class(figures),
        slices=slice_tables(figures),
        galleries=_galleries(parts, manifest),
        facts=_facts(evaluation),
    )
    pages.write(page, out)


def class_rows(parts: Sequence[JudgedPart]) -> list[ClassRow]:
    """Return one row per label of the data set, the good ones first."""
    labels = sorted({(part.is_defect, part.sample.label) for part in parts})
    return [_class_row(label, is_defect, [p for p in parts if p.sample.label == label]) for is_defect, label in labels]


def _class_row(label: str, is_defect: bool, parts: Sequence[JudgedPart]) -> ClassRow:
    outcomes = {outcome: sum(part.verdict.outcome is outcome for part in parts) for outcome in Outcome}
    wrong = outcomes[Outcome.PASS if is_defect else Outcome.REJECT]
    return ClassRow(label, is_defect, len(parts), outcomes, Rate(wrong, len(parts)))


def slice_tables(figures: Figures) -> list[SliceTable]:
    """Return the slices for the page; of a slice with very many values the worst are shown."""
    slices = figures.get("slices")
    if not isinstance(slices, Mapping):
        return []
    whole = {name: _rate(figures[name]) for name in ("escape", "overkill")}
    tables = []
    for name, entries in slices.items():
        rows = [_slice_row(entry, whole) for entry in entries]
        if len(rows) > _MOST_ROWS:
            rows = sorted(rows, key=lambda row: -(_count(row.escape) + _count(row.overkill)))
        tables.append(SliceTable(name, tuple(rows[:_MOST_ROWS]), max(0, len(rows) - _MOST_ROWS)))
    return tables


def _slice_row(entry: Mapping[str, object], whole: Mapping[str, Rate | None]) -> SliceRow:
    rates = {name: _rate(entry[name]) for name in whole}
    n, review_rate = int(str(entry["n"])), float(str(entry["review_rate"]))
    stands_out = tuple(name for name, rate in rates.items() if rate and (of := whole[name]) and rate.lower() > of.value)
    review = Rate(round(review_rate * n), n)
    return SliceRow(str(entry["value"]), n, rates["escape"], rates["overkill"], review, stands_out)


def _rate(entry: object) -> Rate | None:
    return Rate(entry["count"], entry["n"]) if isinstance(entry, Mapping) else None


def _count(rate: Rate | None) -> int:
    return rate.count if rate else 0


def _rates(parts: Sequence[JudgedPart]) -> dict[str, Rate | None]:
    defective = [part.verdict.outcome is Outcome.PASS for part in parts if part.is_defect]
    good = [part.verdict.outcome is Outcome.REJECT for part in parts if not part.is_defect]
    review = [part.verdict.outcome is Outcome.REVIEW for part in parts]
    lists = {"escape": defective, "overkill": good, "review": review}
    return {name: Rate(sum(events), len(events)) if events else None for name, events in lists.items()}


def _headline(figures: Figures, manifest: Manifest) -> tuple[str, str, str]:
    """Return the task's first figure: its value, its name, and what to say below."""
    name = _HEADLINES[manifest.task]
    value = figures.get(name)
    note = figures.get(f"{name}_text")
    return f"{value:.4f}" if isinstance(value, float) else "not stated", _NAMES[name], str(note) if note else ""


def _trust(parts: Sequence[JudgedPart]) -> list[tuple[str, str]]:
    found = calibration_of(parts)
    return found.rows() if found else []


def _numbers(figures: Figures) -> list[tuple[str, str]]:
    shown = []
    for name, value in figures.items():
        if isinstance(value, bool) or name in _ELSEWHERE or name not in _NAMES:
            continue
        if value is None:
            shown.append((_NAMES[name], "undefined on these parts"))
        elif isinstance(value, int | float):
            shown.append((_NAMES[name], str(value) if isinstance(value, int) else f"{value:.4f}"))
    return shown


def _per_class(figures: Figures) -> tuple[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] | None:
    """Return the task's table by class, where it has one: its columns, and the rows as text."""
    table = figures.get("per_class")
    if not isinstance(table, Mapping) or not table:
        return None
    columns = tuple(next(iter(table.values())))
    return columns, [(label, tuple(_shown(entry[column]) for column in columns)) for label, entry in table.items()]


def _shown(value: object) -> str:
    return "undefined" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _galleries(parts: Sequence[JudgedPart], manifest: Manifest) -> list[Gallery]:
    galleries = []
    for kind in mistakes(parts, manifest):
        marks = kind.marks or ("",) * len(kind.parts)
        shown = zip(kind.parts, marks, strict=True)
        exhibits = tuple(Exhibit(part, mark, true_picture(part), seen_picture(part, manifest)) for part, mark in shown)
        note = f"{kind.note}; {len(exhibits)} of {kind.n} shown" if kind.n > len(exhibits) else kind.note
        galleries.append(Gallery(kind.title, note, exhibits))
    return galleries


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    figures, policy, manifest = evaluation.figures, evaluation.policy, evaluation.manifest
    limits = f"pass below {policy.pass_below:.6g}, reject from {policy.reject_above:.6g}; {policy.origin}"
    return [
        ("bundle", str(figures["bundle"])),
        ("task", f"{manifest.task}; classes {', '.join(manifest.classes)}"),
        ("input", f"{manifest.input.width} x {manifest.input.height} px"),
        ("data set", f"{figures['dataset']}, split {figures['split']}"),
        ("trained on", f"{manifest.lineage.dataset} ({manifest.lineage.dataset_hash[:16]})"),
        ("policy", limits),
        *((name, value) for name, value in evaluation.runtime.items()),
    ]
