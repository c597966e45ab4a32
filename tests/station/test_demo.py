"""`inspector demo` runs the real station and holds its verdicts against the renderer's truth."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.cli import main
from inspector.values import InspectionRecord
from station.cameras.synthetic import SyntheticSettings, truth_of
from station.config import StationConfig, load_station_config
from station.demo.figures import figures
from station.demo.plan import GOOD, TRAINING_SEED, truth_label
from station.running import RunSummary

PARTS = 14


@pytest.fixture(scope="module")
def demo(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run a short demo once; return its folder and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "made here"
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: printed.append(" ".join(map(str, words))))
        assert main(["demo", "--parts", str(PARTS), "--out", str(out), "--bundle", str(bundle_path)]) == 0
    return out, "\n".join(printed)


def test_demo_accounts_for_every_part_and_prints_rates_with_bounds(demo: tuple[Path, str]) -> None:
    out, printed = demo
    defective = sum(truth_label(2024, index) != GOOD for index in range(PARTS))
    assert f"{PARTS} triggers, {PARTS} verdicts (balanced)" in printed
    escape = rf"escape +\d+ of {defective}; at most [\d.]+ % \(95 %\)" if defective else "escape +not stated"
    assert re.search(escape, printed)
    assert re.search(rf"overkill +\d+ of {PARTS - defective}; at most", printed)
    assert re.search(rf"review +\d+ of {PARTS}; at most", printed)
    assert str(out / "ledger.sqlite") in printed
    assert str(out / "report.html") in printed


def test_demo_writes_a_report_with_pictures_of_its_rejects(demo: tuple[Path, str]) -> None:
    page = (demo[0] / "report.html").read_text()
    assert f"{PARTS} parts triggered, {PARTS} verdicts, none unaccounted for" in page
    assert "data:image/jpeg;base64," in page
    assert page.count("<svg role") == 3
    assert "vision ready" in page


def test_demo_says_what_to_try_next_and_it_works(demo: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    commands = [shlex.split(line)[1:] for line in demo[1].splitlines() if line.startswith("  inspector ")]
    assert [command[0] for command in commands] == ["station", "predict", "db"]
    for command in commands[1:]:
        assert main(command) == 0
    assert "REJECT" in capsys.readouterr().out


def test_station_of_the_demo_can_be_run_again_from_its_file(demo: tuple[Path, str]) -> None:
    config = load_station_config(demo[0] / "station.toml")
    assert isinstance(config.camera, SyntheticSettings)
    assert (config.camera.count, config.camera.seed) == (PARTS, 2024)
    assert config.recipe.name == "flange"
    assert config.station.folder.resolve() == demo[0].resolve()


def test_second_demo_in_the_same_folder_reports_its_own_parts(
    demo: tuple[Path, str], bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["demo", "--parts", "3", "--out", str(demo[0]), "--bundle", str(bundle_path), "--no-report"]
    assert main([*arguments, "--seed", "5"]) == 0
    printed = capsys.readouterr().out
    assert "3 triggers, 3 verdicts (balanced)" in printed
    assert "report.html" not in printed


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--seed", str(TRAINING_SEED)], "--seed: 7 made the parts"),
        (["--parts", "0"], "camera: count: "),
        (["--pace", "-1"], "camera: pace_hz: "),
        (["--bundle", "nowhere"], "--bundle: no bundle in nowhere"),
        (["--out", "file/below"], "--out: file/below: cannot be written"),
    ],
)
def test_bad_order_is_one_clear_line(
    words: list[str],
    fault: str,
    bundle_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    assert main(["demo", "--bundle", str(bundle_path), "--out", "out", *words]) == 2
    error = capsys.readouterr().err
    assert fault in error
    assert error.count("\n") == 1


def test_truth_reaches_no_record(
    bundle_path: Path,
    make_config: Callable[..., StationConfig],
    run: Callable[[StationConfig], RunSummary],
    rows: Callable[[RunSummary], list[InspectionRecord]],
) -> None:
    camera = {"kind": "synthetic", "count": 6, "seed": 5, "defect_share": 1.0}
    records = rows(run(make_config(camera, bundle=str(bundle_path))))
    truth = {record.part_id: truth_of(record.source) for record in records}
    assert GOOD not in truth.values()
    assert not any(label in record.source for record in records for label in truth.values())
    assert figures(records, truth).overkill is None
