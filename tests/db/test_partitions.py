"""Monthly partitions on a real PostgreSQL: made ahead, with rows moved up and down, and nobody else's business."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from db import queries
from db.engine import open_engine
from db.forward import Forwarder
from db.images import StoredImage
from db.ledger import Ledger
from db.partitions import MONTHS_AHEAD, is_partition, make_partitions
from db.schema import differences, downgrade, upgrade
from db.tables import FINDINGS, INSPECTIONS
from inspector.ids import new_id
from inspector.values import Outcome

PART = 0x7 << 76 | 0x2 << 62


@pytest.fixture
def url(server: Any) -> Iterator[str]:
    with server.database() as url:
        yield url


@pytest.fixture
def plant(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def id_of(moment: datetime, number: int = 1) -> UUID:
    return UUID(int=int(moment.timestamp() * 1000) << 80 | PART | number)


def partitions(engine: Engine, table: str) -> list[str]:
    return sorted(name for name in inspect(engine).get_table_names() if is_partition(name) and name.startswith(table))


def months(first: datetime, count: int) -> list[str]:
    numbers = range(first.year * 12 + first.month - 1, first.year * 12 + first.month - 1 + count)
    return [f"{number // 12:04}_{number % 12 + 1:02}" for number in numbers]


def partition_of(engine: Engine, table: str, part_id: UUID) -> str:
    with engine.connect() as connection:
        query = f"SELECT tableoid::regclass::text FROM {table} WHERE part_id = :part"
        return str(connection.execute(text(query), {"part": part_id}).scalar_one())


def add(url: str, line: Any, part_id: UUID, trigger: int, run_id: UUID | None = None) -> UUID:
    """One part with its finding and an image; return its run."""
    image = StoredImage("c" * 64, "cc/cc/" + "c" * 64 + ".png", 17)
    with Ledger(url) as ledger:
        run_id = run_id or ledger.start_run(line.run())
        part = line.part(run_id, trigger, part_id=part_id)
        ledger.open_part(part)
        judged = line.judged(part, outcome=Outcome.REJECT, image_sha256=image.sha256)
        ledger.complete_part(judged, image).result(5)
    return run_id


def test_this_month_and_the_next_ones_are_there_from_the_start(plant: Engine) -> None:
    ahead = months(datetime.now(UTC), MONTHS_AHEAD + 1)
    for table in ("inspections", "findings"):
        assert partitions(plant, table) == [*(f"{table}_{month}" for month in ahead), f"{table}_other"]
    with plant.begin() as connection:
        assert make_partitions(connection) == 0


def test_a_part_lies_in_the_month_of_its_id_and_one_of_a_wrong_clock_in_none(
    url: str, plant: Engine, line: Any
) -> None:
    now, ahead = new_id(), id_of(datetime(2099, 1, 2, tzinfo=UTC))
    run_id = add(url, line, now, 1)
    add(url, line, ahead, 2, run_id)
    for table in ("inspections", "findings"):
        assert partition_of(plant, table, now) == f"{table}_{months(datetime.now(UTC), 1)[0]}"
        assert partition_of(plant, table, ahead) == f"{table}_other"
    with plant.connect() as connection:
        assert [record.trigger for record in queries.records(connection, run_id)] == [1, 2]


def test_the_first_and_the_last_id_of_a_month_are_in_it(plant: Engine) -> None:
    with plant.begin() as connection:
        connection.execute(text("SELECT inspector_make_month('2024-02-01')"))
        bounds = connection.execute(
            text("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'inspections_2024_02'")
        ).scalar_one()
    first, beyond = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    low, high = (UUID(int=int(moment.timestamp() * 1000) << 80) for moment in (first, beyond))
    assert bounds == f"FOR VALUES FROM ('{low}') TO ('{high}')"


def test_up_with_rows_of_old_months_and_down_again_keeps_every_row_and_key(url: str, plant: Engine, line: Any) -> None:
    old, now, ahead = (
        id_of(datetime(2026, 1, 31, 23, 59, tzinfo=UTC)),
        new_id(),
        id_of(datetime(2099, 1, 2, tzinfo=UTC)),
    )
    run_id = add(url, line, old, 1)
    add(url, line, now, 2, run_id)
    add(url, line, ahead, 3, run_id)
    with plant.connect() as connection:
        before = queries.records(connection, run_id)
    downgrade(plant, "0006")
    assert partitions(plant, "inspections") == []
    assert {key["name"] for key in inspect(plant).get_unique_constraints("inspections")} == {
        "uq_inspections_run_id_trigger"
    }
    upgrade(plant)
    assert differences(plant) == []
    with plant.connect() as connection:
        assert queries.records(connection, run_id) == before
    assert partition_of(plant, "inspections", old) == "inspections_2026_01"
    assert partition_of(plant, "findings", old) == "findings_2026_01"
    task = {"part": new_id(), "at": datetime.now(UTC)}
    columns = "label_tasks (task_id, part_id, kind, created_at) VALUES (gen_random_uuid(), :part, 'REVIEW', :at)"
    with plant.begin() as connection, pytest.raises(IntegrityError, match="fk_label_tasks_part_id_inspections"):
        connection.execute(text(f"INSERT INTO {columns}"), task)


def test_a_month_whose_rows_are_in_the_default_partition_stays_there(url: str, plant: Engine, line: Any) -> None:
    """Nobody was there to make it in time: nothing fails, and the next month is made as ever."""
    add(url, line, id_of(datetime(2031, 5, 6, tzinfo=UTC)), 1)
    with plant.begin() as connection:
        made = [
            connection.execute(text(f"SELECT inspector_make_month('2031-{month:02}-01')")).scalar_one()
            for month in (5, 6)
        ]
    assert made == [0, 2]
    run_id = add(url, line, id_of(datetime(2031, 5, 7, tzinfo=UTC)), 1)
    with plant.connect() as connection:
        assert len(queries.records(connection, run_id)) == 1


@pytest.mark.parametrize("moment", [datetime(2099, 1, 2, tzinfo=UTC), datetime.now(UTC)])
def test_a_trigger_belongs_to_one_part_of_its_run_in_each_partition(
    url: str, plant: Engine, line: Any, moment: datetime
) -> None:
    run_id = add(url, line, id_of(moment), 1)
    with plant.begin() as connection:
        row = connection.execute(INSPECTIONS.select()).mappings().one()
        with pytest.raises(IntegrityError, match="uq_inspections_run_id_trigger"):
            connection.execute(INSPECTIONS.insert(), {**row, "part_id": id_of(moment, 2), "run_id": run_id})


def test_a_month_whose_parts_nobody_refers_to_can_be_detached(url: str, plant: Engine, line: Any) -> None:
    add(url, line, new_id(), 1)
    month = months(datetime.now(UTC), 1)[0]
    detach = "ALTER TABLE {0} DETACH PARTITION {0}_" + month
    with plant.begin() as connection, pytest.raises(IntegrityError, match="fk_findings_part_id_inspections"):
        connection.execute(text(detach.format("inspections")))
    with plant.begin() as connection:
        connection.execute(text("DELETE FROM outbox"))
        connection.execute(text(detach.format("findings")))
        connection.execute(text(f"ALTER TABLE findings_{month} DROP CONSTRAINT fk_findings_part_id_inspections"))
        connection.execute(text(detach.format("inspections")))
    with plant.connect() as connection:
        assert queries.trigger_count(connection) == 0
        assert connection.execute(text(f"SELECT count(*) FROM inspections_{month}")).scalar_one() == 1


def test_a_question_by_id_looks_into_one_partition(plant: Engine) -> None:
    with plant.connect() as connection:
        for table in (INSPECTIONS, FINDINGS):
            query = text(f"EXPLAIN SELECT * FROM {table.name} WHERE part_id = '{new_id()}'")
            plan = "\n".join(connection.execute(query).scalars())
            assert plan.count(f"{table.name}_") - plan.count(f"pk_{table.name}") >= 1
            assert "Append" not in plan


def test_the_forwarder_has_partitions_made_ahead(url: str, plant: Engine, path: Path, line: Any) -> None:
    last = f"findings_{months(datetime.now(UTC), MONTHS_AHEAD + 1)[-1]}"
    with plant.begin() as connection:
        connection.execute(text(f"DROP TABLE {last}"))
    with Ledger(path) as ledger:
        ledger.start_run(line.run())
    with Forwarder(path, url) as forwarder:
        forwarder.drain()
    assert last in partitions(plant, "findings")


def test_a_plant_that_makes_no_partitions_still_takes_rows(
    url: str, plant: Engine, path: Path, line: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with plant.begin() as connection:
        connection.execute(text("ALTER FUNCTION inspector_make_partitions() RENAME TO elsewhere"))
    with Ledger(path) as ledger:
        ledger.start_run(line.run())
    with Forwarder(path, url) as forwarder:
        assert forwarder.drain() == 1
    with plant.begin() as connection:
        connection.execute(text("ALTER FUNCTION elsewhere() RENAME TO inspector_make_partitions"))
    assert "no partitions made ahead" in caplog.text


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("inspections_2026_11", True),
        ("findings_other", True),
        ("inspections", False),
        ("findings_before", False),
        ("images_2026_11", False),
    ],
)
def test_a_partition_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert is_partition(name) is is_one
