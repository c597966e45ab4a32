from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.exc import DBAPIError

from db.audit_log import BEGINNING, BEGUN, Change, changes_of, entries, latest_changes, record_change
from db.audit_proof import examine
from db.bundle_states import BundleState, StateChange, serving, set_state, state_of
from db.engine import WRITES, open_engine
from db.labels import Label, add_label
from db.ledger import Ledger
from db.plant_tables import AUDIT_CHECKPOINTS, AUDIT_LOG
from db.recipes import RecipeRevision, current_revision, revisions, save_revision
from inspector.errors import BundleError, DatabaseError, RecipeError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
EVIL = ["'; DROP TABLE audit_log; --", '"', "\\", "a\0b", "naïve ☃", "%s %(x)s :name", "\ud800"[:0] + "\u2028"]


def write(engine: Engine, *changes: Change) -> None:
    for change in changes:
        with engine.begin() as connection:
            record_change(connection, change)


def test_the_first_row_begins_the_log_and_each_further_one_names_the_one_before(engine: Engine) -> None:
    write(engine, Change("ann", "recipe revised", "recipe lid"), Change("ben", "recipe revised", "recipe lid"))
    with engine.connect() as connection:
        begun, first, second = entries(connection)
    assert (begun.action, begun.previous, first.previous, second.previous) == (BEGUN, BEGINNING, begun.hash, first.hash)
    assert [row.sequence for row in (begun, first, second)] == [1, 2, 3]
    assert all(row.digest() == row.hash for row in (begun, first, second))


@pytest.mark.parametrize("words", EVIL)
def test_any_words_are_stored_as_words_and_the_chain_holds(engine: Engine, words: str) -> None:
    write(engine, Change(f"x{words}", f"x{words}", f"x{words}", words, {words: words}, [words, 1.0, None, 1e300]))
    with engine.connect() as connection:
        kept = list(entries(connection))
    assert kept[1].reason == words.replace("\0", "\\x00")
    assert kept[1].new is not None
    assert "1.0,null,1e+300" in kept[1].new
    assert examine(kept).finding is None


def test_a_moment_of_another_zone_keeps_its_hash(engine: Engine) -> None:
    from datetime import timezone

    write(engine, Change("ann", "x", "y", at=NOON.astimezone(timezone(timedelta(hours=-7)))))
    with engine.connect() as connection:
        assert all(row.digest() == row.hash for row in entries(connection))


def test_a_change_that_is_rolled_back_leaves_no_row(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        record_change(connection, Change("ann", "x", "y"))
        transaction.rollback()
    with engine.connect() as connection:
        assert list(entries(connection)) == []


@pytest.mark.parametrize("person", ["", " ", "x" * 65])
def test_a_change_needs_a_person(engine: Engine, person: str) -> None:
    with engine.begin() as connection, pytest.raises(DatabaseError, match="expected a name of 1 to 64"):
        record_change(connection, Change(person, "x", "y"))


@pytest.mark.parametrize("table", [AUDIT_LOG, AUDIT_CHECKPOINTS])
def test_the_database_itself_refuses_to_change_the_log(engine: Engine, table: Any) -> None:
    write(engine, Change("ann", "x", "y"))
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO audit_checkpoints VALUES (1, 1, 1, '', '2026-01-01 00:00:00.000000', 'k', '', 's')")
        )
    column = table.primary_key.columns[0]
    for statement in (update(table).values({column: column}), delete(table)):
        with pytest.raises(DBAPIError, match=f"{table.name}: rows are added and never changed"), engine.begin() as c:
            c.execute(statement)


