from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete
from sqlalchemy.exc import DBAPIError

from db.engine import open_engine
from db.label_marks import add_marks, marks_of
from db.labels import Label, add_label
from db.leases import LASTS, held_by_others, release, require, take
from db.ledger import Ledger
from db.plant_tables import LABEL_MARKS
from db.records import utc_now
from inspector.drawn import Box, Drawing, Polygon, Stroke
from inspector.errors import LabelRefused
from inspector.ids import new_id

ANN, BEN = new_id(), new_id()


@pytest.fixture
def part_id(database: str, line: Any) -> UUID:
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run(manifest={"good": ["good"]})), 1)
        ledger.open_part(part)
        ledger.complete_part(line.judged(part), None, None).result(10)
    return part.part_id  # type: ignore[no-any-return]


@pytest.fixture
def engine(database: str, part_id: UUID) -> Iterator[Engine]:
    engine = open_engine(database)
    yield engine
    engine.dispose()


def test_a_part_is_in_one_hand_until_it_is_released_or_forgotten(engine: Engine, part_id: UUID) -> None:
    now = utc_now()
    with engine.begin() as connection:
        assert take(connection, part_id, ANN, "ann", now)
        assert take(connection, part_id, ANN, "ann", now + timedelta(minutes=1)), "its holder goes on"
        assert not take(connection, part_id, BEN, "ben", now + LASTS)
        assert held_by_others(connection, BEN, now) == {part_id}
        assert held_by_others(connection, ANN, now) == set()
        release(connection, part_id, BEN, now)
        assert not take(connection, part_id, BEN, "ben", now), "nobody gives back what another holds"
        release(connection, part_id, ANN, now)
        assert take(connection, part_id, BEN, "ben", now)
        assert take(connection, part_id, ANN, "ann", now + LASTS), "a screen that died holds nothing up"


def test_work_on_a_part_that_another_took_is_refused_by_name(engine: Engine, part_id: UUID) -> None:
    now = utc_now()
    with engine.begin() as connection:
        take(connection, part_id, ANN, "ann", now)
        require(connection, part_id, ANN, "ann", now + 2 * LASTS)
        take(connection, part_id, BEN, "ben", now + 4 * LASTS)
        with pytest.raises(LabelRefused, match="ben has taken it meanwhile; your work is kept"):
            require(connection, part_id, ANN, "ann", now + 4 * LASTS)


def test_what_was_drawn_stays_with_its_label_and_is_never_changed(engine: Engine, part_id: UUID) -> None:
    shapes = (Box(x=1, y=2, width=3, height=4), Polygon(points=((0, 0), (9, 0), (9, 9.5))))
    drawing = Drawing(width_px=20, height_px=10, shapes=(*shapes, Stroke(points=((5, 5),), radius_px=2, erases=True)))
    label, bare = Label(part_id, "scratch", "ann", blind=False), Label(part_id, "good", "ben", blind=False)
    with engine.begin() as connection:
        for each, drawn in ((label, drawing), (bare, Drawing(width_px=20, height_px=10))):
            add_label(connection, each)
            add_marks(connection, each.label_id, drawn)
    with engine.connect() as connection:
        assert marks_of(connection, label.label_id) == drawing
        assert marks_of(connection, bare.label_id) is None
    with pytest.raises(DBAPIError, match="rows are added and never changed"), engine.begin() as connection:
        connection.execute(delete(LABEL_MARKS))
