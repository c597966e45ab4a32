"""What else goes up: words of a bundle in the shadow, closed lots, alarms that were seen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import DBAPIError

from db.acknowledgements import Acknowledgement, acknowledge, acknowledgements, open_alarms
from db.engine import open_engine, writing
from db.forward import Forwarder
from db.ledger import Ledger
from db.lots import Lot, close_lot, lots, open_lot
from db.plant_tables import AUDIT_LOG
from db.receiving import parked
from db.records import Event, Severity
from db.schema import downgrade, upgrade
from db.shadow import ShadowVerdict, shadow_verdicts, write_shadow
from db.work_tables import STATION_ACKNOWLEDGEMENTS
from inspector.values import Outcome, Verdict
from tests.db.filled_station import Station, same

FUTURE = datetime(2099, 1, 2, tzinfo=UTC)
BEFORE = "0012"
"""The last schema whose stations do not note these rows."""


@pytest.fixture
def station(tmp_path: Path, line: Any) -> Station:
    return Station(tmp_path / "station.sqlite", line)


def test_what_a_bundle_said_in_the_shadow_gets_there_before_or_after_its_part_was_sent(
    station: Station, engine: Engine, database: str, line: Any
) -> None:
    (early,) = station.inspect(1)
    with Ledger(station.path) as ledger:
        part = line.part(station.run_id, 2, station=station.name)
        ledger.open_part(part)
        ledger.record_shadow(said(part.part_id, "top", Outcome.REVIEW))
        ledger.complete_part(line.judged(part)).result(30)
    with Forwarder(station.path, database, rows_per_batch=1) as forwarder:
        assert forwarder.drain() == 3
        with Ledger(station.path) as ledger:
            ledger.record_shadow(said(early.part_id, "side", Outcome.PASS))
            ledger.record_shadow(said(early.part_id, "top", Outcome.REJECT)).result(30)
        assert forwarder.drain() == 2
        assert forwarder.state().parked == 0
    here = open_engine(station.path)
    with here.connect() as ours, engine.connect() as theirs:
        known = shadow_verdicts(ours, "s" * 64)
        assert len(known) == 3
        assert shadow_verdicts(theirs, "s" * 64) == known
    here.dispose()


def said(part_id: UUID, camera: str, outcome: Outcome) -> ShadowVerdict:
    return ShadowVerdict(part_id, camera, "s" * 64, Verdict(outcome, ("spot",), 0.4, "scratch"), FUTURE)


def test_a_lot_gets_there_when_it_is_closed_and_one_of_the_same_name_is_parked(
    station: Station, engine: Engine, database: str
) -> None:
    here = open_engine(station.path)
    with writing(engine) as connection:
        open_lot(connection, Lot("L2", "bracket", "eve", FUTURE))
    with writing(here) as connection:
        for code in ("L1", "L2", "L3"):
            open_lot(connection, Lot(code, "bracket", "ann", FUTURE))
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
        with engine.connect() as connection:
            assert [lot.code for lot in lots(connection, 9)] == ["L2"]
        with writing(here) as connection:
            for code in ("L1", "L2"):
                close_lot(connection, code, "bracket", "ben", FUTURE)
        forwarder.drain()
        assert forwarder.state().parked == 1
    with engine.connect() as connection:
        assert lots(connection, 9) == [
            Lot("L1", "bracket", "ann", FUTURE, "ben", FUTURE),
            Lot("L2", "bracket", "eve", FUTURE),
        ]
        (refused,) = parked(connection)
    assert (refused.station, refused.kind) == ("station-1", "lot")
    assert "lots L2 bracket: the plant has one of this id with another" in refused.reason
    here.dispose()


def test_an_alarm_that_was_seen_at_the_station_is_not_open_at_the_plant(
    station: Station, engine: Engine, database: str
) -> None:
    alarms = [Event(station.name, Severity.ALARM, "camera lost", f"{n}", FUTURE) for n in range(2)]
    with Ledger(station.path) as ledger:
        for alarm in alarms:
            ledger.record_event(alarm).result(30)
    here = open_engine(station.path)
    with writing(here) as connection:
        acknowledge(connection, Acknowledgement(alarms[0].event_id, "ann", "'; --", FUTURE))
    with Forwarder(station.path, database) as forwarder:
        forwarder.drain()
        with writing(here) as connection:
            acknowledge(connection, Acknowledgement(alarms[0].event_id, "ben", "", FUTURE))
        forwarder.drain()
        assert forwarder.state().parked == 0
    with writing(engine) as connection:
        assert open_alarms(connection, 9) == [alarms[1]]
        assert [seen.person for seen in acknowledgements(connection, alarms[0].event_id)] == ["ann", "ben"]
        assert connection.execute(select(AUDIT_LOG.c.subject).where(AUDIT_LOG.c.person == "ann")).all() == []
        with pytest.raises(DBAPIError, match="never changed"):
            connection.execute(update(STATION_ACKNOWLEDGEMENTS).values(note=""))
    here.dispose()


def test_a_station_that_is_upgraded_notes_only_what_was_not_noted_before(
    station: Station, engine: Engine, database: str
) -> None:
    """Its file goes back to before these rows were noted, and up again, with notes that wait."""
    (part,) = station.inspect(1)
    here = open_engine(station.path)
    with writing(here) as connection:
        for name in ("shadow", "lot", "seen"):
            connection.execute(text(f"DROP TRIGGER dispatch_{name}"))  # as its former program had it
    downgrade(here, BEFORE)
    upgrade(here)
    with writing(here) as connection:
        write_shadow(connection, [said(part.part_id, "top", Outcome.PASS)])
    with Forwarder(station.path, database) as forwarder:
        assert forwarder.state().unforwarded == 3
        forwarder.drain()
        station.inspect(1)
        assert forwarder.drain() == 1
    same(station, engine)
    here.dispose()
