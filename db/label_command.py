"""`inspector label tasks|add|import|repeat`: what persons say of parts, without a screen."""

from __future__ import annotations

import argparse
import csv
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from inspector.errors import LabelRefused, UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection

HELP = "label parts: what is asked, single labels, sheets of labels, and blind repeats"
COLUMNS = ("task", "part", "image", "label", "note")

# SQLAlchemy is loaded by the action and not by this module: `inspector --help` imports every command.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _tasks_arguments(verbs.add_parser("tasks", help="write a sheet of the parts that a person is asked to label"))
    add = verbs.add_parser("add", help="label one part")
    add.add_argument("part", metavar="PART", help="its id")
    add.add_argument("label", metavar="LABEL", help="what it is: good, or a class of defect")
    add.add_argument("--note", default="", metavar="WORDS")
    add.add_argument("--correct", action="store_true", help="supersede this person's last label of the part")
    sheet = verbs.add_parser("import", help="take in a sheet: every row, or none and a list of its faults")
    sheet.add_argument("file", type=Path, metavar="FILE", help="CSV with columns part, label, and maybe by, at, note")
    repeat = verbs.add_parser("repeat", help="draw parts labelled blind, to be shown again to each of some persons")
    repeat.add_argument("--share", type=float, required=True, metavar="S", help="probability to be drawn, 0 to 1")
    repeat.add_argument("--by", required=True, action="append", metavar="NAME", help="who is asked; may be repeated")
    for verb, action in ((add, _add), (sheet, _import), (repeat, _repeat)):
        verb.set_defaults(run=action)
        _add_database(verb)
    add.add_argument("--by", required=True, metavar="NAME", help="who says so")
    sheet.add_argument("--by", metavar="NAME", help="who says so, where the sheet has no column by")
    for verb in (add, sheet):
        verb.add_argument("--blind", action="store_true", help="given without knowing what the machine or others said")
        verb.add_argument("--new", action="store_true", help="allow a class that the bundle does not know")


def _tasks_arguments(tasks: argparse.ArgumentParser) -> None:
    tasks.add_argument("--by", required=True, metavar="NAME", help="who will label")
    tasks.add_argument("--csv", type=Path, metavar="FILE", help="where the sheet goes; unset: standard output")
    tasks.add_argument("--images", type=Path, metavar="DIR", help="root of the image store, for whole paths")
    _add_database(tasks)
    tasks.set_defaults(run=_tasks)


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database", metavar="URL", help="URL or SQLite file (default: INSPECTOR_DATABASE, else inspector.sqlite)"
    )


def run(args: argparse.Namespace) -> int:
    """Never reached: a verb is required, and each sets its own."""
    raise AssertionError(args)


def _tasks(args: argparse.Namespace) -> int:
    """Write the sheet in random order: the place of a part tells nothing, and neither why nor what is told."""
    from db.labels import open_tasks
    from inspector.draws import in_drawn_order

    with _transaction(args.database) as connection:
        asked = {task.part_id: task for task in open_tasks(connection, args.by)}
    rows = []
    for part_id in in_drawn_order(secrets.token_bytes(32), list(asked)):
        task = asked[part_id]
        image = "" if task.image is None else str(args.images / task.image) if args.images else task.image
        rows.append((str(task.task_id), str(part_id), image, "", ""))
    with _sheet(args.csv) as write:
        write(COLUMNS)
        for row in rows:
            write(row)
    if args.csv:
        print(f"{args.csv}: {len(rows)} parts for {args.by} to label; fill in the column label, then `label import`")
    return 0


@contextmanager
def _sheet(path: Path | None) -> Iterator[Callable[[tuple[str, ...]], object]]:
    if path is None:
        yield csv.writer(sys.stdout, lineterminator="\n").writerow
        return
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            yield csv.writer(stream, lineterminator="\n").writerow
    except OSError as error:
        raise UserError(f"--csv {path}: cannot be written ({error.strerror})") from error


def _add(args: argparse.Namespace) -> int:
    from db.labels import Label, add_label

    part_id = _part_id(args.part)
    with _transaction(args.database) as connection:
        label = Label(part_id, args.label, args.by, args.blind, args.note)
        task = add_label(connection, label, correct=args.correct, new_class=args.new)
    print(f"part {part_id}: {args.label}, says {args.by}" + (f"; answers task {task}" if task else ""))
    return 0


def _part_id(words: str) -> UUID:
    try:
        return UUID(words)
    except ValueError as error:
        raise LabelRefused(f"part {words!r}: expected its id, as 019a2b3c-...") from error


def _import(args: argparse.Namespace) -> int:
    from db.label_sheet import read_sheet
    from db.labels import add_label

    labels, left = read_sheet(args.file, args.by, args.blind)
    answered, faults = 0, []
    with _transaction(args.database) as connection:
        for row, label in labels:
            try:
                answered += add_label(connection, label, new_class=args.new) is not None
            except LabelRefused as error:
                faults.append(f"row {row}: {error}")
        if faults:
            raise LabelRefused(f"{args.file}: nothing was taken in: {'; '.join(faults)}")
    print(f"{args.file}: {len(labels)} labels, {answered} of them answer a task; {left} rows without a label left out")
    return 0


def _repeat(args: argparse.Namespace) -> int:
    from db.labels import LabelTask, TaskKind, add_tasks, parts_labelled_blind
    from inspector.draws import draw_repeats

    if not 0 < args.share <= 1:
        raise UserError(f"--share {args.share:g}: expected more than 0 and at most 1")
    with _transaction(args.database) as connection:
        parts = parts_labelled_blind(connection)
        if not parts:
            raise UserError("repeat: no part with a picture has a blind label; expected some to show again")
        drawn = draw_repeats(secrets.token_bytes(32), parts, args.share)
        asked = sorted(set(args.by))
        add_tasks(
            connection,
            [LabelTask(part, TaskKind.REPEAT, person, args.share) for part in drawn for person in asked],
        )
    print(f"{len(drawn)} of {len(parts)} parts drawn to be shown again to {', '.join(asked)}")
    return 0


@contextmanager
def _transaction(database: str | None) -> Iterator[Connection]:
    """All or nothing, on the database that was named."""
    from db.engine import WRITES, default_url, open_engine, storage_errors

    engine = open_engine(database or default_url())
    try:
        with storage_errors(engine.url), engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                yield connection
    finally:
        engine.dispose()
