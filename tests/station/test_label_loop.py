"""The whole loop as a quality engineer goes round it: sheet, labels, repeats, reports. By the command line only."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.images import StoredImage
from db.ledger import Ledger
from db.records import Run
from inspector.cli import main
from inspector.draws import Draw, Stratum
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
STRATA = (Stratum("far", 0.0, 0.05, 0.25), Stratum("near", 0.05, None, 1.0))
Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def told(database: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a command on the database and return status, output and what was said on stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        try:
            status = main([*map(str, words), "--database", str(database)])
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """40 passes far from the limit, 10 of them drawn, 8 near it, all drawn, and 4 rejects; one pass has no picture."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        run = Run("s", "flange", "r", "{}", "b", "classify", ("good", "dent"), {"good": ["good"]}, audit=STRATA)
        ledger.start_run(run)
        for trigger in range(1, 53):
            _write(ledger, run, trigger)
        ledger.end_run(run.run_id, clean=True).result(10)
    return path


def _write(ledger: Ledger, run: Run, trigger: int) -> None:
    opened = InspectionRecord(new_id(), run.run_id, "s", "flange", "b", trigger, f"{trigger}.png", NOON)
    near, rejected = 40 < trigger <= 48, trigger > 48
    draw = Draw(1.0, "near") if near else Draw(0.25, "far") if trigger % 4 == 0 and not rejected else None
    image = StoredImage(f"{trigger:064}", f"{trigger}.jpg", 9) if draw and trigger != 4 else None
    judged = InspectionRecord(
        **{name: getattr(opened, name) for name in ("part_id", "run_id", "station", "recipe", "bundle_id", "trigger")},
        source=opened.source,
        triggered_at=opened.triggered_at,
        outcome=Outcome.REJECT if rejected else Outcome.PASS,
        label="dent" if rejected else "good",
        defect_probability=0.9 if rejected else 0.07 if near else 0.01,
        completed_at=NOON,
        image_sha256=image.sha256 if image else None,
    )
    ledger.open_part(opened)
    ledger.complete_part(judged, image, draw).result(10)


def sheet_of(told: Told, tmp_path: Path, person: str, answer: Callable[[int], str]) -> Path:
    """Have a person's sheet written and fill it in; `answer` gives the label by place in the sheet."""
    sheet = tmp_path / f"{person}.csv"
    assert told("label", "tasks", "--by", person, "--csv", sheet, "--images", tmp_path)[0] == 0
    with sheet.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with sheet.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([{**row, "label": answer(place)} for place, row in enumerate(rows)])
    return sheet


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_loop_from_draw_to_report(told: Told, tmp_path: Path) -> None:
    sheet = sheet_of(told, tmp_path, "ann", lambda place: "" if place == 0 else "dent" if place == 1 else "good")
    assert len(rows_of(sheet)) == 18
    assert {Path(row["image"]).parent for row in rows_of(sheet) if row["image"]} == {tmp_path}
    status, out, _ = told("label", "import", sheet, "--by", "ann", "--blind")
    assert (status, out) == (0, f"{sheet}: 17 labels, 17 of them answer a task; 1 rows without a label left out\n")

    report = tmp_path / "reports"
    files = [f"--{kind}={report / f'audit.{kind}'}" for kind in ("html", "csv", "json")]
    status, out, err = told("report", "audit", *files)
    assert (status, err) == (0, "")
    assert out.startswith("escapes   1 of 17 labelled passes; at most ")
    assert "without a label 1 of 18 drawn" in out
    figures = json.loads((report / "audit.json").read_text())
    assert (figures["passes"], figures["drawn"], figures["labelled_blind"], figures["escapes_found"]) == (48, 18, 17, 1)
    assert figures["escapes_low"] <= figures["escapes_estimated"] <= figures["escapes_high"]
    assert figures["escapes_at_most_worst"] >= figures["escapes_at_most"]
    assert figures["found"][0]["label"] == "dent"
    assert figures["escape_share_of_defective_at_most"] is None
    table = rows_of(report / "audit.csv")
    assert [row["stratum"] for row in table] == ["far", "near", "all"]
    assert [row["passes"] for row in table] == ["40", "8", "48"]
    page = (report / "audit.html").read_text()
    assert "<svg" in page
    assert "1 of 18 drawn parts have no blind label" in page


