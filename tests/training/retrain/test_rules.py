"""Trainings that are wanted by rule: each cause has one job, and nothing is learned from that is not new."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.engine import open_engine, writing
from db.jobs import cancel, jobs
from db.ledger import Ledger
from db.records import Event, Run, Severity
from inspector.cli import main
from inspector.errors import ConfigError
from tests.training.plant import LATER, NOON, Plant, make_plant
from training.retrain.rules import Alarm, RecipeRules, Situation, wanted
from training.retrain.rules_command import load_rules
from training.retrain.situation import queue_wanted

RULES = RecipeRules(name="default", new_labels=40, drift_labels=10)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
QUIET = Situation(labels=5, last_job=UUID(int=1), asked_at=NOW - timedelta(days=1), is_open=False)
ALARM = Alarm(UUID(int=2), "brightness rose", 12)


def test_few_labels_soon_after_the_last_training_want_none() -> None:
    assert wanted(RULES, QUIET, NOW) is None


def test_enough_new_labels_want_one_and_say_how_many() -> None:
    cause = wanted(RULES, replace(QUIET, labels=40), NOW)
    assert cause is not None
    assert cause.reason == "40 new labels, 40 are wanted"


def test_a_drift_alarm_wants_one_once_enough_was_labelled_since() -> None:
    cause = wanted(RULES, replace(QUIET, alarm=ALARM), NOW)
    assert cause is not None
    assert "brightness rose" in cause.reason
    assert wanted(RULES, replace(QUIET, alarm=replace(ALARM, labels=9)), NOW) is None
    assert wanted(RecipeRules(name="default", on_drift=False), replace(QUIET, alarm=ALARM), NOW) is None


def test_a_week_wants_one_where_there_is_anything_new() -> None:
    late = replace(QUIET, asked_at=NOW - timedelta(days=7))
    assert wanted(RULES, late, NOW) is not None
    assert wanted(RULES, replace(late, labels=0), NOW) is None
    assert wanted(RecipeRules(name="default", every_days=None), late, NOW) is None
    assert wanted(RULES, replace(QUIET, asked_at=None, last_job=None), NOW) is not None


@given(st.integers(0, 1000), st.booleans(), st.one_of(st.none(), st.just(ALARM)))
def test_nothing_is_wanted_while_a_training_is_under_way(labels: int, late: bool, alarm: Alarm | None) -> None:
    asked_at = NOW - timedelta(days=30 if late else 0)
    assert wanted(RULES, Situation(labels, None, asked_at, True, alarm), NOW) is None


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return make_plant(tmp_path)


def queue(plant: Plant, rules: RecipeRules, now: datetime) -> str | None:
    engine = open_engine(plant.database)
    with writing(engine) as connection:
        job = queue_wanted(connection, rules, "", now)
    engine.dispose()
    return None if job is None else job.reason


def end_jobs(plant: Plant) -> None:
    engine = open_engine(plant.database)
    with writing(engine) as connection:
        for one in jobs(connection):
            cancel(connection, one.job.job_id, "ann", "a test", LATER)
    engine.dispose()


def test_one_cause_has_one_job_however_often_it_is_asked_and_what_became_of_it(plant: Plant) -> None:
    rules = RecipeRules(name="default", new_labels=30, every_days=None)
    assert queue(plant, rules, LATER) == "36 new labels, 30 are wanted"
    assert queue(plant, rules, LATER) is None
    end_jobs(plant)
    assert queue(plant, rules, LATER + timedelta(hours=1)) is None
    plant.label(0, "good", person="bob", minutes=180)
    assert queue(plant, rules.model_copy(update={"new_labels": 1}), LATER + timedelta(hours=2)) is not None


def test_a_drift_alarm_has_one_job_whatever_became_of_it(plant: Plant) -> None:
    rules = RecipeRules(name="default", new_labels=None, every_days=None, drift_labels=1)
    with Ledger(plant.database) as ledger:
        ledger.start_run(Run("press-4", "default", "r", "{}", "b", "classify", ("good", "dent"), {"good": ["good"]}))
        alarm = Event("press-4", Severity.ALARM, "drift_alarm", "brightness rose")
        ledger.record_event(alarm).result(120)
    next_year = alarm.at + timedelta(days=365)
    assert queue(plant, rules, next_year) is None  # nobody has labelled anything since
    plant.label(0, "good", person="bob", minutes=int((next_year - NOON).total_seconds() / 60))
    assert queue(plant, rules, next_year) == "drift alarm (brightness rose), and 1 labels since"
    end_jobs(plant)
    assert queue(plant, rules, next_year + timedelta(hours=1)) is None


def test_the_command_queues_against_what_serves_and_says_so_once(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = plant.folder / "retrain.toml"
    settings.write_text('[[recipe]]\nname = "default"\nnew_labels = 30\n[[recipe]]\nname = "other"\n')
    words = ["retrain", "rules", "--once", "--settings", str(settings), "--database", str(plant.database)]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "36 new labels, 30 are wanted" in told
    assert "other: no training is wanted" in told
    assert main(words) == 0
    assert "default: no training is wanted" in capsys.readouterr().out
    engine = open_engine(plant.database)
    with engine.connect() as connection:
        (one,) = jobs(connection)
    engine.dispose()
    assert (one.job.parent_bundle_id, one.job.person) == ("b", "retrain rules")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("[[recipe", "not TOML"),
        ("", "recipe: missing"),
        ('[[recipe]]\nname = "a"\n[[recipe]]\nname = "a"\n', "expected each name once"),
        ('[[recipe]]\nname = "a"\ntask = "guess"\n', "task"),
    ],
)
def test_rules_that_are_none_are_refused_by_file_and_field(tmp_path: Path, content: str, cause: str) -> None:
    path = tmp_path / "retrain.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=cause) as refusal:
        load_rules(path)
    assert str(path) in str(refusal.value)
