"""`inspector report bundles`: from rows to lines, a table and figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from db.ledger import Ledger
from db.shadow import ShadowVerdict
from inspector.cli import main
from inspector.values import Outcome, PartTag, Verdict
from tests.db.conftest import NOON, Line

SHADOW, RIVAL = "5" * 64, "7" * 64
SAID = (Outcome.PASS, Outcome.REJECT, Outcome.PASS, Outcome.REVIEW)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four parts: pass, pass, reject, reject; what a bundle in the shadow said; two of them judged by a rival too."""
    path, line = tmp_path_factory.mktemp("plant") / "ledger.sqlite", Line()
    with Ledger(path) as ledger:
        run_id, rival = ledger.start_run(line.run()), ledger.start_run(line.run(bundle_id=RIVAL))
        for number, said in enumerate(SAID, start=1):
            part = line.part(run_id, number, tag=PartTag(serial=f"N-{number}"))
            ledger.open_part(part)
            ledger.complete_part(line.judged(part, outcome=Outcome.PASS if number < 3 else Outcome.REJECT))
            ledger.record_shadow(ShadowVerdict(part.part_id, "top", SHADOW, Verdict(said, (), 0.75, "good"), NOON))
            if number < 3:
                again = line.part(rival, number, bundle_id=RIVAL, tag=part.tag)
                ledger.open_part(again)
                ledger.complete_part(line.judged(again, outcome=Outcome.REJECT)).result(30)
    return path


def test_a_bundle_in_the_shadow_is_held_against_what_served(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, figures = tmp_path / "t.csv", tmp_path / "f.json"
    words = ["report", "bundles", SHADOW, "--database", str(database), "--csv", str(table), "--json", str(figures)]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "what served and bundle 555555555555 in the shadow on 4 parts",
        "  both pass 1, both stop 1",
        "  stopped by what served alone 1, by bundle 555555555555 in the shadow alone 1",
    ]
    assert "differ on 2 of 4 (6.76% to 93.24% with 95 % confidence)" in said[3]
    assert {line.split("UTC  ")[1] for line in said[4:]} == {
        "N-2  PASS (0.100) -> REJECT (0.750)",
        "N-3  REJECT (0.100) -> PASS (0.750)",
    }
    known = json.loads(figures.read_text())
    assert (known["first"], known["second"], known["parts"]) == (None, SHADOW, 4)
    assert (known["differ"]["count"], known["differ"]["of"]) == (2, 4)
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["part_id"] for row in rows] == [flip["part_id"] for flip in known["flips"]]


def test_two_bundles_that_served_are_compared_by_serial_number(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "bundles", RIVAL, "--against", Line.bundle_id, "--database", str(database)]) == 0
    assert "on 2 parts" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["9" * 64], "no part that 99999"),
        ([SHADOW, "--station", "none"], "saw in the shadow is on record"),
        ([SHADOW, "--against", RIVAL], "both judged is on record"),
        ([SHADOW, "--since", "yesterday"], "expected a time as 2026-01-31"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    database: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    try:
        status = main(["report", "bundles", *words, "--database", str(database)])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    assert said in capsys.readouterr().err
