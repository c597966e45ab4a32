from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, delete, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from db.engine import open_engine
from db.label_queries import Window, audit, ratings, stopped
from db.labels import Label, LabelTask, TaskKind, add_label, add_tasks, open_tasks, parts_labelled_blind
from db.ledger import Ledger, RowRefused
from db.schema import differences, downgrade, upgrade
from db.tables import AUDIT_STRATA, IMAGES, INSPECTIONS, LABEL_TASKS, LABELS
from inspector.agreement import Rating
from inspector.audit import AuditedStratum
from inspector.draws import Draw, Stratum
from inspector.errors import LabelRefused
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome

NEAR = Draw(0.5, "near")
STRATA = (Stratum("far", 0.0, 0.05, 0.1), Stratum("near", 0.05, None, 0.5))


class Shop:
    """A ledger with a run whose passes are audited, and a way to put parts into it."""

    def __init__(self, url: str, line: Any) -> None:
        self.url, self._line, self._trigger = url, line, 0
        with Ledger(url) as ledger:
            self.run_id = ledger.start_run(line.run(audit=STRATA, manifest={"good": ["good"]}))

    def part(self, probability: float = 0.1, draw: Draw | None = None, **changes: Any) -> InspectionRecord:
        self._trigger += 1
        record = self._line.part(self.run_id, self._trigger)
        judged = self._line.judged(record, defect_probability=probability, **changes)
        with Ledger(self.url) as ledger:
            ledger.open_part(record)
            ledger.complete_part(judged, None, draw).result(10)
        return judged


@pytest.fixture
def shop(database: str, line: Any) -> Shop:
    return Shop(database, line)


@pytest.fixture
def engine(shop: Shop) -> Iterator[Engine]:
    engine = open_engine(shop.url)
    yield engine
    engine.dispose()


def say(connection: Connection, part: InspectionRecord, label: str, person: str = "ann", **how: Any) -> UUID | None:
    blind = how.pop("blind", True)
    return add_label(connection, Label(part.part_id, label, person, blind), **how)


# ---- tables


def test_down_and_up_again_on_both(engine: Engine) -> None:
    downgrade(engine, "0002")
    assert "labels" not in inspect(engine).get_table_names()
    assert "inspections" in inspect(engine).get_table_names()
    upgrade(engine)
    assert differences(engine) == []


def test_the_way_up_keeps_the_parts(engine: Engine, shop: Shop) -> None:
    part = shop.part()
    downgrade(engine, "0002")
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(select(INSPECTIONS.c.part_id)).scalar_one() == part.part_id


@pytest.mark.parametrize("table", [LABELS, LABEL_TASKS, AUDIT_STRATA])
def test_rows_are_added_and_never_changed(engine: Engine, shop: Shop, table: Any) -> None:
    part = shop.part(draw=NEAR)
    with engine.begin() as connection:
        say(connection, part, "scratch")
    column = table.primary_key.columns[0]
    for statement in (update(table).values({column: column}), delete(table)):
        with pytest.raises(DBAPIError, match=f"{table.name}: rows are added and never changed"), engine.begin() as c:
            c.execute(statement)
    with engine.connect() as connection:
        assert connection.execute(select(table)).first() is not None


WAYS_AROUND = {"sqlite": "INSERT OR REPLACE INTO labels SELECT * FROM labels", "postgresql": "TRUNCATE labels CASCADE"}


def test_no_way_around(engine: Engine, shop: Shop) -> None:
    statement = WAYS_AROUND[engine.dialect.name]
    part = shop.part(draw=NEAR)
    with engine.begin() as connection:
        say(connection, part, "scratch")
    with engine.begin() as connection, pytest.raises(DBAPIError, match="rows are added and never changed"):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "LOOK"},
        {"inclusion_probability": 0.0},
        {"inclusion_probability": 1.5},
        {"inclusion_probability": None},
        {"part_id": new_id()},
    ],
)
def test_a_task_that_breaks_a_rule_is_refused(engine: Engine, shop: Shop, changes: dict[str, object]) -> None:
    part = shop.part()
    row = {"task_id": new_id(), "part_id": part.part_id, "kind": "AUDIT", "inclusion_probability": 0.5}
    with engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(LABEL_TASKS), row | {"created_at": part.completed_at} | changes)


# ---- a drawn part