def test_repeats_and_agreement(told: Told, tmp_path: Path) -> None:
    first = sheet_of(told, tmp_path, "ann", lambda place: "dent" if place < 6 else "good")
    told("label", "import", first, "--by", "ann", "--blind")
    truth = {row["part"]: row["label"] for row in rows_of(first)}
    status, out, _ = told("label", "repeat", "--share", 1, "--by", "ann", "--by", "ben")
    assert (status, out) == (0, "17 of 17 parts drawn to be shown again to ann, ben\n")  # one has no picture
    for person in ("ann", "ben"):
        sheet = sheet_of(told, tmp_path, person, lambda place: "good")
        rows = rows_of(sheet)
        with sheet.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, [*rows[0], "by", "at"])
            writer.writeheader()
            at = "2026-01-03T08:00:00+01:00" if person == "ben" else ""
            writer.writerows([{**row, "label": truth[row["part"]], "by": person, "at": at} for row in rows])
        assert told("label", "import", sheet, "--blind")[0] == 0
    report = tmp_path / "reports"
    files = [f"--{kind}={report / f'agreement.{kind}'}" for kind in ("html", "csv", "json")]
    status, out, err = told("report", "agreement", "--reference", "ann", *files)
    assert (status, err) == (0, "")
    assert "ann and ben (Cohen's kappa)    1.00 (" in out
    assert "ann a second time    17 of 17 parts the same, at least 83.8 % (95 %)" in out
    assert "ben a second time    not stated: repeatability: ben labelled no part twice" in out
    figures = json.loads((report / "agreement.json").read_text())
    assert figures["raters"] == ["ann", "ben"]
    assert figures["cohen"][0]["value"] == 1.0
    assert figures["against_reference"][0]["effectiveness"] == 1.0
    assert figures["against_reference"][0]["misses"]["n"] > 0
    studies = [row["study"] for row in rows_of(report / "agreement.csv")]
    assert studies.count("cohen") == 3
    assert {"fleiss", "repeatability", "errors", "misses", "false alarms"} <= set(studies)
    page = (report / "agreement.html").read_text()
    assert "<svg" in page
    assert "too few parts to show it" in page
    assert "ben labelled no part twice" in page


def test_agreement_of_one_person_states_what_it_can(told: Told, tmp_path: Path) -> None:
    sheet = sheet_of(told, tmp_path, "ann", lambda place: "good")
    told("label", "import", sheet, "--by", "ann", "--blind")
    page, table = tmp_path / "a.html", tmp_path / "a.csv"
    status, out, _ = told("report", "agreement", "--html", page, "--csv", table)
    assert status == 0
    assert "all persons (Fleiss' kappa)    not stated: kappa: no part" in out
    assert "ann and the machine, stop or pass    not stated: kappa: both said 'good' of all parts" in out
    assert "--reference NAME says whose labels are the truth" in out
    assert "no reference was named" in page.read_text()
    assert "not stated" in table.read_text()
    status, _, err = told("report", "agreement", "--reference", "zoe")
    assert (status, err) == (2, "inspector: --reference zoe: gave no blind label; expected one of ann\n")
    _, out, _ = told("report", "agreement", "--reference", "ann")
    assert "against" not in out.splitlines()[-1]


def test_one_label_at_a_time(told: Told, database: Path, tmp_path: Path) -> None:
    status, out, _ = told("label", "tasks", "--by", "ann")
    rows = list(csv.DictReader(out.splitlines()))
    part = rows[0]["part"]
    status, out, _ = told("label", "add", part, "dent", "--by", "ann", "--blind", "--note", "edge")
    assert (status, out) == (0, f"part {part}: dent, says ann; answers task {rows[0]['task']}\n")
    assert told("label", "add", part, "good", "--by", "ann", "--blind")[2].endswith("--correct supersedes that\n")
    assert told("label", "add", part, "good", "--by", "ann", "--blind", "--correct")[0] == 0
    assert told("report", "audit")[1].startswith("escapes   0 of 1 labelled passes")


