"""What the ledger is asked to write, and how it is written: many at a time, or one alone.

Everything here runs on the ledger's writer thread, inside a transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, TypeGuard
from uuid import UUID

from sqlalchemy import (
    Connection,
    Select,
    Table,
    and_,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
    StatementError,
)

from db.audit_log import LONGEST_PERSON, Change, record_change
from db.challenges import Hold, add_hold
from db.orders import Order, OrderStep, write_order, write_step
from db.outbox import Delivered, Subscription, advance, subscribe
from db.part_entries import Completion, NotThisPart, Opening, RowRefused, write_parts
from db.records import (
    Event,
    Row,
    Run,
    Severity,
    event_row,
    stratum_rows,
)
from db.recovery import Restart, recover
from db.servings import Served, write_serving
from db.shadow import ShadowVerdict, write_shadow
from db.tables import (
    AUDIT_STRATA,
    BUNDLES,
    EVENTS,
    INSPECTIONS,
    RECIPES,
    RUNS,
    STATIONS,
)
from inspector.values import NO_TAG, Outcome

# What a row itself can be to blame for. Everything else that a driver raises is the storage's fault and is retried.
ROW_FAULTS = (StatementError, ValueError, TypeError, OverflowError, AttributeError)
_ROW_FAULTS_OF_DRIVER = (IntegrityError, DataError, ProgrammingError, InterfaceError, NotSupportedError)


@dataclass(frozen=True, slots=True)
class RunStart:
    run: Run
    served: Served | None = None


@dataclass(frozen=True, slots=True)
class RunEnd:
    run_id: UUID
    clean: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Occurrence:
    event: Event


Entry = (
    RunStart
    | RunEnd
    | Opening
    | Completion
    | Occurrence
    | Restart
    | Subscription
    | Delivered
    | Order
    | OrderStep
    | ShadowVerdict
    | Hold
)


def write_together(connection: Connection, entries: Iterable[Entry]) -> list[Any]:
    """Write all, parts by the statement and not by the row; return each one's answer.

    Raises:
        RowRefused or one of `ROW_FAULTS`: at least one of them cannot be written; nobody says which.
    """
    answers: list[Any] = []
    for _, group in groupby(entries, key=_is_part):
        together = list(group)
        parts = [entry for entry in together if _is_part(entry)]
        if parts:
            answers += write_parts(connection, parts)
        else:
            answers += [write_one(connection, entry) for entry in together]
    return answers


def write_alone(connection: Connection, entry: Entry) -> Any:
    """Write one; the answer is a RowRefused, and nothing of it is written, where the row itself is to blame.

    The part of a completion that is refused for good is closed all the same, NOT_INSPECTED for that reason, with an
    alarm: left open, it would hold up every output behind it.
    """
    answer = _try(connection, entry)
    if not isinstance(entry, Completion) or not isinstance(answer, RowRefused) or isinstance(answer, NotThisPart):
        return answer
    for plain in _plainer(entry, answer):
        if not isinstance(_try(connection, plain), RowRefused):
            alarm = f"part {entry.record.trigger} of run {entry.record.run_id} is NOT_INSPECTED: {answer}"
            _record_event(connection, Event(entry.record.station, Severity.ALARM, "record refused", alarm, entry.at))
            return RowRefused(alarm)
    return answer


def _try(connection: Connection, entry: Entry) -> Any:
    try:
        with connection.begin_nested():
            return write_one(connection, entry)
    except RowRefused as error:
        return error
    except ROW_FAULTS as error:
        if not is_row_fault(error):
            raise
        return _refusal(entry, error)


def write_one(connection: Connection, entry: Entry) -> Any:
    match entry:
        case Opening() | Completion():
            return write_parts(connection, [entry])[0]
        case RunStart(run, served):
            return _start_run(connection, run, served)
        case RunEnd():
            return _end_run(connection, entry)
        case Occurrence(event):
            return _record_event(connection, event)
        case Restart():
            return recover(connection, entry)
        case Subscription() | Delivered():
            return _write_cursor(connection, entry)
        case Order() | OrderStep() | ShadowVerdict() | Hold():
            return _write_change(connection, entry)


def _write_cursor(connection: Connection, entry: Subscription | Delivered) -> Any:
    return subscribe(connection, entry) if isinstance(entry, Subscription) else advance(connection, entry)


def _write_change(connection: Connection, entry: Order | OrderStep | ShadowVerdict | Hold) -> int | None:
    match entry:
        case Order():
            return write_order(connection, entry)
        case OrderStep():
            write_step(connection, entry)
        case ShadowVerdict():
            write_shadow(connection, [entry])
        case Hold():
            add_hold(connection, entry)
    return None


def _plainer(entry: Completion, refused: RowRefused) -> Iterator[Completion]:
    """The completion with nothing in it but why it was refused; at last also without the part's names."""
    bare = replace(
        entry.record,
        outcome=Outcome.NOT_INSPECTED,
        reasons=(
            f"the ledger refused the record of this part, on which the line acted as {entry.record.outcome}: {refused}",
        ),
        label=None,
        defect_probability=None,
        latency_ms=None,
        completed_at=entry.at,
        image_sha256=None,
        views=(),
        challenge_met=None,
    )
    yield Completion(bare, None, entry.at)
    yield Completion(replace(bare, tag=NO_TAG), None, entry.at)