def test_a_drawn_part_has_its_task_with_its_row(engine: Engine, shop: Shop) -> None:
    part = shop.part(draw=NEAR)
    with engine.connect() as connection:
        task = connection.execute(select(LABEL_TASKS)).one()
    assert (task.part_id, task.kind, task.person) == (part.part_id, "AUDIT", None)
    assert (task.inclusion_probability, task.stratum, task.created_at) == (0.5, "near", part.completed_at)


def test_a_part_that_does_not_pass_cannot_be_drawn(engine: Engine, shop: Shop) -> None:
    with pytest.raises(RowRefused, match="REJECT and was drawn for audit; expected a pass"):
        shop.part(draw=NEAR, outcome=Outcome.REJECT)
    with engine.connect() as connection:
        assert connection.execute(select(INSPECTIONS.c.outcome)).scalar_one() == Outcome.NOT_INSPECTED


def test_a_task_that_is_refused_leaves_its_part_not_inspected_and_no_task(engine: Engine, shop: Shop) -> None:
    with pytest.raises(RowRefused, match="inclusion_probability"):
        shop.part(draw=Draw(0.0, "never"))
    with engine.connect() as connection:
        assert connection.execute(select(INSPECTIONS.c.outcome)).scalar_one() == Outcome.NOT_INSPECTED
        assert connection.execute(select(LABEL_TASKS)).all() == []


# ---- labels


def test_a_blind_label_answers_the_audit(engine: Engine, shop: Shop) -> None:
    part = shop.part(draw=NEAR)
    with engine.begin() as connection:
        (task,) = open_tasks(connection, "ann")
        assert (task.kind, task.part_id, task.image) == (TaskKind.AUDIT, part.part_id, None)
        assert say(connection, part, "scratch") == task.task_id
        assert open_tasks(connection, "ann") == []
        row = connection.execute(select(LABELS)).one()
    assert (row.label, row.is_defect, row.person, row.blind, row.supersedes) == ("scratch", True, "ann", True, None)


def test_a_label_in_sight_of_the_verdict_answers_no_audit(engine: Engine, shop: Shop) -> None:
    part = shop.part(draw=NEAR)
    with engine.begin() as connection:
        assert say(connection, part, "good", blind=False) is None
        assert len(open_tasks(connection, "ann")) == 1
        assert say(connection, part, "good", "ben") is not None


def test_a_review_is_answered_by_any_label_and_ones_own_task_first(engine: Engine, shop: Shop) -> None:
    part = shop.part()
    anybody, mine = LabelTask(part.part_id, TaskKind.REVIEW), LabelTask(part.part_id, TaskKind.REVIEW, "ann")
    with engine.begin() as connection:
        add_tasks(connection, [anybody, mine])
        add_tasks(connection, [])
        assert [task.task_id for task in open_tasks(connection, "ben")] == [anybody.task_id]
        assert say(connection, part, "good", blind=False) == mine.task_id
        assert say(connection, part, "good", "ben", blind=False) == anybody.task_id


def test_a_correction_supersedes_and_keeps_the_task(engine: Engine, shop: Shop) -> None:
    part = shop.part(draw=NEAR)
    with engine.begin() as connection:
        task = say(connection, part, "scratch")
        assert say(connection, part, "good", correct=True) == task
        assert say(connection, part, "scratch", correct=True) == task
        assert [rating.label for rating in ratings(connection, Window())] == ["scratch"]
        assert len(connection.execute(select(LABELS)).all()) == 3


@pytest.mark.parametrize(
    ("label", "how", "fault"),
    [
        ("godo", {}, "label 'godo': part .* can be good, scratch; --new"),
        ("good", {"person": " "}, "person ' ': expected a name"),
        ("good", {"person": "x" * 65}, "1 to 64 characters"),
        ("good", {"correct": True}, "ann has not labelled it; nothing to correct"),
    ],
)
def test_a_label_that_makes_no_sense_is_refused(
    engine: Engine, shop: Shop, label: str, how: dict[str, Any], fault: str
) -> None:
    part = shop.part()
    with engine.begin() as connection, pytest.raises(LabelRefused, match=fault):
        say(connection, part, label, **how)


def test_a_label_of_no_part_and_one_without_a_zone_are_refused(engine: Engine, shop: Shop) -> None:
    part = shop.part()
    with engine.begin() as connection:
        with pytest.raises(LabelRefused, match="no such part"):
            add_label(connection, Label(new_id(), "good", "ann", blind=True))
        naive = Label(part.part_id, "good", "ann", blind=True, at=part.triggered_at.replace(tzinfo=None))
        with pytest.raises(LabelRefused, match="expected a time zone"):
            add_label(connection, naive)


