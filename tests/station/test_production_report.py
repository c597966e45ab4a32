"""`inspector report shift|lot|part`: from rows to a page, a table and figures."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.images import StoredImage
from db.ledger import Ledger
from db.records import Event, Run, Severity
from inspector.cli import main
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, PartTag

SIX = datetime(2026, 3, 2, 6, tzinfo=UTC)
BEFORE, OF_SHIFT = 240, 40
CONFIG = """
[station]
name = "s-1"
folder = "."
bundle = "."
database = "sqlite:///{database}"
{shifts}
[camera]
kind = "folder"
path = "."
"""
SHIFTS = '[shifts]\nstarts = {early = "06:00", late = "14:00", night = "22:00"}'


def part(run: Run, number: int, at: datetime, outcome: Outcome) -> tuple[InspectionRecord, InspectionRecord]:
    from dataclasses import replace

    opened = InspectionRecord(
        part_id=new_id(),
        run_id=run.run_id,
        station=run.station,
        recipe=run.recipe,
        bundle_id=run.bundle_id,
        trigger=number,
        sequence=number,
        source=f"{number}.png",
        triggered_at=at,
        tag=PartTag(None, "<lot> 7", f"N-{number}"),
    )
    label = "scratch" if outcome is Outcome.REJECT else "good"
    judged = replace(
        opened, outcome=outcome, label=label, defect_probability=0.5, latency_ms=float(number), completed_at=at
    )
    return opened, judged


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve shifts with two stops in twenty parts each, and one of forty parts with twenty stops and an alarm."""
    path = tmp_path_factory.mktemp("plant") / "ledger.sqlite"
    run = Run("s-1", "bracket", "r" * 64, "", "b" * 64, "classify", ("good", "scratch"))
    with Ledger(path) as ledger:
        ledger.start_run(run)
        for number in range(1, BEFORE + OF_SHIFT + 1):
            late = number > BEFORE
            at = SIX + (
                timedelta(minutes=number - BEFORE) if late else -timedelta(hours=8) * ((number - 1) // 20 + 0.5)
            )
            stopped = number % 2 == 0 if late else number % 10 == 0
            opened, judged = part(run, number, at, Outcome.REJECT if stopped else Outcome.PASS)
            ledger.open_part(opened)
            ledger.complete_part(judged)
        opened, judged = part(run, 900, SIX, Outcome.PASS)
        ledger.open_part(opened, simulated=True)
        ledger.complete_part(judged)
        said = "camera top: <gone>"
        ledger.record_event(Event("s-1", Severity.ALARM, "camera lost", said, SIX + timedelta(hours=1))).result(20)
    return path


def test_a_shift_is_told_with_counts_bounds_and_what_is_usual(database: Path, tmp_path: Path, capsys) -> None:
    config = tmp_path / "station.toml"
    config.write_text(CONFIG.format(database=database, shifts=SHIFTS))
    files = [tmp_path / name for name in ("p.html", "t.csv", "f.json")]
    options = ["--html", str(files[0]), "--csv", str(files[1]), "--json", str(files[2])]
    words = ["report", "shift", "--config", str(config), "--shift", "early", "--day", "2026-03-02"]
    assert main([*words, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "shift early of 2026-03-02, 2026-03-02 06:00 to 2026-03-02 14:00 UTC: 40 parts"
    assert "1 parts are not counted" in lines[1]
    assert "  rejected       20 of 40 (50 %; 33.8 to 66.2 %)" in lines
    assert any(line.startswith("  p' chart: stopped 20 of 40 (50 %), beyond the limits") for line in lines)
    assert any("ALARM camera lost: camera top: <gone>" in line for line in lines)

    known = json.loads(files[2].read_text())
    assert (known["parts"], known["passes"], known["rejects"], known["not_counted"]) == (40, 20, 20, 1)
    assert known["yield"] == {
        "count": 20,
        "of": 40,
        "share": 0.5,
        "low": pytest.approx(0.338, abs=1e-3),
        "high": pytest.approx(0.662, abs=1e-3),
    }
    assert (known["p_chart"]["beyond"], known["p_chart"]["subgroups"]) == (True, 12)
    assert known["latency"]["n"] == 40
    assert sum(one["parts"] for one in known["over_time"]) == 40
    with files[1].open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["parts"] for row in rows if row["by"] in ("all", "station", "lot")] == ["40"] * 3
    assert rows[1]["name"] == "2026-03-02T06:00:00+00:00"
    page = files[0].read_text()
    assert page.count("<svg") == 3
    assert "20 of 40" in page
    assert "&lt;gone&gt;" in page
    assert "<gone>" not in page


def test_a_time_without_parts_says_so_and_makes_a_page(database: Path, tmp_path: Path, capsys) -> None:
    page = tmp_path / "p.html"
    words = ["report", "shift", "--database", str(database), "--since", "2026-05-01", "--until", "2026-05-02"]
    assert main([*words, "--html", str(page)]) == 0
    assert capsys.readouterr().out == "2026-05-01 00:00 to 2026-05-02 00:00 UTC: 0 parts\n"
    assert "0 parts" in page.read_text()


def test_rendered_parts_count_where_that_is_asked_for(database: Path, capsys) -> None:
    words = [
        "report",
        "shift",
        "--database",
        str(database),
        "--since",
        "2026-03-02T06:00",
        "--until",
        "2026-03-02T14:00",
    ]
    assert main([*words, "--simulated"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(": 41 parts")


def test_a_lot_is_told_from_its_first_part_to_its_last(database: Path, tmp_path: Path, capsys) -> None:
    figures, page = tmp_path / "f.json", tmp_path / "p.html"
    words = ["report", "lot", "<lot> 7", "--database", str(database)]
    assert main([*words, "--json", str(figures), "--html", str(page)]) == 0
    known = json.loads(figures.read_text())
    assert (known["lot"], known["parts"]) == ("<lot> 7", BEFORE + OF_SHIFT)
    assert sum(one["parts"] for one in known["over_time"]) == BEFORE + OF_SHIFT
    assert known["p_chart"].startswith("p' chart: a lot")
    assert "&lt;lot&gt; 7" in page.read_text()


def test_a_part_is_told_by_serial_and_by_id(database: Path, tmp_path: Path, capsys) -> None:
    figures, page, table = tmp_path / "f.json", tmp_path / "p.html", tmp_path / "t.csv"
    options = ["--database", str(database), "--json", str(figures)]
    assert main(["report", "part", "N-250", *options, "--html", str(page), "--csv", str(table)]) == 0
    assert "s-1 bracket: REJECT, scratch, defect probability 0.5000" in capsys.readouterr().out
    known = json.loads(figures.read_text())["inspections"]
    assert [(one["serial"], one["outcome"], one["latency_ms"]) for one in known] == [("N-250", "REJECT", 250.0)]
    assert "REJECT" in page.read_text()
    with table.open() as stream:
        assert [row["serial"] for row in csv.DictReader(stream)] == ["N-250"]
    assert main(["report", "part", known[0]["part_id"], *options]) == 0
    assert json.loads(figures.read_text())["inspections"] == known


def test_the_page_of_a_part_shows_its_picture_and_says_where_it_is_gone(tmp_path: Path) -> None:
    from dataclasses import replace

    from db.history.parts import Inspected
    from db.images import ImageStore
    from station.reports.part_page import write_page

    run = Run("s-1", "bracket", "r" * 64, "", "b" * 64, "classify", ("good",))
    stored: StoredImage = ImageStore(tmp_path / "images").put(b"\x89PNG picture", ".png")
    _, judged = part(run, 1, SIX, Outcome.REJECT)
    found = [Inspected(replace(judged, image_sha256=sha256), ()) for sha256 in (stored.sha256, "d" * 64)]
    write_page(tmp_path / "p.html", "N-1", found, tmp_path / "images")
    page = (tmp_path / "p.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert page.count("picture no longer kept") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shift"], "which time? expected --since and --until, or --config with [shifts]"),
        (["shift", "--until", "2026-03-02"], "--until: expected --since with it"),
        (["shift", "--since", "2026-03-02", "--until", "2026-03-01"], "expected a time before 2026-03-01T00:00"),
        (["shift", "--since", "2026-03-02", "--shift", "early"], "--since and --shift: expected one of them"),
        (["shift", "--since", "0001-01-02", "--until", "0001-02-01"], "expected times within the calendar"),
        (["lot", "none"], "lot 'none': no part of it is on record"),
        (["part", "none"], "part 'none': no inspection of it is on record"),
    ],
)
def test_what_cannot_be_reported_is_one_line(database: Path, capsys, words: list[str], said: str) -> None:
    assert main(["report", *words, "--database", str(database)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_configuration_without_shifts_and_a_shift_that_it_lacks_are_one_line(
    database: Path, tmp_path: Path, capsys
) -> None:
    config = tmp_path / "station.toml"
    config.write_text(CONFIG.format(database=database, shifts=""))
    assert main(["report", "shift", "--config", str(config)]) == 2
    assert "shifts: expected a table [shifts], or --since and --until" in capsys.readouterr().err
    config.write_text(CONFIG.format(database=database, shifts=SHIFTS))
    assert main(["report", "shift", "--config", str(config), "--day", "2026-03-02"]) == 2
    assert "--day: expected --shift with it, one of early, late, night" in capsys.readouterr().err
    assert main(["report", "shift", "--config", str(config), "--shift", "noon"]) == 2
    assert "--shift 'noon': expected one of early, late, night" in capsys.readouterr().err
