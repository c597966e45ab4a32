"""A station's file whose rows are noted for a plant, and ways to fill it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from db import queries
from db.dispatch import keep, unforwarded
from db.engine import WRITES, open_engine
from db.images import StoredImage
from db.ledger import Ledger
from db.records import Event, Severity
from db.tables import BUNDLES, EVENTS, IMAGES, LABEL_TASKS, RECIPES, RUNS, STATIONS
from inspector.draws import Draw, Stratum
from inspector.values import InspectionRecord, Outcome

IMAGE = StoredImage("c" * 64, "cc/cc/" + "c" * 64 + ".png", 17)
STRATA = (Stratum("near", 0.0, None, 0.5),)


class Station:
    """A ledger whose rows are noted for a plant, and ways to fill it."""

    def __init__(self, path: Path, line: Any, name: str = "station-1") -> None:
        self.path, self._line, self.name = path, line, name
        self.trigger = 0
        engine = open_engine(path, create=True)
        with engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})
            with connection.begin():
                keep(connection)
        engine.dispose()
        with Ledger(path) as ledger:
            self.run_id: UUID = ledger.start_run(line.run(station=name, audit=STRATA))

    def inspect(self, parts: int, **changes: Any) -> list[InspectionRecord]:
        """Parts in order, every fifth one rejected with an image, every seventh drawn for audit."""
        made = []
        with Ledger(self.path) as ledger:
            for _ in range(parts):
                self.trigger += 1
                part = self._line.part(self.run_id, self.trigger, station=self.name, **changes)
                rejected = self.trigger % 5 == 0
                verdict = {"outcome": Outcome.REJECT, "image_sha256": IMAGE.sha256} if rejected else {}
                judged = self._line.judged(part, **verdict)
                drawn = Draw(0.5, "near") if self.trigger % 7 == 0 and not rejected else None
                ledger.open_part(part)
                ledger.complete_part(judged, IMAGE if rejected else None, drawn)
                made.append(judged)
        return made

    def end(self) -> None:
        with Ledger(self.path) as ledger:
            ledger.record_event(Event(self.name, Severity.INFO, "start", "it's started; --"))
            ledger.end_run(self.run_id, clean=True).result(5)


FORWARDED = (STATIONS, RECIPES, BUNDLES, RUNS, IMAGES, LABEL_TASKS, EVENTS)


def same(station: Station, plant: Engine) -> None:
    """The plant has what the station has, once."""
    engine = open_engine(station.path)
    with engine.connect() as here, plant.connect() as there:
        for table in FORWARDED:
            key = list(table.primary_key.columns)
            assert there.execute(select(table).order_by(*key)).all() == here.execute(select(table).order_by(*key)).all()
        expected = queries.records(here, station.run_id)
        assert queries.records(there, station.run_id) == expected
        assert queries.trigger_count(there) == len(expected)
        assert unforwarded(here) == 0
    engine.dispose()
