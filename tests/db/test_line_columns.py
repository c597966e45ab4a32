"""Migration 6: what the plant calls a part, and an image of each view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from db.images import StoredImage
from db.ledger import Ledger
from db.queries import images_referenced, records
from db.schema import differences, downgrade, upgrade
from inspector.values import PartTag

TAG = PartTag("A-77", "L4", "0815")


def write_part(path: Path, line: Any) -> Any:
    """Write a part of two views, each with its image, and return its record."""
    with Ledger(path) as ledger:
        run_id = ledger.start_run(line.run())
        part = replace(line.part(run_id, 1), tag=TAG)
        ledger.open_part(part).result(10)
        judged = line.judged(part)
        top = replace(judged.views[0], image_sha256="1" * 64)
        side = replace(top, camera="side", image_sha256="2" * 64)
        whole = replace(judged, views=(top, side), image_sha256="2" * 64)
        first, second = (StoredImage(sha256, f"{sha256[:2]}/{sha256}.jpg", 10) for sha256 in ("2" * 64, "1" * 64))
        ledger.complete_part(whole, first, None, (second,)).result(10)
        return whole


def test_tag_and_image_of_each_view_come_back_as_they_were_written(path: Path, line: Any, engine: Engine) -> None:
    written = write_part(path, line)
    with engine.connect() as connection:
        (read,) = records(connection, written.run_id)
        stored = images_referenced(connection)
    assert read == written
    assert [image.sha256 for image in stored] == ["1" * 64, "2" * 64]


def test_rows_of_before_stay_on_the_way_down_and_up_without_a_tag(path: Path, line: Any, engine: Engine) -> None:
    written = write_part(path, line)
    downgrade(engine, "0004")
    upgrade(engine)
    assert differences(engine) == []
    with engine.connect() as connection:
        (read,) = records(connection, written.run_id)
        assert connection.execute(text("SELECT count(*) FROM findings")).scalar_one() == 2
    assert read.tag == PartTag()
    assert [view.image_sha256 for view in read.views] == [None, None]
    assert (read.part_id, read.image_sha256, read.outcome) == (written.part_id, written.image_sha256, written.outcome)
