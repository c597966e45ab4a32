"""`inspector dataset check`: counts, faults and suspects of a labelled folder, before anything is learnt from it.

Exit status 0: no fault (there may be warnings; `--strict` makes them count: status 1). 2: a folder that cannot be
read, or faults, with one line on stderr. The report is printed and written in every case but the first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.progress import Progress

from inspector.dataset import Dataset, Sample, read_dataset
from inspector.errors import DatasetError, UserError
from training.dataset_check import alike, counting, looking
from training.dataset_check.looking import Look
from training.dataset_check.remarks import Remark, Severity, warning
from training.dataset_check.report import Report, summary_of
from training.dataset_check.suspects import LabelCheck, Suspect

HELP = "check a labelled folder: counts, unreadable files, wrong masks and boxes, near-duplicates, label errors"
NEEDED_FOR_LABELS = ("torch", "sklearn", "cleanlab")
UNCHECKED = LabelCheck(foretold={}, not_judged=(), suspects=())
Step = Callable[[str, int], Callable[[int], None]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    check = verbs.add_parser("check", help="report what is wrong", description=HELP, epilog=__doc__)
    check.add_argument("dataset", type=Path, metavar="DATASET", help="labelled folder, in any layout that train reads")
    check.add_argument("--good", default="good", metavar="LABEL,...", help="labels of defect-free parts (good)")
    check.add_argument("--html", type=Path, metavar="FILE", help="write a contact sheet with the suspects")
    check.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    check.add_argument("--no-labels", action="store_true", help="do not look for label errors, which takes longest")
    check.add_argument("--strict", action="store_true", help="exit with 1 where there are warnings and no fault")
    check.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    good = tuple(name.strip() for name in args.good.split(",") if name.strip())
    _require_folders(args.json, args.html)
    dataset = read_dataset(args.dataset, good=good)
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:

        def step(words: str, total: int) -> Callable[[int], None]:
            bar = progress.add_task(words, total=total)
            return lambda done: progress.update(bar, completed=done)

        report = check(dataset, step, labels=not args.no_labels)
    print("\n".join(summary_of(report)))
    _write(args, report, dataset.rows)
    if report.faults:
        first = next(remark for remark in report.remarks if remark.severity is Severity.FAULT)
        where = f" ({first.pictures[0]})" if first.pictures else ""
        raise DatasetError(f"{args.dataset}: {report.faults} faults; the first: {first.text}{where}")
    return 1 if args.strict and report.warnings else 0


def check(dataset: Dataset, step: Step, *, labels: bool) -> Report:
    """Look at everything; `step(words, total)` begins a step and returns what is told how much of it is done."""
    looks = looking.look_at_all(dataset, step("looking at pictures", len(dataset.rows)))
    pairs = alike.find_pairs(looks)
    counts = counting.count(dataset, looks)
    labels = labels and all(find_spec(name) for name in NEEDED_FOR_LABELS)
    checked, more = _by_features(looks, dataset.good, step) if labels else (UNCHECKED, [])
    known = {(pair.first, pair.second) for pair in pairs}
    pairs = [*pairs, *(pair for pair in more if (pair.first, pair.second) not in known)]
    remarks = (
        *counting.remarks_on(counts),
        *(remark for seen in looks for remark in seen.remarks),
        *looking.odd_sizes(looks),
        *looking.unmasked(dataset, looks),
        *alike.remarks_on(pairs),
        *(_remark(suspect) for suspect in checked.suspects),
    )
    return Report(
        dataset=str(dataset.folder),
        layout=dataset.layout,
        content_hash=dataset.content_hash,
        good=dataset.good,
        notes=dataset.notes,
        n=len(dataset.rows),
        counts=counts,
        faults=sum(remark.severity is Severity.FAULT for remark in remarks),
        warnings=sum(remark.severity is Severity.WARNING for remark in remarks),
        remarks=remarks,
        near_duplicates=tuple(pairs),
        suspects=checked.suspects,
        labels_checked=labels,
        foretold=checked.foretold,
        not_judged=checked.not_judged,
    )


def _by_features(looks: Sequence[Look], good: Sequence[str], step: Step) -> tuple[LabelCheck, list[alike.Pair]]:
    from training.dataset_check.features import features_of
    from training.dataset_check.suspects import check_labels

    readable = [seen for seen in looks if seen.size[0]]
    paths = [seen.sample.path for seen in readable]
    if len(paths) < 2:
        return UNCHECKED, []
    features = features_of(paths, step("comparing pictures", len(paths)))
    checked = check_labels([seen.sample for seen in readable], features, good)
    return checked, alike.pairs_across_splits(readable, features)


def _remark(suspect: Suspect) -> Remark:
    text = (
        f"labelled {suspect.label} ({suspect.given_probability:.2f}), looks like {suspect.likelier} "
        f"({suspect.likelier_probability:.2f})"
    )
    return warning("label", text, suspect.picture)


def _require_folders(*files: Path | None) -> None:
    """Say at once, not after minutes, that a report cannot be written."""
    for file in filter(None, files):
        if not file.parent.is_dir():
            raise UserError(f"{file}: expected a file in an existing folder; {file.parent} is none")


def _write(args: argparse.Namespace, report: Report, samples: Sequence[Sample]) -> None:
    if args.json:
        try:
            args.json.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{args.json}: cannot be written ({error.strerror})") from error
    if args.html:
        from training.dataset_check.sheet import write_sheet

        write_sheet(args.html, report, samples)
    for written in filter(None, (args.json, args.html)):
        print(f"written: {written}")
