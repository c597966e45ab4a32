"""The drift watch on the line: what it tells, what it remembers, and that a safe mode diverts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from db.engine import open_engine
from db.queries import events_of
from inspector.bundle import load_bundle
from inspector.documents import read_json
from inspector.drift import DriftSettings, WatchKey, WatchState
from inspector.drift_alarms import alarm
from inspector.errors import UserError
from inspector.recipe import Recipe
from inspector.values import Outcome, PartResult, Prediction, Quality, Verdict, ViewInspection
from station.messages import Drifted, DriftPoint, DriftStatus
from station.watch import POINT_PARTS, SAVED_AFTER_S, LineWatch, memory_path

KEY = WatchKey(bundle="b", recipe="r", camera="top")
IMAGE = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)


class Line:
    """Stands for the line process, with a clock that the test moves."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.now_s = 0.0

    def said(self, kind: type) -> list:
        return [message for message in self.heard if isinstance(message, kind)]

    def watch(self, file: Path, **drift: object) -> LineWatch:
        recipe = Recipe(drift=DriftSettings(learn_parts=100, **drift))
        return LineWatch(recipe, KEY, file, self.heard.append, lambda: self.now_s)


def part(number: int, brightness: float = 0.0, outcome: Outcome = Outcome.PASS) -> PartResult:
    rng = np.random.default_rng(number)
    quality = Quality(float(rng.normal(100, 5)), float(rng.normal(130 + brightness, 2)), 0.0, 0.0)
    prediction = Prediction("good", (1.0,), float(rng.uniform(0.01, 0.1)), (0.0,), novelty=float(rng.uniform()))
    verdict = Verdict(outcome, (), 0.05, "good")
    return PartResult(verdict, (ViewInspection("top", number, "", quality, prediction, verdict),))


def learnt(watch: LineWatch) -> LineWatch:
    for number in range(100):
        watch.see(part(number), IMAGE)
    return watch


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return memory_path(tmp_path, "top")


def test_the_screen_is_told_of_learning_and_of_its_end(line: Line, file: Path) -> None:
    learnt(line.watch(file))
    assert [status.message for status in line.said(DriftStatus)] == ["learning from 100 parts", "well"]


def test_pictures_are_measured_at_most_twenty_times_a_second_and_parts_are_all_seen(line: Line, file: Path) -> None:
    watch = line.watch(file)
    for number in range(100):
        line.now_s = 0.01 * number
        watch.see(part(number), IMAGE)
    watch.save()
    state = read_json(file, WatchState, UserError)
    assert state.parts == 100
    assert 15 <= state.profiled <= 20


def test_an_alarm_is_told_shown_and_kept_at_once(line: Line, file: Path) -> None:
    watch = learnt(line.watch(file, safe_mode=True))
    assert not file.exists()
    for number in range(100, 160):
        watch.see(part(number, brightness=-9), IMAGE)
    (drifted,) = line.said(Drifted)
    assert (drifted.camera, drifted.alarm.figure) == ("top", "brightness")
    assert line.said(DriftStatus)[-1].message == f"certificate void since part {drifted.alarm.part}: brightness"
    assert WatchState.model_validate_json(file.read_text()).alarms == (drifted.alarm,)
    guarded = watch.guard(part(1))
    assert guarded.verdict.outcome is Outcome.REVIEW


def test_a_restarted_watch_goes_on_with_its_alarm(line: Line, file: Path) -> None:
    first = learnt(line.watch(file, safe_mode=True))
    for number in range(100, 160):
        first.see(part(number, brightness=-9), IMAGE)
    again = Line()
    watch = again.watch(file, safe_mode=True)
    assert "certificate void since part 1" in again.said(DriftStatus)[-1].message
    assert watch.guard(part(1)).verdict.outcome is Outcome.REVIEW


def test_memory_is_written_now_and_then_and_when_asked(line: Line, file: Path) -> None:
    watch = line.watch(file)
    line.now_s = SAVED_AFTER_S - 1
    watch.see(part(1), IMAGE)
    assert not file.exists()
    line.now_s = SAVED_AFTER_S
    watch.see(part(2), IMAGE)
    assert WatchState.model_validate_json(file.read_text()).parts == 2
    watch.see(part(3), IMAGE)
    assert WatchState.model_validate_json(file.read_text()).parts == 2
    watch.save()
    assert WatchState.model_validate_json(file.read_text()).parts == 3


