"""A station killed with -9, again and again, on one database."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from db import queries
from db.engine import open_engine
from db.images import ImageStore
from db.ledger import Ledger
from inspector.values import InspectionRecord, Outcome

KILLS, MOST_KILLS = 15, 60
ENOUGH = 100
"""Parts that were completed; a busy machine needs more kills for as many."""
SCRIPT = Path(__file__).with_name("writing_station.py")


@dataclass
class Heard:
    """What the stations said was durable before they were killed."""

    opened: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)

    def note(self, lines: list[str]) -> None:
        for line in lines:
            word, part_id, *_ = line.split()
            (self.opened if word == "opened" else self.completed).add(part_id)


def test_killed_at_any_moment_it_loses_nothing_and_doubles_nothing(path: Path, tmp_path: Path) -> None:
    chance, heard, images = random.Random(7), Heard(), tmp_path / "images"
    for kill in range(MOST_KILLS):
        if kill >= KILLS and len(heard.completed) > ENOUGH:
            break
        # Every third one is killed at its start: while it makes the tables, recovers, or begins its run.
        heard.note(_kill_station(path, images, None if kill % 3 else chance.uniform(0.2, 0.9), chance.uniform(0, 0.25)))
    with Ledger(path) as ledger:
        ledger.recover("station-1")
        assert ledger.recover("station-1").completed == 0
    engine = open_engine(path)
    with engine.connect() as connection:
        stored = [record for run in queries.runs(connection) for record in queries.records(connection, run.run_id)]
        _nothing_lost(heard, stored)
        _nothing_doubled(connection, stored)
    engine.dispose()
    store = ImageStore(images)
    assert all(store.read(record.image_sha256) for record in stored if record.image_sha256)


def _nothing_lost(heard: Heard, stored: list[InspectionRecord]) -> None:
    assert len(heard.completed) > ENOUGH
    by_outcome = {str(record.part_id): record.outcome for record in stored}
    assert heard.opened <= by_outcome.keys()
    assert {by_outcome[part_id] for part_id in heard.completed} == {Outcome.PASS}
    assert all(record.outcome is not None and record.completed_at is not None for record in stored)
    assert all(record.outcome is Outcome.PASS or record.reasons for record in stored)


def _nothing_doubled(connection: Connection, stored: list[InspectionRecord]) -> None:
    """Frames go on where the killed station stopped: each is in the ledger once, none is left out."""
    assert len({record.part_id for record in stored}) == len(stored)
    assert sorted(record.sequence for record in stored) == list(range(len(stored)))
    assert queries.doubled_triggers(connection) == []


def _kill_station(path: Path, images: Path, at_start_s: float | None, after_first_s: float) -> list[str]:
    words = [sys.executable, str(SCRIPT), str(path), "station-1", "100000", str(images)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as station:
        assert station.stdout is not None
        first = "" if at_start_s is not None else station.stdout.readline()
        time.sleep(after_first_s if at_start_s is None else at_start_s)
        station.kill()
        lines = (first + station.stdout.read()).split("\n")
    return lines[:-1]  # what stands behind the last line's end is a line cut short
