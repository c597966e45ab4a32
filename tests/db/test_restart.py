"""A station that starts again: what was left open is closed, once, and it goes on where it stopped."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from db import queries
from db.ledger import Ledger, RowRefused
from db.recovery import RESTARTED
from inspector.values import Outcome


def test_restart_closes_what_was_open_exactly_once(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        parts = [line.part(run_id, trigger, sequence=trigger + 9) for trigger in (1, 2, 3)]
        for part in parts:
            ledger.open_part(part)
        ledger.complete_part(line.judged(parts[0]))
    with Ledger(database) as ledger:
        recovery = ledger.recover(line.station)
        assert recovery.unfinished_run == run_id
        assert (recovery.completed, recovery.next_sequence, recovery.next_trigger) == (2, 13, 4)
        again = ledger.recover(line.station)
        assert (again.unfinished_run, again.completed, again.next_sequence, again.next_trigger) == (None, 0, 13, 4)
        with pytest.raises(RowRefused, match="it was NOT_INSPECTED"):
            ledger.complete_part(line.judged(parts[1])).result(5)
    with engine.connect() as connection:
        stored = queries.records(connection, run_id)
        (run,) = queries.runs(connection)
    assert [record.outcome for record in stored] == [Outcome.PASS, Outcome.NOT_INSPECTED, Outcome.NOT_INSPECTED]
    assert [record.reasons for record in stored] == [(), (RESTARTED,), (RESTARTED,)]
    assert run.clean is False


def test_a_station_killed_again_before_its_first_part_goes_on_where_the_first_run_stopped(
    database: str, line: Any
) -> None:
    with Ledger(database) as ledger:
        ledger.open_part(line.part(ledger.start_run(line.run()), 41, sequence=40)).result(5)
    with Ledger(database) as ledger:
        assert ledger.recover(line.station).next_sequence == 41
        killed = ledger.start_run(line.run())
    with Ledger(database) as ledger:
        recovery = ledger.recover(line.station)
    assert (recovery.unfinished_run, recovery.next_sequence, recovery.next_trigger) == (killed, 41, 42)


def test_a_station_killed_again_before_it_began_a_run_goes_on_where_the_first_one_stopped(
    database: str, line: Any
) -> None:
    with Ledger(database) as ledger:
        ledger.open_part(line.part(ledger.start_run(line.run()), 41, sequence=40)).result(5)
    with Ledger(database) as ledger:
        ledger.recover(line.station)
    with Ledger(database) as ledger:
        recovery = ledger.recover(line.station)
    assert (recovery.unfinished_run, recovery.next_sequence, recovery.next_trigger) == (None, 41, 42)


def test_a_clean_end_leaves_nothing_to_go_on_with(database: str, line: Any) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        part = line.part(run_id, 8)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part))
        ledger.end_run(run_id, clean=True).result(5)
    with Ledger(database) as ledger:
        ledger.start_run(line.run())
    with Ledger(database) as ledger:
        assert ledger.recover(line.station).next_trigger == 1


def test_restart_leaves_other_stations_and_its_own_run_alone(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as other, Ledger(database) as ledger:
        foreign = other.start_run(line.run(station="station-2"))
        other.open_part(line.part(foreign, 1, station="station-2")).result(5)
        own = ledger.start_run(line.run())
        ledger.open_part(line.part(own, 1)).result(5)
        assert ledger.recover(line.station).completed == 0
    with engine.connect() as connection:
        assert queries.open_count(connection) == 2
