"""Recorded parts inspected again: the same answers wherever it is done, flips told, and a dead worker made good."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from db.images import ImageStore
from db.ledger import Ledger
from db.records import Run
from inspector.cli import main
from inspector.errors import UserError
from inspector.ids import new_id
from inspector.recipe import Recipe
from inspector.values import InspectionRecord, Outcome, Quality, Verdict, ViewInspection
from tests.training.plant import NOON
from training.backtest.engines import BacktestEngine, Processes, RayCluster, Serial, chunks_of
from training.backtest.parts import Bench, RecordedPart
from training.backtest.records import Period, recorded_parts

PARTS = 48
QUALITY = Quality(focus=200.0, brightness=120.0, dark_share=0.0, saturated_share=0.0)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of parts, all of which passed: every third is dark, and one picture is missing."""
    folder = tmp_path_factory.mktemp("recorded")
    store = ImageStore(folder / "images")
    with Ledger(folder / "ledger.sqlite") as ledger:
        run = Run("press", "default", "r", "{}", "b", "classify", ("good", "dark"), {"good": ["good"]})
        ledger.start_run(run)
        for number in range(PARTS):
            noise = np.random.default_rng(number).normal(0, 12, (64, 64, 3))
            picture = np.clip((30 if number % 3 == 0 else 215) + noise, 0, 255).astype(np.uint8)
            image = store.put(cv2.imencode(".png", picture)[1].tobytes(), ".png")
            opened = InspectionRecord(new_id(), run.run_id, "press", "default", "b", number + 1, f"{number}.png", NOON)
            verdict = Verdict(Outcome.PASS, (), 0.01, "good")
            view = ViewInspection("camera-1", number, f"{number}.png", QUALITY, None, verdict, {}, image.sha256)
            judged = replace(
                opened,
                outcome=Outcome.PASS,
                label="good",
                defect_probability=0.01,
                completed_at=NOON,
                image_sha256=image.sha256,
                views=(view,),
            )
            ledger.open_part(opened)
            ledger.complete_part(judged, image, None)
            if number == PARTS - 1:
                (folder / "images" / image.path).unlink()
    return folder


@pytest.fixture
def parts(recorded: Path) -> list[RecordedPart]:
    from db.engine import open_engine

    engine = open_engine(recorded / "ledger.sqlite")
    with engine.connect() as connection:
        found = recorded_parts(connection, Period(NOON))
    engine.dispose()
    return found


@pytest.fixture
def bench(recorded: Path, bundle_path: Path) -> Bench:
    recipe = Recipe.model_validate({"quality": {"min_focus": 1}})
    return Bench(bundle_path, recipe.model_dump_json(), recorded / "images")


def words_of(child: psutil.Process) -> str:
    """What a process calls itself; empty of one that has ended meanwhile."""
    try:
        return " ".join(child.cmdline())
    except psutil.Error:
        return ""


def said(engine: BacktestEngine, bench: Bench, parts: list[RecordedPart]) -> list[object]:
    answers = engine.run(bench, chunks_of(parts, 4), lambda _: None)
    return [each.said for chunk in answers for each in chunk]


def test_parts_are_judged_as_the_bundle_judges_them_and_a_missing_picture_is_told(
    bench: Bench, parts: list[RecordedPart]
) -> None:
    answers = [each for chunk in Serial().run(bench, chunks_of(parts, 7), lambda _: None) for each in chunk]
    assert [each.part_id for each in answers] == [part.part_id for part in parts]
    outcomes = [each.outcome for each in answers]
    assert outcomes[:-1] == [Outcome.REJECT if number % 3 == 0 else Outcome.PASS for number in range(PARTS - 1)]
    assert outcomes[-1] is None
    assert "No such file" in answers[-1].fault or "missing" in answers[-1].fault or "cannot" in answers[-1].fault


def test_two_processes_say_exactly_what_one_says_also_when_one_is_killed(
    bench: Bench, parts: list[RecordedPart]
) -> None:
    killed = threading.Event()

    def kill_one(done: int) -> None:
        children = [child for child in psutil.Process().children() if "spawn_main" in words_of(child)]
        if not killed.is_set() and children:
            killed.set()
            os.kill(children[0].pid, signal.SIGKILL)

    chunks = chunks_of(parts, 4)
    answers = [each.said for chunk in Processes(2).run(bench, chunks, kill_one) for each in chunk]
    assert killed.is_set()
    assert answers == said(Serial(), bench, parts)


def test_the_command_tells_flips_time_and_cost_in_every_format(
    recorded: Path, bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices, recipe = tmp_path / "prices.toml", tmp_path / "recipe.toml"
    prices.write_text("machine = 1000\n")
    recipe.write_text('name = "default"\n[quality]\nmin_focus = 1\n')
    words = ["backtest", str(bundle_path), "--since", "2026-01-01", "--database", str(recorded / "ledger.sqlite")]
    words += ["--images", str(recorded / "images"), "--recipe", str(recipe), "--prices", str(prices)]
    files = {name: tmp_path / f"told.{name}" for name in ("html", "csv", "json")}
    assert main([*words, *(word for name, path in files.items() for word in (f"--{name}", str(path)))]) == 0
    told = json.loads(files["json"].read_text())
    assert (told["parts"], told["inspected"], told["unreadable"]) == (PARTS - 1, PARTS, 1)
    assert told["changes"] == {"PASS>PASS": 31, "PASS>REJECT": 16}
    assert len(told["flips"]) == len(list(csv.DictReader(files["csv"].read_text().splitlines()))) == 16
    assert files["html"].read_text().count("<img") == 16
    assert "flips: 16 of 47" in capsys.readouterr().out
    assert told["cost_per_million"] > 0


def test_a_period_without_parts_and_a_worker_too_few_are_refused(
    recorded: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backtest", str(bundle_path), "--database", str(recorded / "ledger.sqlite")]
    words += ["--images", str(recorded / "images")]
    assert main([*words, "--since", "2027-01-01"]) == 2
    assert "none of 0 parts" in capsys.readouterr().err
    assert main([*words, "--since", "2026-01-01", "--workers", "0"]) == 2
    assert "--workers: expected 1 to 1024" in capsys.readouterr().err


@pytest.mark.slow
def test_a_ray_cluster_says_exactly_what_one_process_says_also_when_a_worker_is_killed(
    bench: Bench, parts: list[RecordedPart], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="the extra ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 by itself: on a busy machine such a worker never gets its turn
    killed = threading.Event()

    def kill_one(done: int) -> None:
        busy = [child for child in psutil.Process().children(recursive=True) if "ray::rejudge" in words_of(child)]
        if not killed.is_set() and busy:
            killed.set()
            busy[0].kill()

    chunks = chunks_of(parts, 2)
    answers = [each.said for chunk in RayCluster("local", 2).run(bench, chunks, kill_one) for each in chunk]
    assert killed.is_set()
    assert answers == said(Serial(), bench, parts)


def test_a_ray_cluster_that_is_not_there_is_refused(bench: Bench, parts: list[RecordedPart]) -> None:
    pytest.importorskip("ray", reason="the extra ray")
    with pytest.raises(UserError, match="--ray nowhere"):
        RayCluster("nowhere", 1).run(bench, chunks_of(parts), lambda _: None)
