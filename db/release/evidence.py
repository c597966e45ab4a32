"""What is seen of a release: at its stations' ledgers what was said of parts, in its own database what persons said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, and_, func, or_, select

from db.entries import insert_new
from db.labels import TaskKind, current
from db.order_tables import ORDERS, SERVINGS, SHADOW_VERDICTS
from db.records import Severity, utc_now
from db.release.rows import Release
from db.tables import EVENTS, FINDINGS, INSPECTIONS, IS_PRODUCTION, LABEL_TASKS, LABELS, RUNS
from inspector.release.comparison import Comparison, Disputed
from inspector.values import Outcome

STRATUM = "shadow"
"""Of the tasks by which disputed parts are labelled."""
_FEW = 500
"""Ids in one statement."""
_HELD = "held"
"""Reasons of a part that nobody inspected, since the line was held, begin so."""


@dataclass(frozen=True, slots=True)
class JudgedTwice:
    """A part that the serving bundle and the one in the shadow have judged."""

    part_id: UUID
    stopped_by_serving: bool
    stopped_by_candidate: bool

    @property
    def disputed(self) -> bool:
        return self.stopped_by_serving != self.stopped_by_candidate


def judged_twice(connection: Connection, release: Release, since: datetime) -> list[JudgedTwice]:
    """The first parts of which every view was judged by both, as many as are compared; from a station's ledger."""
    views = select(func.count()).where(FINDINGS.c.part_id == INSPECTIONS.c.part_id).scalar_subquery()
    query = (
        select(
            INSPECTIONS.c.part_id, INSPECTIONS.c.outcome, SHADOW_VERDICTS.c.outcome.label("said"), views.label("views")
        )
        .join(SHADOW_VERDICTS, SHADOW_VERDICTS.c.part_id == INSPECTIONS.c.part_id)
        .where(SHADOW_VERDICTS.c.bundle_id == release.bundle_id, _at_first(release, since))
        .where(INSPECTIONS.c.outcome != Outcome.NOT_INSPECTED.value)
        .order_by(INSPECTIONS.c.part_id)
    )
    found: list[JudgedTwice] = []
    for part_id, rows in groupby(connection.execute(query), key=lambda row: row.part_id):
        said = list(rows)
        if len(said) < said[0].views:
            continue
        stopped = any(row.said != Outcome.PASS.value for row in said)
        found.append(JudgedTwice(part_id, said[0].outcome != Outcome.PASS.value, stopped))
        if len(found) == release.settings.shadow.parts:
            break
    return found


def comparison_of(connection: Connection, pairs: Sequence[JudgedTwice]) -> Comparison:
    """Sum both up, with what persons said blind of disputed parts in the database of the release."""
    said = _said_blind(connection, [pair.part_id for pair in pairs if pair.disputed])
    mine = [said.get(pair.part_id) for pair in pairs if pair.disputed and pair.stopped_by_candidate]
    others = [said.get(pair.part_id) for pair in pairs if pair.disputed and pair.stopped_by_serving]
    stopped = sum(pair.stopped_by_serving for pair in pairs)
    return Comparison(len(pairs), stopped, _disputed(mine), _disputed(others))


def _disputed(said: Sequence[bool | None]) -> Disputed:
    return Disputed(said.count(True), said.count(False), said.count(None))


def unasked(connection: Connection, release: Release, pairs: Iterable[JudgedTwice]) -> list[UUID]:
    """Disputed parts that are known here, have a picture, and that nobody is asked about yet."""
    tasks = {_task_id(release, pair.part_id): pair.part_id for pair in pairs if pair.disputed}
    found: list[UUID] = []
    for few in _chunks(list(tasks)):
        asked = set(connection.scalars(select(LABEL_TASKS.c.task_id).where(LABEL_TASKS.c.task_id.in_(few))))
        ids = [tasks[task_id] for task_id in few if task_id not in asked]
        shown = INSPECTIONS.c.image_sha256.is_not(None)
        found += connection.scalars(select(INSPECTIONS.c.part_id).where(INSPECTIONS.c.part_id.in_(ids), shown))
    return found


def ask_about(connection: Connection, release: Release, part_ids: Iterable[UUID]) -> None:
    """Ask anybody for a blind label of each part; one that is asked for already stays as it is."""
    for part_id in part_ids:
        task = {"task_id": _task_id(release, part_id), "part_id": part_id, "kind": TaskKind.REPEAT.value}
        task |= {"person": None, "inclusion_probability": 1.0, "stratum": STRATUM, "created_at": utc_now()}
        connection.execute(insert_new(connection, LABEL_TASKS, ["task_id"]), task)


