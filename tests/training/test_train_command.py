"""The command as a user meets it: faults in one line, budgets kept, interruptions survived."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.cli import main
from training.budget import Budget
from training.fitting import CHECKPOINT
from training.order import Order
from training.outputs import ParityBroken
from training.recipe import TrainingRecipe
from training.train_command import TASKS


def write_recipe(path: Path, recipe: TrainingRecipe) -> Path:
    """TOML of the fields that differ from the defaults."""
    lines = []
    content = recipe.model_dump(exclude_defaults=True)
    for name, value in sorted(content.items(), key=lambda item: isinstance(item[1], dict)):
        if isinstance(value, dict):
            lines += [f"[{name}]", *(f"{key} = {inner!r}" for key, inner in value.items())]
        else:
            lines.append(f"{name} = {value!r}")
    path.write_text("\n".join(lines))
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["train", *words]) == 2
    text = capsys.readouterr().err.strip()
    assert "\n" not in text
    return text


def test_an_unknown_good_label_is_refused(surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, str(surface), "--task", "classify", "--out", str(tmp_path), "--good", "good,fine")
    assert "--good: fine is no label" in text


def test_a_time_of_making_without_a_zone_is_refused(surface: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(surface), "--task", "classify", "--out", "x", "--made-at", "2026-01-02T12:00:00"]
    with pytest.raises(SystemExit):
        main(words)
    assert "expected a time zone" in capsys.readouterr().err


def test_a_recipe_with_an_unknown_field_is_refused(
    surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("[fit]\nepoch = 1\n")
    text = refused(capsys, str(surface), "--task", "classify", "--out", str(tmp_path / "o"), "--recipe", str(recipe))
    assert f"{recipe}: fit.epoch: unknown field" in text


def breaks_parity(order: Order[TrainingRecipe], _: Budget) -> Path:
    """Stands in for a training whose int8 graph turns out, on the parts of val, to say something else."""
    (order.out / CHECKPOINT).write_bytes(b"a fitted network")
    raise ParityBroken("parity: the trt-int8 graph changes 22 of 232 decisions")


def test_what_was_fitted_for_minutes_is_not_lost_with_a_graph_that_broke_parity(
    surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "classify", (TASKS["classify"][0], f"{__name__}:breaks_parity"))
    text = refused(capsys, str(surface), "--task", "classify", "--out", str(tmp_path / "o"))
    assert "changes 22 of 232 decisions. The fitted network is kept in" in text
    assert f"{tmp_path / 'o' / CHECKPOINT}: the same command with --resume goes on from it" in text


def test_faults_of_the_index_are_refused_all_at_once(
    surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "surface"
    shutil.copytree(surface, folder)
    index = folder / "index.csv"
    index.write_text(index.read_text().replace("00.png,train,good", "gone.png,trein,good", 1))
    text = refused(capsys, str(folder), "--task", "classify", "--out", str(tmp_path / "o"))
    assert "row 2: split" in text
    assert "index.csv" in text


def test_an_unreadable_picture_is_refused_by_name(
    surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "surface"
    shutil.copytree(surface, folder)
    (folder / "03.png").write_bytes(b"no picture")
    text = capture_failure(capsys, folder, tmp_path)
    assert "03.png" in text


def capture_failure(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> str:
    assert main(["train", str(folder), "--task", "classify", "--out", str(tmp_path / "o")]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_minutes_below_what_one_epoch_needs_are_refused(
    surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", tiny_recipe())
    words = ["train", str(surface), "--task", "classify", "--out", str(tmp_path / "o"), "--recipe", str(recipe)]
    assert main([*words, "--minutes", "0.05"]) == 2
    assert "--minutes: expected at least" in capsys.readouterr().err


def test_resume_without_an_unfinished_run_is_refused(
    surface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", tiny_recipe())
    words = ["train", str(surface), "--task", "classify", "--out", str(tmp_path / "o"), "--recipe", str(recipe)]
    assert main([*words, "--resume"]) == 2
    assert f"{CHECKPOINT}: expected an unfinished run" in capsys.readouterr().err


@pytest.mark.slow
def test_minutes_are_kept_however_many_epochs_are_asked_for(
    surface: Path, tmp_path: Path, tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    recipe = write_recipe(tmp_path / "endless.toml", tiny_recipe(epochs=1000, patience=1000))
    words = ["train", str(surface), "--task", "classify", "--out", str(tmp_path / "o"), "--recipe", str(recipe)]
    began = time.monotonic()
    assert main([*words, "--minutes", "0.5"]) == 0
    assert time.monotonic() - began < 30
    assert 1 <= int(load_bundle(tmp_path / "o").manifest.training["epochs"]) < 1000


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_network_of_one_that_was_not(
    surface: Path, tmp_path: Path, train: Callable[..., Bundle], tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    recipe = tiny_recipe(epochs=12)
    path, out = write_recipe(tmp_path / "tiny.toml", recipe), tmp_path / "killed"
    kill_after_epoch(3, surface, out, path)
    assert (out / CHECKPOINT).is_file()
    assert not (out / "LATEST").exists()
    resumed = train(surface, out, recipe=recipe, resume=True)
    whole = train(surface, tmp_path / "whole", recipe=recipe)
    assert resumed.model_path("float").read_bytes() == whole.model_path("float").read_bytes()
    assert not (out / CHECKPOINT).exists()


@pytest.mark.slow
def test_a_terminated_run_is_no_success_and_keeps_its_last_epoch(
    surface: Path, tmp_path: Path, tiny_recipe: Callable[..., TrainingRecipe]
) -> None:
    path = write_recipe(tmp_path / "tiny.toml", tiny_recipe(epochs=1000, patience=1000))
    assert kill_after_epoch(1, surface, tmp_path / "o", path, signal.SIGTERM) == 130
    assert (tmp_path / "o" / CHECKPOINT).is_file()


def kill_after_epoch(epoch: int, surface: Path, out: Path, recipe: Path, how: signal.Signals = signal.SIGKILL) -> int:
    """Return the exit status of a training command that is stopped one epoch after `epoch`."""
    words = ["-m", "inspector.cli", "train", str(surface), "--task", "classify", "--out", str(out)]
    command = [sys.executable, *words, "--recipe", str(recipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        if process.stderr is None:
            raise RuntimeError("no pipe")
        for line in process.stderr:
            if line.startswith(f"epoch {epoch + 1}/"):
                os.kill(process.pid, how)
                break
        process.stderr.read()
    return process.returncode
