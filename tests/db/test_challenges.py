"""Parts of known truth: the register, how a station stands, and every count without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import queries
from db.audit_log import changes_of
from db.challenges import NEWEST, ChallengePart, Hold, register, registered, seen_challenges, since_last_good, standing
from db.engine import WRITES, open_engine
from db.forward import Forwarder
from db.images import StoredImage
from db.label_queries import Window, audit, ratings, stopped
from db.labels import Label, add_label, open_tasks, parts_labelled_blind
from db.ledger import Ledger
from db.outbox import reports
from db.records import utc_now
from db.schema import differences, downgrade, upgrade
from inspector.draws import Draw, Stratum
from inspector.errors import ChallengeRefused
from inspector.values import InspectionRecord, Outcome, Verdict

STATION = "station-1"
RABBIT = ChallengePart(STATION, "RR-1", "ann", label="scratch")
STRATUM = Stratum("all", 0.0, None, 0.5)


def add(engine: Engine, part: ChallengePart) -> None:
    with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
        register(connection, part)


def challenged(part: InspectionRecord, met: bool | None, **changes: Any) -> InspectionRecord:
    return replace(part, challenge_id=RABBIT.challenge_id, challenge_met=met, **changes)


def test_newest_row_of_a_code_holds_and_the_audit_log_says_who(database: str, engine: Engine) -> None:
    add(engine, RABBIT)
    add(engine, replace(ChallengePart(STATION, "RR-1", "ben", note="lost"), valid_to=RABBIT.valid_from + timedelta(1)))
    add(engine, ChallengePart("station-2", "RR-1", "ann"))
    with engine.connect() as connection:
        (part,) = registered(connection, STATION)
        changes = changes_of(connection, f"challenge part RR-1 of {STATION}")
    assert (part.registered_by, part.note) == ("ben", "lost")
    assert not part.is_valid(part.valid_from + timedelta(2))
    assert [(change.person, change.reason) for change in changes] == [("ann", ""), ("ben", "lost")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": " "}, "code ' ': expected 1 to 128"),
        ({"expected": Outcome.NOT_INSPECTED}, "expected one of REJECT, REVIEW, PASS"),
        ({"expected": Outcome.PASS}, "label 'scratch': expected none"),
        ({"registered_by": ""}, "by '': expected a name"),
        ({"valid_to": RABBIT.valid_from - timedelta(1)}, "expected a time behind"),
    ],
)
def test_part_that_will_not_do_is_refused_with_the_field(path: Path, changes: dict[str, Any], words: str) -> None:
    engine = open_engine(path, create=True)
    with pytest.raises(ChallengeRefused, match=words):
        add(engine, replace(RABBIT, **changes))
    engine.dispose()


@pytest.mark.parametrize(
    ("verdict", "met"),
    [
        (Verdict(Outcome.REJECT, (), 0.9, "scratch"), True),
        (Verdict(Outcome.REJECT, (), 0.9, "dent"), False),
        (Verdict(Outcome.REVIEW, (), 0.5, "scratch"), False),
        (Verdict(Outcome.PASS, (), 0.1, "good"), False),
        (Verdict(Outcome.NOT_INSPECTED, ("late",)), None),
    ],
)
def test_challenge_is_met_by_the_expected_outcome_and_class_alone(verdict: Verdict, met: bool | None) -> None:
    assert RABBIT.is_met(verdict) is met


@pytest.fixture
def mixed(line: Any) -> Callable[[Ledger], tuple[UUID, list[InspectionRecord]]]:
    """Write a good challenge between two passes, then a missed one, drawn and labelled as nothing of it should be."""

    def write(ledger: Ledger) -> tuple[UUID, list[InspectionRecord]]:
        run_id = ledger.start_run(line.run(audit=(STRATUM,)))
        parts = [line.part(run_id, trigger) for trigger in (1, 2, 3, 4)]
        parts[1], parts[3] = challenged(parts[1], None), challenged(parts[3], None)
        reject = {"outcome": Outcome.REJECT, "reasons": ("scratch",), "label": "scratch", "defect_probability": 0.9}
        judged = [
            line.judged(parts[0]),
            challenged(line.judged(parts[1], **reject), True),
            line.judged(parts[2]),
            challenged(line.judged(parts[3]), False),
        ]
        for opened, part in zip(parts, judged, strict=True):
            ledger.open_part(opened)
            drawn = Draw(probability=0.5, stratum="all") if part.outcome is Outcome.PASS else None
            ledger.complete_part(part, None, drawn).result(5)
        return run_id, judged

    return write


def test_no_count_has_a_challenge_part_in_it(database: str, engine: Engine, mixed: Any) -> None:
    add(engine, RABBIT)
    with Ledger(database) as ledger:
        run_id, parts = mixed(ledger)
    with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
        for part in parts:
            add_label(connection, Label(part.part_id, "scratch", "ann", True))
    with engine.connect() as connection:
        assert queries.outcome_counts(connection, run_id) == {**dict.fromkeys(Outcome, 0), Outcome.PASS: 2}
        assert len(queries.latencies_ms(connection, run_id)) == 2
        (stratum,) = audit(connection, Window()).strata
        assert (stratum.population, stratum.drawn, stratum.escapes) == (2, 2, 2)
        assert audit(connection, Window()).caught == 0
        assert {rating.part for rating in ratings(connection, Window())} == {parts[0].part_id, parts[2].part_id}
        assert set(stopped(connection, Window())) == {parts[0].part_id, parts[2].part_id}
        assert queries.trigger_count(connection, run_id) == 4


def test_nobody_is_asked_to_label_a_challenge_part(path: Path, line: Any, mixed: Any) -> None:
    engine = open_engine(path, create=True)
    add(engine, RABBIT)
    with Ledger(path) as ledger:
        _, parts = mixed(ledger)
    with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
        asked = {task.part_id for task in open_tasks(connection, "ann")}
        connection.execute(
            text("INSERT INTO images (sha256, path, size_bytes, stored_at) VALUES ('c', 'c', 1, '2026-01-01')")
        )
        connection.execute(text("UPDATE inspections SET image_sha256 = 'c'"))
        for part in parts:
            add_label(connection, Label(part.part_id, "good", "ann", True))
        again = parts_labelled_blind(connection)
    engine.dispose()
    assert asked == {parts[0].part_id, parts[2].part_id}
    assert set(again) == asked


def test_since_the_last_good_challenge_every_part_of_production_is_listed(
    database: str, engine: Engine, mixed: Any
) -> None:
    add(engine, RABBIT)
    with Ledger(database) as ledger:
        _, parts = mixed(ledger)
    with engine.connect() as connection:
        good, since = since_last_good(connection, STATION)
        assert good is not None
        assert good.part_id == parts[1].part_id
        assert [part.part_id for part in since] == [parts[2].part_id]
        nobody, none = since_last_good(connection, "station-2")
        assert (nobody, list(none)) == (None, [])


def test_a_challenge_part_is_told_as_simulated(database: str, engine: Engine, mixed: Any) -> None:
    add(engine, RABBIT)
    with Ledger(database) as ledger:
        mixed(ledger)
    with engine.connect() as connection:
        told = reports(connection, STATION, 0, 10)
    assert [report.simulated for report in told] == [False, True, False, True]


def test_station_stands_as_its_newest_hold_says_whatever_the_clock_does(
    database: str, line: Any, engine: Engine, mixed: Any
) -> None:
    add(engine, RABBIT)
    with Ledger(database) as ledger:
        _, parts = mixed(ledger)
        hold = Hold(STATION, True, "missed", "bracket", line.bundle_id)
        ledger.record_hold(hold).result(5)
        with engine.connect() as connection:
            held = standing(connection, STATION)
        released = replace(hold, held=False, reason="camera cleaned", person="ann", at=hold.at - timedelta(hours=1))
        ledger.record_hold(released).result(5)
        with engine.connect() as connection:
            free = standing(connection, STATION)
            assert standing(connection, "station-2").held is None
    assert held.held == "missed"
    assert held.settled is not None
    assert held.settled.at == parts[1].triggered_at
    assert free.held is None
    assert free.settled is not None
    assert free.settled.at == released.at


def test_plant_is_told_which_parts_are_simulated_and_which_of_known_truth(
    server: Any, tmp_path: Path, line: Any, mixed: Any
) -> None:
    station = open_engine(tmp_path / "ledger.sqlite", create=True)
    add(station, RABBIT)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        run_id, _ = mixed(ledger)
        rendered = line.part(run_id, 5)
        ledger.open_part(rendered, simulated=True)
        ledger.complete_part(line.judged(rendered)).result(5)
    station.dispose()
    with server.database() as url:
        with Forwarder(tmp_path / "ledger.sqlite", url) as forwarder:
            while forwarder.step():
                pass
            assert forwarder.state().parked == 0
        plant = open_engine(url)
        with plant.connect() as connection:
            told = connection.execute(text("SELECT simulated, challenge_met FROM inspections ORDER BY trigger")).all()
            assert queries.outcome_counts(connection, run_id)[Outcome.PASS] == 3
            assert [part.code for part in registered(connection, STATION)] == ["RR-1"]
        plant.dispose()
    assert [tuple(row) for row in told] == [(False, None), (False, True), (False, None), (False, False), (True, None)]


def test_migration_moves_simulated_to_the_part_and_back(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        for trigger, simulated in ((1, False), (2, True)):
            ledger.open_part(line.part(run_id, trigger), simulated).result(5)
    downgrade(engine, "0006")
    with engine.connect() as connection:
        before = connection.execute(text("SELECT simulated FROM outbox ORDER BY position")).scalars().all()
    upgrade(engine)
    assert differences(engine) == []
    with engine.connect() as connection:
        after = connection.execute(text("SELECT simulated FROM inspections ORDER BY sequence")).scalars().all()
    assert [bool(each) for each in before] == [bool(each) for each in after] == [False, True]


def test_the_newest_pictures_of_valid_challenge_parts_are_listed_with_what_is_expected_now(
    database: str, engine: Engine, line: Any
) -> None:
    add(engine, RABBIT)
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        for trigger in range(1, NEWEST + 3):
            image = StoredImage(f"{trigger:064x}", f"{trigger}.png", 9)
            opened = challenged(line.part(run_id, trigger), None)
            ledger.open_part(opened)
            judged = challenged(
                line.judged(opened, completed_at=opened.triggered_at + timedelta(seconds=trigger)), False
            )
            ledger.complete_part(replace(judged, image_sha256=image.sha256), image).result(5)
    with engine.connect() as connection:
        recipe = opened.recipe
        found = seen_challenges(connection, recipe, utc_now())
        assert [one.path for one in found] == [f"{number}.png" for number in range(NEWEST + 2, 2, -1)]
        assert {(one.code, one.expected, one.label) for one in found} == {("RR-1", Outcome.REJECT, "scratch")}
        assert seen_challenges(connection, "another", utc_now()) == []
    add(engine, ChallengePart(STATION, "RR-1", "ben", note="worn", valid_to=utc_now() + timedelta(seconds=1)))
    with engine.connect() as connection:
        assert seen_challenges(connection, recipe, utc_now() + timedelta(seconds=2)) == []