@pytest.mark.parametrize("content", ["", "{", '{"format": 2}', "[]"])
def test_a_damaged_memory_is_told_and_learnt_anew(line: Line, file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    learnt(line.watch(file))
    fault, *rest = line.said(DriftStatus)
    assert not fault.well
    assert fault.message.startswith(f"memory lost, learning anew: {file}: ")
    assert rest[-1].message == "well"


def test_a_memory_that_cannot_be_written_is_told_once(line: Line, file: Path) -> None:
    file.parent.parent.joinpath("drift").write_text("in the way")
    watch = line.watch(file)
    watch.save()
    watch.save()
    faults = [status.message for status in line.said(DriftStatus) if not status.well]
    assert len(faults) == 1
    assert faults[0].startswith(f"memory not written: {file}: cannot be written")
    file.parent.unlink()
    watch.save()
    assert file.exists()


def test_points_are_recorded_of_what_is_watched(line: Line, file: Path) -> None:
    watch = line.watch(file)
    for number in range(POINT_PARTS):
        watch.see(part(number), IMAGE)
    (point,) = line.said(DriftPoint)
    assert point.point.part == POINT_PARTS
    assert point.point.levels["brightness"] == pytest.approx(130, abs=2)


def test_a_part_without_a_prediction_says_nothing_of_the_line(line: Line, file: Path) -> None:
    verdict = Verdict(Outcome.NOT_INSPECTED, ("unreadable",))
    unseen = PartResult(verdict, (ViewInspection("top", 1, "", Quality(0, 0, 0, 0), None, verdict),))
    watch = line.watch(file)
    watch.see(unseen, IMAGE)
    watch.save()
    assert WatchState.model_validate_json(file.read_text()).parts == 0


def test_a_watch_that_is_off_does_nothing(line: Line, file: Path) -> None:
    watch = learnt(line.watch(file, enabled=False, safe_mode=True))
    watch.save()
    passed = part(1)
    assert watch.guard(passed) is passed
    assert [status.message for status in line.heard] == ["not watched"]
    assert not file.exists()


@pytest.mark.parametrize("camera", ["top", "../../etc", "a/b", "left camera"])
def test_a_memory_lies_in_the_station_s_folder(tmp_path: Path, camera: str) -> None:
    assert memory_path(tmp_path, camera).parent == tmp_path / "drift"


def test_a_station_in_safe_mode_diverts_what_would_pass(make_config, run, rows, tmp_path: Path) -> None:
    """End to end: a memory with an alarm from before the restart, and a recipe that asks for safe mode."""
    recipe_path = tmp_path / "safe.toml"
    recipe_path.write_text("[drift]\nsafe_mode = true\n")
    config = make_config(recipe=str(recipe_path))
    key = WatchKey(
        bundle=load_bundle(config.station.bundle).id, recipe=config.recipe.revision(), camera=config.camera.name
    )
    said = alarm("brightness", "lamp fade: brightness fell", 900, 700, True)
    file = memory_path(config.station.folder, config.camera.name)
    file.parent.mkdir(parents=True)
    file.write_text(WatchState(key=key, parts=900, alarms=(said,)).model_dump_json())
    summary = run(config)
    outcomes = [part.outcome for part in rows(summary)]
    assert set(outcomes) == {Outcome.REVIEW, Outcome.REJECT}
    assert rows(summary)[1].reasons == ("safe mode: drift of brightness since part 700",)
    assert summary.status.drift == "certificate void since part 900: brightness"
    assert WatchState.model_validate_json(file.read_text()).parts == 912


def test_a_station_records_a_damaged_memory(make_config, run, rows) -> None:
    config = make_config()
    file = memory_path(config.station.folder, config.camera.name)
    file.parent.mkdir(parents=True)
    file.write_text("nonsense")
    summary = run(config)
    engine = open_engine(summary.database)
    with engine.connect() as connection:
        (fault,) = events_of(connection, ["drift_fault"])
    engine.dispose()
    assert "memory lost" in fault.message
    assert Outcome.PASS in [part.outcome for part in rows(summary)]
