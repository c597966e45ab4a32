"""A station's configuration: read once, every fault named."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.cli import main
from inspector.errors import ConfigError
from station.config import load_station_config

WHOLE = """
[station]
name = "press-4"
folder = "station"
bundle = "{bundle}"

[camera]
kind = "folder"
path = "pictures"
"""


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, bundle_path: Path):
    file = tmp_path / "station.toml"
    file.write_text(WHOLE.format(bundle=bundle_path))
    config = load_station_config(file)
    assert config.station.folder == tmp_path / "station"
    assert config.database_url == f"sqlite:///{tmp_path / 'station' / 'ledger.sqlite'}"


def test_all_faults_of_a_block_are_told_at_once(tmp_path: Path):
    file = tmp_path / "station.toml"
    file.write_text('[station]\nname = ""\ndeadline_ms = -5\nspeed = 3\n[camera]\nkind = "folder"\n')
    with pytest.raises(ConfigError) as fault:
        load_station_config(file)
    for words in ("station.name", "station.deadline_ms", "station.speed: unknown field", "station.bundle: missing"):
        assert words in str(fault.value)


def test_missing_file_and_bad_toml_are_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "bad.toml").write_text("[station\n")
    for name, words in (("nowhere.toml", "cannot be read"), ("bad.toml", "not TOML")):
        assert main(["station", "run", str(tmp_path / name)]) == 2
        stderr = capsys.readouterr().err
        assert words in stderr
        assert stderr.count("\n") == 1


def test_check_reports_every_fault_at_once(tmp_path: Path, picture_folder: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "blocked").write_text("a file")
    file = tmp_path / "station.toml"
    file.write_text(
        '[station]\nname = "x"\nfolder = "blocked/below"\nbundle = "nowhere"\n'
        '[camera]\nkind = "folder"\npath = "gone"\n'
    )
    assert main(["station", "check", str(file)]) == 2
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1
    for words in ("3 checks failed", "no such bundle", "no folder", "cannot be written"):
        assert words in stderr


def test_check_of_a_whole_configuration_says_what_it_found(
    tmp_path: Path, bundle_path: Path, picture_folder: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "station.toml"
    file.write_text(WHOLE.format(bundle=bundle_path))
    assert main(["station", "check", str(file)]) == 0
    stdout = capsys.readouterr().out
    for words in ("3 golden samples as recorded", "128x96 px", "GB free", "fit to run"):
        assert words in stdout
