"""Jobs as a worker does them, and what is left when it is killed, stopped, or its job taken away."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import Engine

from db.bundle_states import BundleState, state_of
from db.bundles import KnownBundle, register_bundle
from db.challenges import ChallengePart, register
from db.engine import open_engine, writing
from db.images import ImageStore
from db.jobs import Job, JobState, JobStatus, cancel, enqueue, jobs
from db.ledger import Ledger
from db.records import Run
from db.snapshots import snapshots
from inspector.bundle import load_bundle, write_bundle
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.ids import new_id
from inspector.values import PartTag
from tests.conftest import brightness_network, bundle_files, golden, manifest
from tests.training.jobs.killed_worker import MOMENTS
from tests.training.plant import Plant, make_plant
from training.jobs.running import Children
from training.jobs.settings import WorkerSettings
from training.jobs.work import Shop
from training.jobs.worker import Worker

ROOT = Path(__file__).resolve().parents[3]
Command = Callable[[Sequence[str], Path, Callable[[float, str], None]], int]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return make_plant(tmp_path)


@pytest.fixture
def engine(plant: Plant) -> Iterator[Engine]:
    engine = open_engine(plant.database)
    yield engine
    engine.dispose()


class Scripted:
    """Commands that are functions of this test."""

    def __init__(self, *commands: Command) -> None:
        self._commands = list(commands)

    def run(self, words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        return self._commands.pop(0)(words, log, beat)


def queued(engine: Engine, parent: str | None = None, **changes: object) -> None:
    with writing(engine) as connection:
        enqueue(connection, Job("default", "ann", "200 corrections", parent_bundle_id=parent, **changes))  # type: ignore[arg-type]


def worked(plant: Plant, engine: Engine, *commands: Command) -> JobStatus:
    """Have the one job done by these commands, and return how it stands."""
    worker = Worker(Shop(engine, settings_of(plant), Scripted(*commands), lambda: datetime.now(UTC)), "worker")
    worker.once()
    return status(engine)


def settings_of(plant: Plant) -> WorkerSettings:
    folder = plant.folder
    return WorkerSettings(images=plant.images, bundles=folder / "bundles", folder=folder / "jobs", nice=0)


def status(engine: Engine) -> JobStatus:
    with engine.connect() as connection:
        (found,) = jobs(connection)
    return found


def placed(plant: Plant) -> list[Path]:
    folder = plant.folder / "bundles"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def trains(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
    files = bundle_files(brightness_network())
    out = Path(words[words.index("--out") + 1])
    plain = write_bundle(out.parent / "plain", manifest(), files)
    beat(0.5, "epoch 1/2")
    write_bundle(out, manifest(), {**files, **golden(plain)})
    return 0


def test_a_job_becomes_a_candidate_from_labels_to_bundle(plant: Plant, engine: Engine) -> None:
    queued(engine, settings={"seed": 7, "training": "golden_per_bundle = 4\n"})
    seen: list[str] = []

    def checks(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        seen.extend(words)
        assert len(read_dataset(Path(words[1])).rows) == 36
        assert Path(words[words.index("--recipe") + 1]).read_text() == "golden_per_bundle = 4\n"
        return trains(words, log, beat)

    now = worked(plant, engine, checks)
    assert seen[seen.index("--seed") + 1] == "7"
    assert (now.state, now.progress, now.attempt) == (JobState.SUCCEEDED, 1.0, 1)
    (bundle,) = placed(plant)
    assert load_bundle(bundle).id == now.bundle_id
    with engine.connect() as connection:
        assert state_of(connection, str(now.bundle_id)) is BundleState.CANDIDATE
        assert now.job.snapshot_id == snapshots(connection, "default")[0].snapshot_id


def test_a_worker_killed_three_times_makes_one_bundle_of_one_snapshot(plant: Plant, engine: Engine) -> None:
    queued(engine, most_attempts=5)
    for number, moment in enumerate((*MOMENTS, "never")):
        words = [str(plant.database), str(plant.folder), str(10 * number), moment]
        command = [sys.executable, "-m", "tests.training.jobs.killed_worker", *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            reached = process.stdout.readline().strip()
            if moment != "never":
                assert reached == moment
                assert [path for path in placed(plant) if not path.name.startswith(".")] == []
                process.send_signal(signal.SIGKILL)
    now = status(engine)
    assert (now.state, now.attempt) == (JobState.SUCCEEDED, 4)
    (bundle,) = placed(plant)
    assert load_bundle(bundle).id == now.bundle_id
    with engine.connect() as connection:
        assert len(snapshots(connection, "default")) == 1


def test_a_failed_command_fails_the_job_with_its_last_words(plant: Plant, engine: Engine) -> None:
    def fails(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        log.write_text("epoch 1/9\ninspector: index.csv: too few groups\n\n")
        return 2

    queued(engine)
    now = worked(plant, engine, fails)
    assert (now.state, now.message) == (
        JobState.FAILED,
        "train: exit status 2: inspector: index.csv: too few groups",
    )
    assert placed(plant) == []


def test_an_exception_that_nobody_foresaw_fails_the_job_and_keeps_its_traceback(plant: Plant, engine: Engine) -> None:
    def breaks(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        raise ZeroDivisionError("a bug")

    queued(engine)
    with pytest.raises(ZeroDivisionError):
        worked(plant, engine, breaks)
    now = status(engine)
    assert (now.state, now.message) == (JobState.FAILED, "ZeroDivisionError: a bug")
    assert "in breaks" in (plant.folder / "jobs" / str(now.job.job_id) / "fault.log").read_text()


def test_a_cancelled_job_is_let_go_at_the_next_word_of_its_command(plant: Plant, engine: Engine) -> None:
    def is_cancelled(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        with writing(engine) as connection:
            cancel(connection, status(engine).job.job_id, "bob", "wrong recipe", datetime.now(UTC))
        beat(0.5, "epoch 1/2")
        raise AssertionError("it went on")

    queued(engine)
    now = worked(plant, engine, is_cancelled)
    assert (now.state, now.message) == (JobState.CANCELLED, "cancelled by bob: wrong recipe")
    assert placed(plant) == []


def test_a_stopped_worker_gives_its_job_back(plant: Plant, engine: Engine) -> None:
    def is_stopped(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        raise KeyboardInterrupt

    queued(engine)
    with pytest.raises(KeyboardInterrupt):
        worked(plant, engine, is_stopped)
    assert (status(engine).state, status(engine).message) == (JobState.QUEUED, "the worker was stopped")


def test_a_bundle_that_the_gate_refuses_is_on_record_as_refused(plant: Plant, engine: Engine) -> None:
    serving = write_bundle(plant.folder / "bundles", manifest(), bundle_files(brightness_network(9.0)))
    parent = load_bundle(serving).id
    with writing(engine) as connection:
        register_bundle(connection, KnownBundle(parent, "classify", ("good", "dark"), {}))

    def gates(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        return main(list(words))

    queued(engine, parent)
    now = worked(plant, engine, trains, gates)
    assert now.state is JobState.SUCCEEDED
    assert now.message.startswith("REFUSED: ")
    assert "groups are needed" in now.message
    with engine.connect() as connection:
        assert state_of(connection, str(now.bundle_id)) is BundleState.REFUSED
    assert "Released by" in (plant.folder / "jobs" / str(now.job.job_id) / "gate.html").read_text()


def test_a_fast_job_starts_from_its_parent_and_its_bundle_is_as_old_as_its_labels(plant: Plant, engine: Engine) -> None:
    parent = load_bundle(write_bundle(plant.folder / "bundles", manifest(), bundle_files(brightness_network(9.0))))
    with writing(engine) as connection:
        register_bundle(connection, KnownBundle(parent.id, "classify", ("good", "dark"), {}))
    seen: list[list[str]] = []

    def hears(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        seen.append(list(words))
        return 2

    queued(engine, parent.id, settings={"start": "fast"})
    worked(plant, engine, hears)
    with engine.connect() as connection:
        (frozen,) = snapshots(connection, "default")
    said = " ".join(seen[0])
    assert f"--parent {parent.path} --fast --features {plant.folder / 'jobs' / 'features'}" in said
    assert datetime.fromisoformat(seen[0][seen[0].index("--made-at") + 1]) == frozen.label_cutoff


def test_a_start_from_a_parent_that_nobody_named_fails_the_job(
    plant: Plant, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    queued(engine, settings={"start": "warm"})
    now = worked(plant, engine)
    assert (now.state, "start: warm needs a parent bundle" in now.message) == (JobState.FAILED, True)
    assert main(["retrain", "queue", "default", "--reason", "r", "--fast", "--database", str(plant.database)]) == 2
    assert "--fast: expected --parent" in capsys.readouterr().err


def test_a_candidate_that_passes_a_challenge_part_is_refused(plant: Plant, engine: Engine) -> None:
    challenge_seen(plant, engine)
    serving = write_bundle(plant.folder / "bundles", manifest(), bundle_files(brightness_network(9.0)))
    parent = load_bundle(serving).id
    with writing(engine) as connection:
        register_bundle(connection, KnownBundle(parent, "classify", ("good", "dark"), {}))

    def gates(words: Sequence[str], log: Path, beat: Callable[[float, str], None]) -> int:
        return main(list(words))

    queued(engine, parent)
    assert "challenge part RR-1, to be REJECT, passes" in worked(plant, engine, trains, gates).message


def challenge_seen(plant: Plant, engine: Engine) -> None:
    """A bright part that must be stopped, as the station saw it."""
    rabbit = ChallengePart("press-4", "RR-1", "ann")
    with writing(engine) as connection:
        register(connection, rabbit)
    picture = np.random.default_rng(0).integers(200, 255, (64, 64, 3), np.uint8)
    image = ImageStore(plant.images).put(cv2.imencode(".png", picture)[1].tobytes(), ".png")
    first = plant.parts[0]
    known = {"challenge_id": rabbit.challenge_id, "image_sha256": image.sha256, "tag": PartTag(serial="RR-1")}
    with Ledger(plant.database) as ledger:
        run = Run("press-4", "default", "r", "{}", "b", "classify", ("good", "dent"), {"good": ["good"]})
        ledger.start_run(run)
        fresh = replace(first, part_id=new_id(), run_id=run.run_id, trigger=1, **known)
        ledger.open_part(replace(fresh, outcome=None, label=None, defect_probability=None, completed_at=None))
        ledger.complete_part(replace(fresh, challenge_met=True), image).result(30)


def test_settings_that_say_nonsense_fail_the_job(plant: Plant, engine: Engine) -> None:
    queued(engine, settings={"task": "guess"})
    now = worked(plant, engine)
    assert now.state is JobState.FAILED
    assert "settings: task" in now.message


def test_a_real_command_runs_within_its_limits_and_is_logged(plant: Plant, tmp_path: Path) -> None:
    heard: list[tuple[float, str]] = []
    log = tmp_path / "one.log"
    words = ["bundle", "show", str(tmp_path / "none")]
    status = Children(settings_of(plant)).run(words, log, lambda share, said: heard.append((share, said)))
    assert status == 2
    assert "no such bundle" in log.read_text()
    assert heard[-1][1].startswith("inspector: ")


def test_jobs_are_queued_listed_and_cancelled_by_the_command_line(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ["--database", str(plant.database)]
    folders = ["--images", str(plant.images), "--bundles", str(plant.folder / "b"), "--folder", str(plant.folder / "j")]
    assert main(["retrain", "queue", "default", "--reason", "weekly", "--by", "ann", *database]) == 0
    job_id = capsys.readouterr().out.strip()
    assert main(["retrain", "cancel", job_id, "--reason", "not now", "--by", "bob", *database]) == 0
    assert main(["retrain", "jobs", *database]) == 0
    out = capsys.readouterr().out
    assert f"{job_id} default CANCELLED 0 %; ann: weekly" in out
    assert "cancelled by bob: not now" in out
    assert main(["retrain", "once", *folders, *database]) == 0
    assert capsys.readouterr().out.strip() == "no job waits"
    assert main(["retrain", "queue", "default", "--reason", "r", "--task", "guess", *database]) == 2
    assert "--task, --minutes, --seed: task" in capsys.readouterr().err
