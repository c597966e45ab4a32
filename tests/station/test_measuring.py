"""A station measures its runtimes with its own frames, keeps what it found, and tells when a runtime fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inspector.bundle import load_bundle
from inspector.choice import ready_model, stored_table
from inspector.cli import main
from inspector.errors import BundleError, CameraError
from inspector.fallback import SteadyModel
from inspector.inspection import Inspector
from inspector.parity import RuntimeTable
from station.config import StationConfig, station_config
from station.measuring import lines_of, own_frames, standing_of


@pytest.fixture
def config(tmp_path: Path, bundle_path: Path, picture_folder: Path) -> StationConfig:
    """A station whose bundle is its own copy: tables lie beside bundles."""
    bundle = shutil.copytree(bundle_path, tmp_path / "bundles" / bundle_path.name)
    content = {
        "station": {"name": "s", "folder": "st", "bundle": str(bundle), "deadline_ms": 300},
        "camera": {"kind": "folder", "path": str(picture_folder)},
    }
    return station_config(content, "station.toml", tmp_path)


@pytest.fixture
def measured(config: StationConfig, tmp_path: Path) -> RuntimeTable:
    block = config.station
    file = tmp_path / "station.toml"
    camera = f'[camera]\nkind = "folder"\npath = "{tmp_path / "pictures"}"\n'
    file.write_text(f'[station]\nname = "s"\nfolder = "st"\nbundle = "{block.bundle}"\n{camera}')
    assert main(["station", "measure", str(file), "--frames", "3", "--json", str(tmp_path / "t.json")]) == 0
    return RuntimeTable.model_validate_json((tmp_path / "t.json").read_text())


def test_the_table_is_of_the_stations_frames_and_lies_in_its_folder(
    config: StationConfig, measured: RuntimeTable
) -> None:
    bundle = load_bundle(config.station.bundle)
    assert measured.frames == 3
    assert {one.parts for one in measured.proved} == {6}  # three golden samples
    assert stored_table(bundle, config.post) == measured
    assert stored_table(bundle) is None
    assert "measured" in standing_of(config, bundle)
    assert any(line.startswith("refused: ") for line in lines_of(measured))


def test_a_station_that_has_not_measured_says_so(config: StationConfig) -> None:
    assert "inspector station measure" in standing_of(config, load_bundle(config.station.bundle))


def test_a_named_runtime_has_a_proved_spare_and_half_of_the_deadline(
    config: StationConfig, measured: RuntimeTable
) -> None:
    if len({one.candidate.runtime.kind for one in measured.proved}) < 2:
        pytest.skip("one runtime alone is installed")
    model, recipe = ready_model(load_bundle(config.station.bundle), config.recipe, config.post)
    assert recipe.runtime == config.recipe.runtime
    assert isinstance(model, SteadyModel)
    assert model.describe()["runtime"].startswith("onnxruntime")
    assert model.describe()["spare"].startswith("openvino")
    assert config.post.patience_s == 0.15


def test_a_named_runtime_that_flipped_a_golden_sample_here_is_refused(
    config: StationConfig, measured: RuntimeTable
) -> None:
    path = config.station.folder / "runtimes" / f"{measured.bundle[:16]}.json"
    content = json.loads(path.read_text())
    for one in content["evidence"]:
        if one["candidate"]["runtime"]["kind"] == "onnxruntime" and one["describes"]:
            one["refused"] = "2 golden samples have another outcome"
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="is refused on this machine: 2 golden samples"):
        Inspector(load_bundle(config.station.bundle), config.recipe, post=config.post)


def test_a_camera_that_ends_gives_what_it_has_and_one_that_gives_nothing_is_a_fault(
    config: StationConfig, picture_folder: Path
) -> None:
    assert len(own_frames(config, 50)) == 12
    for path in picture_folder.iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(CameraError, match="no frame"):
        own_frames(config, 3)


@pytest.mark.parametrize("frames", ["0", "1001"])
def test_a_number_of_frames_out_of_bounds_is_bad_usage(frames: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["station", "measure", "station.toml", "--frames", frames]) == 2
    assert "--frames" in capsys.readouterr().err
