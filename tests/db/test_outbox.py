"""The ledger as a queue: parts in the order of their openings, each output with a cursor that survives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from db.engine import open_engine
from db.ledger import Ledger
from db.outbox import reports, waiting
from db.recovery import RESTARTED
from db.schema import differences
from db.tables import DELIVERIES
from inspector.values import Outcome


def told(engine: Engine, after: int = 0, limit: int = 100, station: str = "station-1") -> list[int]:
    with engine.connect() as connection:
        return [report.record.trigger for report in reports(connection, station, after, limit)]


def test_parts_are_told_in_the_order_of_their_openings_whoever_is_judged_first(
    database: str, line: Any, engine: Engine
) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        parts = [line.part(run_id, trigger) for trigger in (1, 2, 3)]
        for part in parts:
            ledger.open_part(part)
        ledger.complete_part(line.judged(parts[2])).result()
        ledger.complete_part(line.judged(parts[0])).result()
        assert told(engine) == [1]
        ledger.complete_part(line.judged(parts[1])).result()
    assert told(engine) == [1, 2, 3]
    assert told(engine, limit=2) == [1, 2]


def test_a_report_says_all_that_the_row_says_but_its_views(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        opened = line.part(run_id, 1)
        ledger.open_part(opened, simulated=True)
        ledger.complete_part(line.judged(opened)).result()
    with engine.connect() as connection:
        (report,) = reports(connection, "station-1", 0, 10)
    assert report.record == line.judged(opened, views=())
    assert report.simulated


def test_parts_of_before_are_not_told_to_a_new_output_and_a_known_one_goes_on(
    database: str, line: Any, engine: Engine
) -> None:
    with Ledger(database) as ledger:
        assert ledger.subscribe("station-1", ["mes"]) == {"mes": 0}
        run_id = ledger.start_run(line.run())
        for trigger in (1, 2, 3):
            ledger.open_part(part := line.part(run_id, trigger))
            ledger.complete_part(line.judged(part)).result()
        ledger.delivered("station-1", "mes", 2, 2).result()
        assert ledger.subscribe("station-1", ["mes", "scada"]) == {"mes": 2, "scada": 3}
    assert told(engine, after=2) == [3]
    with engine.connect() as connection:
        assert waiting(connection, "station-1", 2) == 1


def test_a_cursor_never_goes_back(database: str, engine: Engine) -> None:
    with Ledger(database) as ledger:
        ledger.subscribe("station-1", ["mes"])
        for position in (5, 3, 5):
            ledger.delivered("station-1", "mes", position, 5).result()
    with engine.connect() as connection:
        row = connection.execute(select(DELIVERIES)).one()
    assert (row.position, row.delivered) == (5, 5)


def test_what_a_crash_left_open_is_told_as_not_inspected(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        ledger.open_part(line.part(run_id, 1)).result()
    with Ledger(database) as ledger:
        ledger.recover("station-1")
    with engine.connect() as connection:
        (report,) = reports(connection, "station-1", 0, 10)
    assert (report.record.outcome, report.record.reasons) == (Outcome.NOT_INSPECTED, (RESTARTED,))


def test_stations_of_one_database_have_orders_of_their_own(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        for station in ("station-1", "station-2"):
            run_id = ledger.start_run(line.run(station=station))
            ledger.open_part(part := line.part(run_id, 7, station=station))
            ledger.complete_part(line.judged(part)).result()
    assert told(engine) == [7]
    with engine.connect() as connection:
        (report,) = reports(connection, "station-2", 0, 10)
    assert report.record.station == "station-2"


def test_a_row_that_is_refused_has_no_place_in_the_order(database: str, line: Any, engine: Engine) -> None:
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        part = line.part(run_id, 1)
        refused = [ledger.open_part(part), ledger.open_part(part), ledger.complete_part(line.judged(part))]
        assert [future.exception() is None for future in refused] == [True, False, True]
    assert told(engine) == [1]


def test_a_cursor_stays_where_it_was_and_a_new_output_begins_behind_the_parts_of_today(
    database: str, line: Any, engine: Engine
) -> None:
    with Ledger(database) as ledger:
        assert ledger.subscribe("station-1", ["mes"]) == {"mes": 0}
        run_id = ledger.start_run(line.run())
        for trigger in (1, 2, 3):
            ledger.open_part(line.part(run_id, trigger)).result()
        ledger.delivered("station-1", "mes", 2, 2).result()
        assert ledger.subscribe("station-1", ["mes", "scada"]) == {"mes": 2, "scada": 3}
    assert differences(engine) == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), batch=st.integers(1, 4))
def test_read_in_batches_while_parts_complete_in_any_order_none_is_left_out_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, line: Any, order: list[int], batch: int
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "ledger.sqlite"
    heard: list[int] = []
    after = 0
    with Ledger(path) as ledger:
        run_id = ledger.start_run(line.run())
        parts = [line.part(run_id, trigger) for trigger in range(1, 7)]
        for part in parts:
            ledger.open_part(part).result()
        engine = open_engine(path)
        for number in order:
            ledger.complete_part(line.judged(parts[number])).result()
            with engine.connect() as connection:
                while found := reports(connection, "station-1", after, batch):
                    heard += [report.record.trigger for report in found]
                    after = found[-1].position
        engine.dispose()
    assert heard == [1, 2, 3, 4, 5, 6]
