"""The whole answer of the check: what `--json` holds, documented and stable."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from inspector.documents import Document
from training.dataset_check.alike import Pair
from training.dataset_check.counting import Counts
from training.dataset_check.remarks import Remark, Severity
from training.dataset_check.suspects import Suspect


class Report(Document):
    """A data set, counted and looked at."""

    dataset: str
    layout: str = Field(description="which layout the folder was recognised as")
    content_hash: str
    good: tuple[str, ...]
    notes: tuple[str, ...] = Field(description="what the reader decided where the folder does not say")
    n: int = Field(description="pictures")
    counts: Counts
    faults: int = Field(description="remarks of severity fault; the exit status is 2 where there are any")
    warnings: int = Field(description="remarks of severity warning")
    remarks: tuple[Remark, ...]
    near_duplicates: tuple[Pair, ...] = Field(description="also those inside a split, which are no fault")
    suspects: tuple[Suspect, ...]
    labels_checked: bool = Field(description="whether label errors were looked for (extra `training`, --no-labels)")
    foretold: dict[str, int] = Field(
        description="pictures of each label that were named so by fits without their group"
    )
    not_judged: tuple[str, ...] = Field(description="labels of too few groups for that")

    def straddling(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.near_duplicates if pair.straddles)

    def disagreeing(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.near_duplicates if pair.disagrees)

    def between_groups(self) -> tuple[Pair, ...]:
        """Pairs of one split in different groups: training parts its pictures by group once more."""
        return tuple(pair for pair in self.near_duplicates if not pair.straddles and not pair.same_group)


def summary_of(report: Report) -> list[str]:
    """Return the lines for the terminal, counts first."""
    lines = [f"{report.dataset}: {report.n} pictures, {report.layout} layout", *(f"  {note}" for note in report.notes)]
    lines += _table(report)
    if report.counts.several:
        lines.append(f"  several labels: {report.counts.several} pictures, which count for each")
    if all(n.is_defect for n in report.counts.classes.values()):
        lines.append(f"  good: none of these labels is {' or '.join(report.good)}; --good LABEL,... names others")
    if report.counts.boxes:
        lines.append("  boxes: " + ", ".join(f"{label} {count}" for label, count in report.counts.boxes.items()))
    sizes = report.counts.sizes
    lines.append(f"  sizes, px: {', '.join(f'{size} ({n})' for size, n in list(sizes.items())[:4])}")
    lines.append(
        f"  near-duplicates: {len(report.near_duplicates)} pairs; across splits {len(report.straddling())}, of other "
        f"groups of a split {len(report.between_groups())}, labelled differently {len(report.disagreeing())}"
    )
    looked = f"{len(report.suspects)}" if report.labels_checked else "not looked for"
    few = f" (too few groups to judge: {', '.join(report.not_judged)})" if report.not_judged else ""
    return [*lines, f"  suspected label errors: {looked}{few}", *_remark_lines(report)]


def _table(report: Report) -> list[str]:
    width = max(len(label) for label in report.counts.classes)
    judged = f" {'foretold':>9}" if report.foretold else ""
    lines = [f"  {'label':{width}} {'train':>7} {'val':>7} {'test':>7} {'groups':>7}{judged}"]
    for label, n in report.counts.classes.items():
        named = f" {report.foretold.get(label, '-'):>9}" if report.foretold else ""
        good = "" if n.is_defect else "  good"
        lines.append(f"  {label:{width}} {n.train:7} {n.val:7} {n.test:7} {n.groups:7}{named}{good}")
    return lines


def _remark_lines(report: Report) -> list[str]:
    """Faults first; of one kind at most five lines."""
    lines = []
    told: Counter[tuple[Severity, str]] = Counter()
    for remark in sorted(report.remarks, key=lambda each: each.severity is not Severity.FAULT):
        key = (remark.severity, remark.kind)
        told[key] += 1
        if told[key] <= 5:
            names = f": {', '.join(remark.pictures[:3])}" if remark.pictures else ""
            lines.append(f"{remark.severity}  {remark.kind:10} {remark.text}{names}")
    more = (f"{severity}  {kind:10} and {n - 5} more" for (severity, kind), n in told.items() if n > 5)
    return [*lines, *more]