def test_what_was_caught_bounds_the_share_of_defective_parts(told: Told, database: Path) -> None:
    from db.engine import open_engine
    from db.queries import latest

    engine = open_engine(database)
    with engine.connect() as connection:
        reject = next(record for record in latest(connection, 99) if record.outcome is Outcome.REJECT)
        drawn = next(record for record in latest(connection, 99) if record.trigger == 44)
    engine.dispose()
    told("label", "add", reject.part_id, "dent", "--by", "ann")
    told("label", "add", drawn.part_id, "good", "--by", "ann", "--blind")
    out = told("report", "audit")[1]
    assert "1 stopped parts are labelled defective: at most " in out
    assert "40 passes are of strata without a label: all counted" in out


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("report", "audit"), "none of 18 drawn passes has a blind label"),
        (("report", "audit", "--since", "2030-01-01"), "no part passed that could be drawn"),
        (("report", "audit", "--recipe", "lid"), "no part passed that could be drawn"),
        (("report", "audit", "--since", "noon"), "'noon'; expected a time as 2026-01-31"),
        (("report", "audit", "--confidence", "1"), "--confidence 1: expected more than 0 and less than 1"),
        (("report", "agreement"), "no blind label; expected labels of two persons, or of one twice"),
        (("label", "repeat", "--share", "0.5", "--by", "a"), "no part with a picture has a blind label"),
        (("label", "repeat", "--share", "0", "--by", "a"), "--share 0: expected more than 0 and at most 1"),
        (("label", "add", "7", "good", "--by", "a"), "part '7': expected its id"),
        (("label", "import", "gone.csv"), "gone.csv: expected a readable CSV file"),
        (("label", "tasks", "--by", "a", "--csv", "/nowhere/a.csv"), "--csv /nowhere/a.csv: cannot be written"),
    ],
)
def test_bad_input_is_one_line(told: Told, words: tuple[str, ...], fault: str) -> None:
    status, _, err = told(*words)
    assert status == 2
    assert fault in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "header: expected columns part, label; missing part"),
        ("part\n", "header: expected columns part, label; missing label"),
        ("part,label\n", "column label: expected at least one label, found none in 0 rows"),
        ("part,label\nx,good\n", "row 2: part: expected a part's id, found 'x'"),
        ("part,label,at\n{id},good,noon\n", "row 2: at: expected a time as 2026-01-31T12:00:00+00:00, found 'noon'"),
        ("part,label,at\n{id},good,2026-01-01\n", "row 2: at: expected a time zone"),
        ("part,label\n{id},good\n", "row 2: part {id}: no such part in the database"),
    ],
)
def test_a_sheet_with_a_fault_is_refused_whole(told: Told, tmp_path: Path, content: str, fault: str) -> None:
    part = new_id()
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(content.replace("{id}", str(part)))
    status, _, err = told("label", "import", sheet, "--by", "ann")
    assert status == 2
    assert fault.replace("{id}", str(part)) in err
    assert err.count("\n") == 1


def test_a_sheet_without_a_person_is_refused(told: Told, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"part,label\n{new_id()},good\n")
    assert "row 2: by: expected a name, here or as --by" in told("label", "import", sheet)[2]


def test_reports_that_cannot_be_written_say_so(told: Told, tmp_path: Path) -> None:
    sheet = sheet_of(told, tmp_path, "ann", lambda place: "good")
    told("label", "import", sheet, "--by", "ann", "--blind")
    blocked = tmp_path / "file"
    blocked.write_text("")
    for kind in ("json", "csv", "html"):
        status, _, err = told("report", "audit", f"--{kind}", blocked / "x")
        assert status == 2
        assert "cannot be written" in err


def test_the_database_of_a_configuration(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bundle_path: Path
) -> None:
    config = tmp_path / "station.toml"
    block = f'[station]\nname = "s"\nfolder = "."\nbundle = "{bundle_path}"\n[camera]\nkind = "folder"\npath = "."\n'
    config.write_text(block)
    assert main(["report", "audit", "--config", str(config)]) == 2
    assert "none of 18 drawn passes has a blind label" in capsys.readouterr().err