def test_a_second_label_that_nobody_asked_for_is_refused(engine: Engine, shop: Shop) -> None:
    part = shop.part()
    with engine.begin() as connection:
        say(connection, part, "good")
        with pytest.raises(LabelRefused, match="ann has labelled it already; --correct"):
            say(connection, part, "good")


def test_a_class_that_is_new_is_taken_when_said_so(engine: Engine, shop: Shop) -> None:
    part = shop.part()
    with engine.begin() as connection:
        say(connection, part, "rust", new_class=True)
        assert connection.execute(select(LABELS.c.is_defect)).scalar_one() is True


def test_two_answers_to_one_task_are_refused_by_the_database(engine: Engine, shop: Shop) -> None:
    part = shop.part(draw=NEAR)
    with engine.begin() as connection:
        say(connection, part, "good")
        row = dict(connection.execute(select(LABELS)).mappings().one())
    with engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(LABELS), row | {"label_id": new_id()})


# ---- what reports ask


def test_the_audit_counts_passes_draws_and_blind_answers(engine: Engine, shop: Shop) -> None:
    shop.part(0.01)
    shop.part(0.01, Draw(0.1, "far"))
    escape, sound, seen = (shop.part(0.06, NEAR) for _ in range(3))
    stopped_part = shop.part(0.9, outcome=Outcome.REJECT)
    with engine.begin() as connection:
        say(connection, escape, "scratch")
        say(connection, sound, "scratch")
        say(connection, sound, "good", correct=True)
        say(connection, seen, "scratch", blind=False)
        say(connection, stopped_part, "scratch", blind=False)
        known = audit(connection, Window())
        later = audit(connection, Window(since=escape.triggered_at + timedelta(seconds=1)))
        other = audit(connection, Window(recipe="lid"))
        machine = stopped(connection, Window())
    assert known.strata == (AuditedStratum("far", 0.1, 2, 1, 0, 0), AuditedStratum("near", 0.5, 3, 3, 2, 1))
    (found,) = known.found
    assert (found.part_id, found.label, found.person, found.stratum) == (escape.part_id, "scratch", "ann", "near")
    assert (known.beyond, known.caught) == (0, 1)
    assert later.strata == other.strata == ()
    assert machine == {escape.part_id: False, sound.part_id: False, seen.part_id: False, stopped_part.part_id: True}


def test_passes_of_a_run_without_an_audit_are_told_apart(engine: Engine, shop: Shop, line: Any) -> None:
    with Ledger(shop.url) as ledger:
        shop.run_id = ledger.start_run(line.run())
    shop.part()
    with engine.connect() as connection:
        known = audit(connection, Window())
    assert (known.strata, known.beyond) == ((), 1)


def test_ratings_are_blind_and_in_their_order(engine: Engine, shop: Shop) -> None:
    part = shop.part(draw=NEAR)
    with engine.begin() as connection:
        say(connection, part, "good")
        add_tasks(connection, [LabelTask(part.part_id, TaskKind.REPEAT, "ann", 0.2)])
        say(connection, part, "scratch")
        say(connection, part, "scratch", "ben", blind=False)
        given = ratings(connection, Window())
    assert given == [
        Rating(part.part_id, "ann", "good", False),
        Rating(part.part_id, "ann", "scratch", True),
    ]


def test_only_parts_with_a_picture_are_shown_again(engine: Engine, shop: Shop) -> None:
    part = shop.part()
    sha256 = "a" * 64
    picture = {"sha256": sha256, "path": "aa/a.png", "size_bytes": 3, "stored_at": part.triggered_at}
    with engine.begin() as connection:
        say(connection, part, "good")
        assert parts_labelled_blind(connection) == []
        connection.execute(insert(IMAGES), picture)
        connection.execute(update(INSPECTIONS).values(image_sha256=sha256))
        assert parts_labelled_blind(connection) == [part.part_id]
        assert parts_labelled_blind(connection, part.triggered_at + timedelta(days=9999)) == []
        add_tasks(connection, [LabelTask(part.part_id, TaskKind.REPEAT, "ann", 0.2)])
        assert [task.image for task in open_tasks(connection, "ann")] == ["aa/a.png"]
