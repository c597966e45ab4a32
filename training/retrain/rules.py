"""When a training is wanted that nobody asked for: enough new labels, a drift alarm, or a week gone by.

One pure function. Every cause has a key, and of the key the job's id is made: whoever looks again finds the same job.
A training that would learn nothing new is never wanted, so each rule asks for new labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import Field, model_validator

from inspector.documents import Document
from training.jobs.settings import JobSettings

PERSON = "retrain rules"
_NAMESPACE = uuid5(NAMESPACE_URL, "open-inspector:retrain-rules")


class RecipeRules(Document):
    """A `[[recipe]]` table: when its labels are learned from without being asked."""

    name: str = Field(min_length=1, max_length=200, description="name of the recipe")
    new_labels: int | None = Field(default=200, ge=1, description="parts labelled since the last; unset: no such rule")
    on_drift: bool = Field(default=True, description="a drift alarm at a station that serves the recipe")
    drift_labels: int = Field(default=50, ge=1, description="parts labelled since the alarm, before it is learned from")
    every_days: float | None = Field(default=7.0, gt=0, le=366, description="so long after the last; unset: never")
    task: str = Field(default="classify", description="of the network")
    minutes: float | None = Field(default=None, gt=0, le=10_000, description="time for the training; unset: no limit")
    seed: int = Field(default=0, ge=0, lt=2**32, description="same seed, same network")
    training: Path | None = Field(default=None, description="training recipe (TOML); unset: the defaults")

    @model_validator(mode="after")
    def _is_a_job(self) -> RecipeRules:
        self.job("")
        return self

    def job(self, training: str) -> JobSettings:
        """What a job of these rules asks for, with a training recipe word for word."""
        said = {"task": self.task, "minutes": self.minutes, "seed": self.seed, "training": training}
        return JobSettings.model_validate(said)


class RulesSettings(Document):
    """A whole file of rules (`configs/retrain.example.toml`)."""

    recipe: tuple[RecipeRules, ...] = Field(min_length=1, description="recipes that are learned from by rule")


@dataclass(frozen=True, slots=True)
class Alarm:
    """The first drift alarm since the last training was asked for."""

    event_id: UUID
    message: str
    labels: int
    """Parts labelled since."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the database knows of a recipe when the rules are asked."""

    labels: int
    """Parts labelled since the last snapshot, or the last job where that is newer."""
    last_job: UUID | None
    asked_at: datetime | None
    """When the last training was asked for; None where none was."""
    is_open: bool
    """A training waits or runs."""
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a training is wanted."""

    key: str
    reason: str

    def job_id(self, recipe: str) -> UUID:
        """The one job that this cause can have."""
        return uuid5(_NAMESPACE, f"{recipe}\n{self.key}")


def wanted(rules: RecipeRules, now_is: Situation, now: datetime) -> Cause | None:
    """Return why a training is wanted now; None where none is, or one is under way."""
    if now_is.is_open:
        return None
    since = f"since job {now_is.last_job}"
    alarm = now_is.alarm
    if rules.on_drift and alarm is not None and alarm.labels >= rules.drift_labels:
        return Cause(f"drift {alarm.event_id}", f"drift alarm ({alarm.message}), and {alarm.labels} labels since")
    if rules.new_labels is not None and now_is.labels >= rules.new_labels:
        return Cause(f"labels {since}", f"{now_is.labels} new labels, {rules.new_labels} are wanted")
    if rules.every_days is None or not now_is.labels:
        return None
    if now_is.asked_at is None or now - now_is.asked_at >= timedelta(days=rules.every_days):
        return Cause(f"days {since}", f"{rules.every_days:g} days since the last, and {now_is.labels} new labels")
    return None