def test_writers_at_once_make_one_chain(database: str) -> None:
    def work(name: str) -> None:
        engine = open_engine(database)
        for number in range(20):
            with engine.connect() as connection:
                connection = connection.execution_options(**{WRITES: True})
                with connection.begin():
                    record_change(connection, Change(name, "counted", f"{number}"))
        engine.dispose()

    threads = [threading.Thread(target=work, args=(f"person-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine = open_engine(database)
    with engine.connect() as connection:
        kept = list(entries(connection))
    engine.dispose()
    assert len(kept) == 81
    assert examine(kept).finding is None


def test_changes_are_found_by_their_subject_and_newest_first(engine: Engine) -> None:
    write(engine, *(Change("ann", "x", f"part {number % 2}", f"{number}") for number in range(4)))
    with engine.connect() as connection:
        assert [row.reason for row in changes_of(connection, "part 1")] == ["1", "3"]
        assert [row.reason for row in latest_changes(connection, 2)] == ["3", "2"]


# ---- what writes into it


def test_a_label_and_its_correction_are_in_the_log(database: str, engine: Engine, line: Any) -> None:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part)).result(5)
    with engine.begin() as connection:
        add_label(connection, Label(part.part_id, "good", "ann", blind=False))
        add_label(connection, Label(part.part_id, "scratch", "ann", blind=False, note="light"), correct=True)
        first, second = changes_of(connection, f"part {part.part_id}")
    assert (first.person, first.action, first.old) == ("ann", "label added", None)
    assert (second.action, second.reason) == ("label corrected", "light")
    assert (second.old, second.new) == ('{"blind":false,"label":"good"}', '{"blind":false,"label":"scratch"}')


def test_a_recipe_that_a_line_runs_for_the_first_time_is_in_the_log_with_what_it_ran_before(
    database: str, engine: Engine, line: Any
) -> None:
    with Ledger(database) as ledger:
        for text_of_it, revision in (("limits 1", "r1"), ("limits 1", "r1"), ("limits 2", "r2")):
            ledger.start_run(line.run(recipe_text=text_of_it, recipe_revision=revision))
    with engine.connect() as connection:
        first, second = changes_of(connection, "recipe bracket")
        (bundle,) = changes_of(connection, f"bundle {line.bundle_id}")
    assert (first.person, first.old) == ("station station-1", None)
    assert (second.old, second.new) == (
        '{"revision":"r1","text":"limits 1"}',
        '{"revision":"r2","text":"limits 2"}',
    )
    assert bundle.action == "first run"


# ---- recipes that persons save


def test_revisions_of_a_recipe_are_counted_and_logged(engine: Engine) -> None:
    with engine.begin() as connection:
        assert save_revision(connection, RecipeRevision("lid", "one", "ann", "first trial")) == 1
        assert save_revision(connection, RecipeRevision("lid", "two", "ben", "fewer rejects", "ann")) == 2
        assert save_revision(connection, RecipeRevision("lid", "one", "ben", "back again")) == 3
        found = revisions(connection, "lid")
        log = changes_of(connection, "recipe lid")
        current = current_revision(connection, "lid")
        assert current_revision(connection, "flange") is None
    assert [(each.number, each.text, each.second_person) for each in found] == [
        (1, "one", None),
        (2, "two", "ann"),
        (3, "one", None),
    ]
    assert current == found[-1]
    assert [each.reason for each in log] == ["first trial", "fewer rejects", "back again"]
    assert '"text":"one"' in (log[1].old or "")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reason": " "}, "a reason"),
        ({"name": ""}, "a name"),
        ({"second_person": "ann"}, "the second person is ann again"),
        ({"text": "one"}, "revision 1 says the same"),
    ],
)
def test_a_revision_that_makes_no_sense_is_refused(engine: Engine, changes: dict[str, Any], fault: str) -> None:
    import dataclasses

    first = RecipeRevision("lid", "one", "ann", "first trial")
    with engine.begin() as connection:
        save_revision(connection, first)
    again = dataclasses.replace(first, **{"text": "two"} | changes)
    with engine.begin() as connection, pytest.raises(RecipeError, match=fault):
        save_revision(connection, again)


# ---- states of bundles


def test_a_bundle_goes_its_way_and_back(database: str, engine: Engine, line: Any) -> None:
    with Ledger(database) as ledger:
        ledger.start_run(line.run())
        ledger.start_run(line.run(bundle_id="c" * 64))
    old, new = line.bundle_id, "c" * 64
    steps = [(old, "SERVING"), (new, "CANDIDATE"), (new, "APPROVED"), (new, "SHADOW"), (new, "SERVING")]
    with engine.begin() as connection:
        for bundle_id, state in steps:
            set_state(connection, StateChange(bundle_id, BundleState(state), "ann", "by plan"))
        assert serving(connection, "station-1") == new
        set_state(connection, StateChange(new, BundleState.RETIRED, "ben", "too many rejects"))
        assert serving(connection, "station-1") == old
        assert state_of(connection, new) is BundleState.RETIRED
        assert [each.reason for each in changes_of(connection, f"bundle {new}")][-1] == "too many rejects"


def test_a_state_at_one_station_stands_over_that_of_all(database: str, engine: Engine, line: Any) -> None:
    with Ledger(database) as ledger:
        ledger.start_run(line.run())
    with engine.begin() as connection:
        set_state(connection, StateChange(line.bundle_id, BundleState.CANDIDATE, "ann", "made"))
        set_state(connection, StateChange(line.bundle_id, BundleState.APPROVED, "ann", "looked at"))
        set_state(connection, StateChange(line.bundle_id, BundleState.SHADOW, "ann", "trial", "station-1"))
        assert state_of(connection, line.bundle_id, "station-1") is BundleState.SHADOW
        assert state_of(connection, line.bundle_id) is BundleState.APPROVED
        assert serving(connection, "station-1") is None


@pytest.mark.parametrize(
    ("bundle_id", "state", "reason", "fault"),
    [
        ("b" * 64, "SHADOW", "trial", "without a state; expected CANDIDATE, REFUSED, SERVING, got SHADOW"),
        ("d" * 64, "CANDIDATE", "made", "no such bundle"),
        ("b" * 64, "CANDIDATE", "", "expected a reason"),
    ],
)
def test_a_step_that_leaves_one_out_is_refused(
    database: str, engine: Engine, line: Any, bundle_id: str, state: str, reason: str, fault: str
) -> None:
    with Ledger(database) as ledger:
        ledger.start_run(line.run())
    with engine.begin() as connection, pytest.raises(BundleError, match=fault):
        set_state(connection, StateChange(bundle_id, BundleState(state), "ann", reason))


def test_no_revision_and_no_state_without_a_row_in_the_log(database: str, engine: Engine, line: Any) -> None:
    with Ledger(database) as ledger:
        ledger.start_run(line.run())
    words = f"(99, '{line.bundle_id}', NULL, 'SERVING', '2026-01-01 00:00:00.000000', 'ann', 'why')"
    with engine.begin() as connection, pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        connection.execute(text(f"INSERT INTO bundle_states VALUES {words}"))
    with engine.connect() as connection:
        assert connection.execute(select(AUDIT_LOG.c.action).where(AUDIT_LOG.c.sequence == 99)).first() is None