def _task_id(release: Release, part_id: UUID) -> UUID:
    return uuid5(release.release_id, part_id.hex)


def _said_blind(connection: Connection, part_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Whether a part is defective, where all who labelled it blind agree."""
    said: dict[UUID, set[bool]] = {}
    for few in _chunks(part_ids):
        rows = connection.execute(select(LABELS).where(LABELS.c.part_id.in_(few))).all()
        for row in current(rows):
            if row.blind:
                said.setdefault(row.part_id, set()).add(row.is_defect)
    return {part_id: answers.pop() for part_id, answers in said.items() if len(answers) == 1}


def stopped_since(connection: Connection, release: Release, since: datetime) -> tuple[bool, ...]:
    """Of each part that the candidate was to judge at the first station: it did not pass. A held line has none."""
    query = select(INSPECTIONS.c.outcome, INSPECTIONS.c.reasons).where(_by_candidate(release, since))
    rows = connection.execute(query.order_by(INSPECTIONS.c.part_id))
    judged = (row for row in rows if not any(words.startswith(_HELD) for words in row.reasons))
    wanted = release.settings.watch.parts
    return tuple(row.outcome != Outcome.PASS.value for row, _ in zip(judged, range(wanted), strict=False))


def missed_since(connection: Connection, release: Release, since: datetime) -> tuple[str, ...]:
    """Parts of known truth that the candidate judged wrong."""
    mine = and_(INSPECTIONS.c.station == release.settings.first, INSPECTIONS.c.bundle_id == release.bundle_id)
    query = select(INSPECTIONS.c.part_id, INSPECTIONS.c.serial, INSPECTIONS.c.outcome).where(
        mine, INSPECTIONS.c.triggered_at >= since, INSPECTIONS.c.challenge_met.is_(False)
    )
    return tuple(f"challenge part {row.serial or row.part_id}: {row.outcome}" for row in connection.execute(query))


def drift_since(connection: Connection, release: Release, since: datetime) -> tuple[str, ...]:
    """Drift alarms of the first station."""
    alarms = and_(EVENTS.c.severity == Severity.ALARM.value, EVENTS.c.kind == "drift_alarm")
    here = and_(EVENTS.c.station == release.settings.first, EVENTS.c.at >= since)
    return tuple(connection.scalars(select(EVENTS.c.message).where(alarms, here).order_by(EVENTS.c.at)))


def escaped_since(connection: Connection, release: Release, since: datetime) -> tuple[bool, ...]:
    """Of each pass of the candidate that was drawn and labelled blind: it is defective. Oldest label first."""
    query = (
        select(LABELS.c.label_id, LABELS.c.task_id, LABELS.c.supersedes, LABELS.c.is_defect)
        .join(LABEL_TASKS, LABEL_TASKS.c.task_id == LABELS.c.task_id)
        .join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
        .where(LABEL_TASKS.c.kind == TaskKind.AUDIT.value, LABELS.c.blind.is_(True), _by_candidate(release, since))
        .order_by(LABELS.c.at, LABELS.c.label_id)
    )
    return tuple(row.is_defect for row in current(connection.execute(query)))


def started_since(connection: Connection, station: str, since: datetime) -> bool:
    """Tell whether a station was started anew: a run began since then that no order of since then made."""
    joined = RUNS.join(SERVINGS, SERVINGS.c.run_id == RUNS.c.run_id)
    joined = joined.outerjoin(ORDERS, ORDERS.c.number == SERVINGS.c.order_number)
    by_none = or_(ORDERS.c.number.is_(None), ORDERS.c.settled_at <= since)
    query = select(RUNS.c.run_id).select_from(joined)
    begun = query.where(RUNS.c.station == station, RUNS.c.started_at > since, by_none)
    return connection.execute(begun.limit(1)).first() is not None


def _at_first(release: Release, since: datetime) -> Any:
    here = and_(INSPECTIONS.c.station == release.settings.first, INSPECTIONS.c.recipe == release.recipe)
    return and_(here, INSPECTIONS.c.triggered_at >= since, INSPECTIONS.c.outcome.is_not(None), IS_PRODUCTION)


def _by_candidate(release: Release, since: datetime) -> Any:
    return and_(_at_first(release, since), INSPECTIONS.c.bundle_id == release.bundle_id)


def _chunks(part_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(part_ids), _FEW):
        yield part_ids[start : start + _FEW]
