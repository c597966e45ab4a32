"""The drift watch on the line: what it tells, what it remembers, and that a safe mode diverts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from db.engine import open_engine
from db.ledger import Ledger
from db.queries import events_of
from db.records import Event, Severity
from inspector.bundle import load_bundle
from inspector.cli import main
from inspector.documents import read_json
from inspector.drift import DriftSettings, WatchKey, WatchState
from inspector.drift_alarms import alarm
from inspector.errors import ConfigError, UserError
from inspector.recipe import Recipe
from inspector.values import Outcome, PartResult, Prediction, Quality, Verdict, ViewInspection
from station.config import load_station_config
from station.messages import Drifted, DriftPoint, DriftStatus, Relearning
from station.relearning import give_order, order_path
from station.watch import ORDERS_LOOKED_FOR_AFTER_S, POINT_PARTS, SAVED_AFTER_S, LineWatch, memory_path

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
    void = "drift, and no certificate, since part 900: brightness"
    assert rows(summary)[1].reasons == ("safe mode: drift of brightness since part 700", void)
    assert all(part.reasons[-1] == void for part in rows(summary))
    assert summary.status.drift == void
    assert void in summary.text()
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


def test_an_order_to_learn_anew_ends_the_alarm_and_is_told_with_who_and_why(line: Line, file: Path) -> None:
    watch = learnt(line.watch(file, safe_mode=True))
    for number in range(100, 160):
        watch.see(part(number, brightness=-9), IMAGE)
    (drifted,) = line.said(Drifted)
    assert give_order(file, "ann", "lamp replaced") == ("brightness",)
    watch.see(part(1), IMAGE)
    assert not line.said(Relearning), "looked for before its time"
    line.now_s += ORDERS_LOOKED_FOR_AFTER_S
    watch.see(part(2), IMAGE)
    assert line.said(Relearning) == [Relearning("top", "ann", "lamp replaced", (drifted.alarm,))]
    assert line.said(DriftStatus)[-1].message == "learning from 100 parts"
    passed = part(3)
    assert watch.guard(passed) is passed
    state = WatchState.model_validate_json(file.read_text())
    assert (state.parts, state.alarms) == (0, ())
    assert not order_path(file).exists()
    line.now_s += ORDERS_LOOKED_FOR_AFTER_S
    watch.see(part(4), IMAGE)
    assert len(line.said(Relearning)) == 1


def test_an_order_given_while_the_station_stood_is_taken_at_its_start(line: Line, file: Path) -> None:
    first = learnt(line.watch(file))
    for number in range(100, 160):
        first.see(part(number, brightness=-9), IMAGE)
    give_order(file, "ben", "cover cleaned")
    again = Line()
    again.watch(file)
    (relearning,) = again.said(Relearning)
    assert (relearning.by, relearning.why, [alarm.figure for alarm in relearning.ended]) == (
        "ben",
        "cover cleaned",
        ["brightness"],
    )
    assert again.said(DriftStatus)[-1].message == "learning from 100 parts"


def test_an_order_that_cannot_be_read_ends_nothing_and_is_told(line: Line, file: Path) -> None:
    watch = learnt(line.watch(file))
    for number in range(100, 160):
        watch.see(part(number, brightness=-9), IMAGE)
    order_path(file).write_text('{"by": "ann"}')
    line.now_s += ORDERS_LOOKED_FOR_AFTER_S
    watch.see(part(1), IMAGE)
    fault = line.said(DriftStatus)[-1]
    assert not fault.well
    assert fault.message.startswith(f"order to learn anew not taken: {order_path(file)}: ")
    assert WatchState.model_validate_json(file.read_text()).alarms
    assert not order_path(file).exists()


def test_an_order_that_cannot_be_taken_away_is_told_once_and_ends_nothing(line: Line, file: Path) -> None:
    watch = learnt(line.watch(file))
    watch.save()
    order_path(file).mkdir()
    for second in range(1, 4):
        line.now_s = second * ORDERS_LOOKED_FOR_AFTER_S
        watch.see(part(second), IMAGE)
    faults = [status for status in line.said(DriftStatus) if not status.well]
    assert len(faults) == 1
    assert "cannot be taken away" in faults[0].message
    assert not line.said(Relearning)


def test_a_watch_that_is_off_takes_no_order(line: Line, file: Path) -> None:
    give_order(file, "ann", "lamp replaced")
    line.watch(file, enabled=False)
    assert order_path(file).exists()
    assert not line.said(Relearning)


@pytest.fixture
def written(tmp_path: Path, bundle_path: Path, picture_folder: Path) -> Path:
    """A configuration as a user writes it."""
    file = tmp_path / "line.toml"
    file.write_text(
        f'[station]\nname = "test-1"\nfolder = "station"\nbundle = "{bundle_path}"\nrecipe = "lid.toml"\n'
        f'[camera]\nkind = "folder"\npath = "{picture_folder}"\n'
    )
    (tmp_path / "lid.toml").write_text("")
    return file


def test_an_alarm_is_ended_by_command_and_the_ledger_says_by_whom_and_why(
    written: Path, run, rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """End to end: an alarm marks every verdict, the order ends it, reports say from when until when."""
    config = load_station_config(written)
    key = WatchKey(
        bundle=load_bundle(config.station.bundle).id, recipe=config.recipe.revision(), camera=config.camera.name
    )
    memory = memory_path(config.station.folder, config.camera.name)
    memory.parent.mkdir(parents=True)
    said = alarm("brightness", "lamp fade: brightness fell", 900, 700, False)
    memory.write_text(WatchState(key=key, parts=900, alarms=(said,)).model_dump_json())
    void = "drift, and no certificate, since part 900: brightness"
    first = run(config)
    assert {part.reasons[-1] for part in rows(first)} == {void}
    with Ledger(first.database) as ledger:
        event = Event("test-1", Severity.ALARM, "drift_alarm", f"camera {config.camera.name}: {said.text}")
        ledger.record_event(event).result(10)

    assert main(["station", "relearn", str(written), "--by", "ann", "--why", "lamp replaced"]) == 0
    assert "ends the alarms of brightness" in capsys.readouterr().out
    second = run(config)
    assert not any(reason == void for part in rows(second) for reason in part.reasons)
    assert second.status.drift == "learning from 2000 parts"
    engine = open_engine(second.database)
    with engine.connect() as connection:
        (relearnt,) = events_of(connection, ["drift_relearn"])
    engine.dispose()
    assert relearnt.message == (
        f"camera {config.camera.name}: by ann: lamp replaced; alarms ended: brightness since part 700"
    )
    assert main(["report", "drift", "--database", second.database]) == 0
    out = capsys.readouterr().out
    assert "drift: 1 alarms, 0 warnings" in out
    assert "certificate void at test-1, camera " in out
    assert "(by ann: lamp replaced; alarms ended: brightness since part 700)" in out


def test_an_order_where_there_is_no_alarm_says_so(written: Path, run, capsys: pytest.CaptureFixture[str]) -> None:
    run(load_station_config(written))
    assert main(["station", "relearn", str(written), "--by", "ann", "--why", "new material"]) == 0
    assert "there is no alarm to end" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--by", " ", "--why", "lamp"], "station relearn: by: "),
        (["--by", "ann", "--why", ""], "station relearn: why: "),
    ],
)
def test_an_order_needs_a_name_and_a_reason(
    written: Path, run, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    run(load_station_config(written))
    assert main(["station", "relearn", str(written), *options]) == 2
    assert said in capsys.readouterr().err


def test_an_order_to_a_station_that_never_ran_or_does_not_watch_is_refused(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["station", "relearn", str(written), "--by", "ann", "--why", "lamp"]
    assert main(order) == 2
    assert "station.folder: no such folder" in capsys.readouterr().err
    (written.parent / "lid.toml").write_text("[drift]\nenabled = false\n")
    assert main(order) == 2
    assert "drift.enabled is false" in capsys.readouterr().err


def test_an_order_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "drift").write_text("in the way")
    with pytest.raises(ConfigError, match=r"top\.order: cannot be written"):
        give_order(memory_path(tmp_path, "top"), "ann", "lamp")
