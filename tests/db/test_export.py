"""`inspector db export`: what is in the files is what is in the tables, on both engines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from db import labels
from db.engine import WRITES
from db.history.scope import Scope
from db.ledger import Ledger
from inspector.cli import main
from inspector.errors import UserError
from inspector.values import Outcome, PartTag

pq = pytest.importorskip("pyarrow.parquet", reason="the extra parquet")

JANUARY, FEBRUARY = datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def written(database: str, line: Any) -> list[Any]:
    parts = []
    with Ledger(database) as ledger:
        run_id = ledger.start_run(line.run())
        for trigger, at in enumerate((JANUARY, FEBRUARY, FEBRUARY, FEBRUARY), start=1):
            part = line.part(run_id, trigger, triggered_at=at, tag=PartTag(None, "lot ä", None))
            judged = line.judged(part, outcome=Outcome.REJECT, reasons=('"odd", quoted',), label="scratch")
            ledger.open_part(part, simulated=trigger == 4)
            ledger.complete_part(judged)
            parts.append(judged)
    return parts


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_each_month_has_its_files_and_they_hold_the_rows(
    database: str, engine: Engine, written: list[Any], tmp_path: Path, monkeypatch: Any
) -> None:
    from db.history import export

    monkeypatch.setattr(export, "AT_ONCE", 1)  # several batches in a file
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        labels.add_label(connection, labels.Label(written[1].part_id, "good", "ann", blind=True))
    with engine.connect() as connection:
        made = {one.path.name: one.rows for one in export.export(connection, Scope(), tmp_path / "out")}
    assert made == {
        "parts-2026-01.parquet": 1,
        "views-2026-01.parquet": 1,
        "parts-2026-02.parquet": 2,
        "views-2026-02.parquet": 2,
        "labels-2026-02.parquet": 1,
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(made)
    (first,) = rows(tmp_path / "out" / "parts-2026-01.parquet")
    assert (first["part_id"], first["triggered_at"], first["lot"]) == (str(written[0].part_id), JANUARY, "lot ä")
    assert (first["outcome"], first["reasons"]) == ("REJECT", '["\\"odd\\", quoted"]')
    views = rows(tmp_path / "out" / "views-2026-02.parquet")
    assert views[0]["scores"] == "[2.2, -0.5]"
    (label,) = rows(tmp_path / "out" / "labels-2026-02.parquet")
    assert (label["person"], label["is_defect"], label["task_id"]) == ("ann", False, None)


def test_the_command_exports_a_scope_and_names_the_files(
    database: str, written: list[Any], tmp_path: Path, capsys: Any
) -> None:
    words = ["db", "export", "--database", database, "--out", str(tmp_path / "out")]
    assert main([*words, "--since", "2026-02-01", "--simulated"]) == 0
    assert f"{tmp_path / 'out' / 'parts-2026-02.parquet'}: 3 rows" in capsys.readouterr().out
    assert main([*words, "--station", "elsewhere"]) == 2
    assert "no such part is on record" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["db", "export", "--database", database, "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_nothing_half_written_is_left_where_writing_fails(engine: Engine, written: list[Any], tmp_path: Path) -> None:
    from db.history import export

    (tmp_path / "parts-2026-01.parquet").mkdir()
    with engine.connect() as connection, pytest.raises(UserError, match="cannot be written"):
        list(export.export(connection, Scope(), tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []
