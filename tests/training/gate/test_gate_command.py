"""`inspector retrain gate` on bundles around a network of ten kilobytes: bright parts are good, dark ones are not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import write_bundle
from inspector.cli import main
from tests.conftest import brightness_network, bundle_files, golden, manifest


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 parts of test, each its own group: good ones bright, `dark` ones dark."""
    folder, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    rows = []
    for number in range(120):
        is_dark = number % 2 == 0
        level = 40 if is_dark else 215
        picture = np.clip(level + rng.normal(0, 12, (32, 32, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        rows.append((f"{number}.png", "test", "dark" if is_dark else "good", f"g{number}"))
    with (folder / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "split", "label", "group"), *rows])
    return folder


def bundle(folder: Path, bias: float, **changes: object) -> Path:
    """A whole bundle with golden samples; `bias` is how sure its network is that dark parts are dark."""
    files = bundle_files(brightness_network(bias))
    plain = write_bundle(folder / "plain", manifest(**changes), files)
    return write_bundle(folder / "bundles", manifest(**changes), {**files, **golden(plain)})


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("serving"), 8.0)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Sixty parts of each kind, so margins that sixty can show; how fast a busy machine is proves nothing here."""
    path = tmp_path / "recipe.toml"
    path.write_text("[gate]\ncalibration_error = 0.5\nlatency_ratio = 100.0\n")
    return path


def test_an_equal_candidate_becomes_one_with_a_page_to_sign(
    parts: Path, serving: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate, page, found = bundle(tmp_path, 9.0), tmp_path / "gate.html", tmp_path / "gate.json"
    words = [str(candidate), str(serving), str(parts), "--recipe", str(recipe)]
    assert main(["retrain", "gate", *words, "--html", str(page), "--json", str(found)]) == 0
    assert capsys.readouterr().out.startswith("CANDIDATE: bundle ")
    report = json.loads(found.read_text())
    assert (report["outcome"], report["reasons"], report["parts"]) == ("candidate", [], 120)
    assert {test["name"]: test["n"] for test in report["tests"]} == {
        "any defect passed": 60,
        "dark passed": 60,
        "defective to review": 60,
        "good rejected": 60,
        "good to review": 60,
    }
    assert "Released by" in page.read_text()


def test_a_candidate_that_sees_nothing_is_refused_with_pictures_of_what_it_lost(
    parts: Path, serving: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate, page = bundle(tmp_path, -8.0), tmp_path / "gate.html"
    words = [str(candidate), str(serving), str(parts), "--recipe", str(recipe)]
    assert main(["retrain", "gate", *words, "--html", str(page)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("REFUSED: bundle ")
    assert "refused: not shown: dark passed: 60 lost, 0 gained of 60 groups" in out
    assert page.read_text().count("<img ") == 60


def test_a_candidate_without_golden_samples_is_refused(
    parts: Path, serving: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = write_bundle(tmp_path, manifest(), bundle_files(brightness_network(9.0)))
    assert main(["retrain", "gate", str(candidate), str(serving), str(parts), "--recipe", str(recipe)]) == 1
    assert "golden self-test: no golden sample is recorded at cpu-int8" in capsys.readouterr().out


def test_a_split_without_parts_is_bad_usage(parts: Path, serving: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "gate", str(serving), str(serving), str(parts), "--split", "val"]) == 2
    assert "no row of split 'val'" in capsys.readouterr().err
