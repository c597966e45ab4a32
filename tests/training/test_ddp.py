"""Two processes on this machine's processor fit one network, over gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inspector.errors import RecipeError
from training.recipe import FitRecipe, TrainingRecipe
from training.train_command import with_devices

PROGRAM = Path(__file__).with_name("ddp_fit.py")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, list[object]]]]:
    out = tmp_path_factory.mktemp("together")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROGRAM.parents[2])}
    words = [sys.executable, str(PROGRAM), str(out), "2"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out, [json.loads((out / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_both_processes_end_with_the_same_weights(together: tuple[Path, list[dict[str, list[object]]]]) -> None:
    one, other = together[1]
    assert one["pid"] != other["pid"]
    assert one["weights"] == pytest.approx(other["weights"], rel=1e-12)


@pytest.mark.slow
def test_each_process_sees_its_own_steps_and_together_they_see_all(
    together: tuple[Path, list[dict[str, list[object]]]],
) -> None:
    seen = [{tuple(pair) for pair in told["asked"]} for told in together[1]]  # type: ignore[arg-type]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == {(epoch, step) for epoch in (0, 1) for step in range(8)}


@pytest.mark.slow
def test_one_state_and_one_log_are_written(together: tuple[Path, list[dict[str, list[object]]]]) -> None:
    out, _ = together
    assert sorted(path.name for path in out.iterdir()) == ["logs", "rank0.json", "rank1.json", "unfinished.ckpt"]
    (log,) = out.glob("logs/*/metrics.csv")
    header, *rows = log.read_text().splitlines()
    assert {"epoch", "loss", "selection_loss"} <= set(header.split(","))
    assert rows


def test_more_devices_than_one_need_ddp() -> None:
    with pytest.raises(ValueError, match='strategy = "ddp"'):
        FitRecipe(devices=2)
    assert FitRecipe(devices=2, strategy="ddp").devices == 2


def test_command_line_goes_before_the_recipe() -> None:
    recipe = with_devices(TrainingRecipe(), "ddp", 2)
    assert isinstance(recipe, TrainingRecipe)
    assert (recipe.fit.strategy, recipe.fit.devices) == ("ddp", 2)
    assert with_devices(TrainingRecipe(), None, None) == TrainingRecipe()
    with pytest.raises(RecipeError, match="--strategy, --devices: fit"):
        with_devices(TrainingRecipe(), None, 2)