def _refusal(entry: Entry, error: BaseException) -> RowRefused:
    refused = RowRefused(f"{type(entry).__name__.lower()} refused: {first_line(error)}")
    refused.__cause__ = error
    return refused


def _is_part(entry: Entry) -> TypeGuard[Opening | Completion]:
    return isinstance(entry, Opening | Completion)


def is_row_fault(error: BaseException) -> bool:
    return not isinstance(error, DBAPIError) or isinstance(error, _ROW_FAULTS_OF_DRIVER)


def _start_run(connection: Connection, run: Run, served: Served | None) -> UUID:
    recipe = {"name": run.recipe, "revision": run.recipe_revision, "text": run.recipe_text}
    bundle = {
        "bundle_id": run.bundle_id,
        "task": run.task,
        "classes": list(run.classes),
        "manifest": dict(run.manifest),
    }
    connection.execute(insert_new(connection, STATIONS), {"name": run.station})
    before = connection.execute(_latest_recipe(run)).first()
    if _is_new(connection, RECIPES, recipe):
        old = {"revision": before.revision, "text": before.text} if before else None
        new = {"revision": run.recipe_revision, "text": run.recipe_text}
        record_change(connection, _first_run(run, f"recipe {run.recipe}", old, new))
    if _is_new(connection, BUNDLES, bundle):
        record_change(connection, _first_run(run, f"bundle {run.bundle_id}", None, {"task": run.task}))
    row = {
        "run_id": run.run_id,
        "station": run.station,
        "recipe": run.recipe,
        "recipe_revision": run.recipe_revision,
        "bundle_id": run.bundle_id,
        "started_at": run.started_at,
    }
    connection.execute(insert(RUNS), row)
    if run.audit:
        connection.execute(insert(AUDIT_STRATA), stratum_rows(run))
    if served is not None:
        write_serving(connection, run, served)
    return run.run_id


def _first_run(run: Run, subject: str, old: Row | None, new: Row) -> Change:
    """A recipe or a bundle that this database had not seen: the line's limits may be others from now on."""
    return Change(f"station {run.station}"[:LONGEST_PERSON], "first run", subject[:300], "", old, new, run.started_at)


def _latest_recipe(run: Run) -> Select[Any]:
    """What the station ran last under the recipe's name."""
    of_run = and_(RECIPES.c.name == RUNS.c.recipe, RECIPES.c.revision == RUNS.c.recipe_revision)
    query = select(RECIPES.c.revision, RECIPES.c.text).join(RUNS, of_run)
    mine = and_(RUNS.c.station == run.station, RUNS.c.recipe == run.recipe)
    return query.where(mine).order_by(RUNS.c.started_at.desc()).limit(1)


def _end_run(connection: Connection, entry: RunEnd) -> None:
    is_open = and_(INSPECTIONS.c.run_id == entry.run_id, INSPECTIONS.c.outcome.is_(None))
    open_parts = connection.execute(select(func.count()).where(is_open)).scalar_one()
    if entry.clean and open_parts:
        raise RowRefused(f"run {entry.run_id} still has {open_parts} open parts; it cannot end clean")
    running = and_(RUNS.c.run_id == entry.run_id, RUNS.c.ended_at.is_(None))
    if not connection.execute(update(RUNS).where(running).values(ended_at=entry.at, clean=entry.clean)).rowcount:
        raise RowRefused(f"run {entry.run_id} was never started, or has ended")


def _record_event(connection: Connection, event: Event) -> None:
    connection.execute(insert_new(connection, STATIONS), {"name": event.station})
    connection.execute(insert(EVENTS), event_row(event))


def _is_new(connection: Connection, table: Table, row: Row) -> bool:
    """Write a row whose key is not there yet; whether it was not."""
    statement = insert_new(connection, table)
    return connection.execute(statement, row, execution_options={"preserve_rowcount": True}).rowcount == 1


def insert_new(connection: Connection, table: Table, keys: Sequence[str] | None = None) -> Any:
    """An insert that leaves a row be whose key is there already; given `keys`, any other clash is an error."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing(index_elements=keys)


def first_line(error: BaseException) -> str:
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    return f"{cause}".strip().partition("\n")[0]
