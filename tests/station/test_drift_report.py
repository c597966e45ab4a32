"""`inspector report drift`: from events to a page, a table and figures."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.ledger import Ledger
from db.records import Event, Severity
from inspector.cli import main
from inspector.drift import WatchPoint

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def point(part: int) -> str:
    levels = {"brightness": 130 - part / 1000, "review rate": 0.02}
    usual = {"brightness": 130.0, "review rate": 0.02}
    return WatchPoint(
        camera="top", part=part, levels=levels, usual=usual, evidence={"brightness": part / 1e4}, learning=("novelty",)
    ).model_dump_json()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        for n in range(6):
            at = NOON + timedelta(minutes=n)
            ledger.record_event(Event("s-1", Severity.INFO, "drift_figures", point(500 * (n + 1)), at))
        said = "camera top: lamp fade: brightness fell from 130.0 to 127.0; <the certificate> no longer holds"
        ledger.record_event(Event("s-1", Severity.WARNING, "drift_warning", "reject rate: 8 points on one side", NOON))
        ledger.record_event(Event("s-1", Severity.ALARM, "drift_alarm", said, NOON + timedelta(minutes=5)))
        ledger.record_event(Event("s-2", Severity.INFO, "camera ended", "all shown", NOON)).result(10)
    return path


def test_it_says_what_was_said_and_where_each_figure_stands(database: Path, capsys) -> None:
    assert main(["report", "drift", "--database", str(database)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "drift: 1 alarms, 1 warnings"
    assert lines[1].startswith("  certificate void at s-1, camera top, since 2026-01-02 12:05 UTC: lamp fade")
    assert "ALARM: camera top: lamp fade" in lines[3]
    assert lines[4] == "s-1, camera top, after 3000 parts:"
    assert lines[5].split() == ["brightness", "127", "usual", "130", "evidence", "30", "%", "of", "an", "alarm"]
    assert lines[6].split() == ["review", "rate", "0.02", "usual", "0.02"]
    assert lines[7].split() == ["novelty", "still", "learns"]


def test_its_files_hold_every_figure(database: Path, tmp_path: Path, capsys) -> None:
    table, figures, page = tmp_path / "t.csv", tmp_path / "f.json", tmp_path / "p.html"
    options = ["--csv", str(table), "--json", str(figures), "--html", str(page)]
    assert main(["report", "drift", "--database", str(database), *options]) == 0
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    assert rows[0]["figure"] == "brightness"
    assert float(rows[0]["level"]) == 129.5
    assert rows[1]["evidence"] == ""
    content = json.loads(figures.read_text())
    assert content["void_since"] == "2026-01-02T12:05:00+00:00"
    assert [len(content[name]) for name in ("alarms", "warnings", "relearnt", "void", "points")] == [1, 1, 0, 1, 6]
    assert content["void"][0]["until"] is None
    words = page.read_text()
    assert "The certificate is void since 2026-01-02 12:05 UTC" in words
    assert "&lt;the certificate&gt;" in words
    assert words.count("<svg") == 1
    assert "brightness" in words


def test_after_an_order_to_learn_anew_it_is_void_no_longer(database: Path, tmp_path: Path, capsys) -> None:
    with Ledger(database) as ledger:
        said = "camera top: by ann: lamp replaced; alarms ended: brightness since part 2000"
        ledger.record_event(Event("s-1", Severity.INFO, "drift_relearn", said, NOON + timedelta(hours=1))).result(10)
    figures, page = tmp_path / "f.json", tmp_path / "p.html"
    assert main(["report", "drift", "--database", str(database), "--json", str(figures), "--html", str(page)]) == 0
    content = json.loads(figures.read_text())
    assert content["void_since"] is None
    assert content["void"][0]["until"] == "2026-01-02T13:00:00+00:00"
    assert len(content["relearnt"]) == 1
    assert "until 2026-01-02 13:00 UTC (by ann: lamp replaced" in page.read_text()
    assert "The certificate is void" not in page.read_text()


def test_a_report_of_a_later_time_says_that_it_is_void_since_before(database: Path, capsys) -> None:
    assert main(["report", "drift", "--database", str(database), "--since", "2026-02-01"]) == 0
    assert "certificate void at s-1, camera top, since 2026-01-02 12:05 UTC" in capsys.readouterr().out


def test_since_and_station_choose(database: Path, capsys) -> None:
    assert main(["report", "drift", "--database", str(database), "--since", "2026-01-02T12:05"]) == 0
    assert capsys.readouterr().out.startswith("drift: 1 alarms, 0 warnings")
    assert main(["report", "drift", "--database", str(database), "--station", "s-2"]) == 0
    assert capsys.readouterr().out.startswith("drift: nothing on record")


def test_a_database_without_points_still_gives_a_page(tmp_path: Path, capsys) -> None:
    path, page = tmp_path / "ledger.sqlite", tmp_path / "p.html"
    with Ledger(path):
        pass
    assert main(["report", "drift", "--database", str(path), "--html", str(page)]) == 0
    assert "No point on record" in page.read_text()


@pytest.mark.parametrize("message", ["not json", '{"camera": "top"}'])
def test_a_damaged_point_is_one_line(tmp_path: Path, capsys, message: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.record_event(Event("s-1", Severity.INFO, "drift_figures", message, NOON)).result(10)
    assert main(["report", "drift", "--database", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("inspector: event ")
    assert len(said.splitlines()) == 1


def test_a_recipe_is_no_way_to_choose(database: Path, capsys) -> None:
    assert main(["report", "drift", "--database", str(database), "--recipe", "lid"]) == 2
    assert "--recipe: a drift watch is of a station and a camera; expected --station" in capsys.readouterr().err
