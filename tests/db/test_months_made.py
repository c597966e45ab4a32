"""The benchmark's months of parts are what they say, on both engines, before anything is measured on them."""

from __future__ import annotations

import random
from datetime import timedelta

from sqlalchemy import Engine, func, select, text

from benchmarks.history import END, Past, grow
from benchmarks.screens import ALL, Drawn
from db.schema import differences
from db.tables import FINDINGS, INSPECTIONS

PAST = Past(parts=3000, stations=3, parts_per_day=50)


def chance(number: int) -> float:
    spread = (number * (48_271 + 7_919) + 104_729) % 2_147_483_647
    return (spread * spread % 2_147_483_647) / 2_147_483_647


def test_a_past_that_grew_has_every_part_once_in_its_month_and_answers_every_screen(engine: Engine) -> None:
    grow(engine, Past(1000, PAST.stations, PAST.parts_per_day))
    grow(engine, PAST, already=1000)
    assert differences(engine) == []
    with engine.connect() as connection:
        count, first, last = connection.execute(
            select(func.count(), func.min(INSPECTIONS.c.triggered_at), func.max(INSPECTIONS.c.triggered_at))
        ).one()
        assert (count, first, last) == (3000, PAST.start, END - timedelta(milliseconds=PAST.step_ms))
        rejects = select(func.count()).where(INSPECTIONS.c.outcome == "REJECT")
        assert connection.execute(rejects).scalar_one() == sum(chance(number) < 0.03 for number in range(3000))
        views = connection.execute(select(func.count()).select_from(FINDINGS)).scalar_one()
        judged = select(func.count()).where(INSPECTIONS.c.outcome != "NOT_INSPECTED")
        assert views == connection.execute(judged).scalar_one()
        if engine.dialect.name == "postgresql":
            assert connection.execute(text("SELECT count(*) FROM inspections_other")).scalar_one() == 0
        drawn = Drawn(PAST, random.Random(11))
        for screen in ALL.values():
            screen(connection, drawn)
