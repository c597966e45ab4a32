"""Trainings, without a screen: those on record, what a further one would learn from, and who wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db.accounts import Permission
from db.jobs import OPEN, JobStatus
from db.material.previewing import Preview
from db.records import utc_now
from db.sessions import Session
from gui.models.desk import Retraining, TrainingsDesk
from gui.worker import Ask
from inspector.errors import AccessRefused, InspectorError

MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Line:
    """What a training said, and when this window heard it first."""

    at: datetime
    message: str


class TrainingsController:
    """`poll` is called every few seconds while the page is in front; `refused` hears that a session is over."""

    def __init__(
        self,
        desk: TrainingsDesk,
        ask: Ask,
        changed: Callable[[], None],
        refused: Callable[[InspectorError], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._clock = clock
        self._desk, self._ask, self._changed, self._refused = desk, ask, changed, refused
        self._reading = False
        self.session: Session | None = None
        self.jobs: tuple[JobStatus, ...] = ()
        """Newest first."""
        self.log: dict[UUID, tuple[Line, ...]] = {}
        """Of each training, what it said since this window looks: the database keeps the last word alone."""
        self.recipes: tuple[str, ...] = ()
        self.chosen: UUID | None = None
        self.preview: Preview | None = None
        self.previewing = ""
        """The recipe that is being looked at."""
        self.preview_error = ""
        self.busy = False
        self.error = ""
        self.queued = False
        self.reason = ""

    @property
    def job(self) -> JobStatus | None:
        return next((each for each in self.jobs if each.job.job_id == self.chosen), None)

    @property
    def may_train(self) -> bool:
        return self.session is not None and self.session.account.may(Permission.MODELS)

    @property
    def may_cancel(self) -> bool:
        return self.may_train and not self.busy and self.job is not None and self.job.state in OPEN

    def begin(self, session: Session) -> None:
        if self.session is not None and self.session.account.name != session.account.name:
            self.end()
        self.session = session
        self._changed()

    def end(self) -> None:
        """Nobody is there: what was typed goes with the person."""
        self.session, self.reason, self.queued, self.error = None, "", False, ""
        self._changed()

    def poll(self) -> None:
        if not self._reading:
            self._reading = True
            self._ask("jobs", self._desk.jobs, self._read, self._unread)

    def refresh(self) -> None:
        self.error = ""
        self.poll()
        self._ask("recipes", self._desk.recipes, self._named, self._failed)
        if self.previewing:
            self.look(self.previewing)

    def choose(self, job_id: UUID) -> None:
        self.chosen = job_id
        self._changed()

    def look(self, recipe: str) -> None:
        """Ask what a training of a recipe would learn from now."""
        self.previewing, self.preview, self.preview_error = recipe, None, ""
        self._changed()
        self._ask("snapshot preview", lambda: self._desk.preview(recipe), self._previewed, self._unpreviewed)

    def say(self, reason: str) -> None:
        """Every change here asks for one."""
        self.reason = reason
        self._changed()

    def queue(self, wanted: Retraining) -> None:
        session = self.session
        if session is not None and self.may_train and not self.busy:
            self._begin_change()
            self._ask("queue job", lambda: self._desk.queue(session, wanted), self._queued, self._failed)

    def cancel(self) -> None:
        session, job_id, reason = self.session, self.chosen, self.reason
        if session is not None and job_id is not None and self.may_cancel:
            self._begin_change()
            self._ask(
                "cancel job", lambda: self._desk.cancel(session, job_id, reason), lambda _: self._did(), self._failed
            )

    def _begin_change(self) -> None:
        self.busy, self.error, self.queued = True, "", False
        self._changed()

    def _queued(self, job_id: UUID) -> None:
        self.queued, self.chosen = True, job_id
        self._did()

    def _did(self) -> None:
        self.busy, self.reason = False, ""
        self._changed()
        self.poll()

    def _read(self, jobs: tuple[JobStatus, ...]) -> None:
        self._reading, self.jobs = False, jobs
        for one in jobs:
            self._hear(one)
        if self.job is None:
            self.chosen = jobs[0].job.job_id if jobs else None
        self._changed()

    def _hear(self, one: JobStatus) -> None:
        lines = self.log.get(one.job.job_id, ())
        if one.message and (not lines or lines[-1].message != one.message):
            self.log[one.job.job_id] = (*lines, Line(self._clock(), one.message))[-MOST_LINES:]

    def _named(self, recipes: tuple[str, ...]) -> None:
        self.recipes = recipes
        if not self.previewing and recipes:
            self.look(recipes[0])
        self._changed()

    def _previewed(self, preview: Preview) -> None:
        if preview.recipe == self.previewing:
            self.preview = preview
            self._changed()

    def _unpreviewed(self, error: InspectorError) -> None:
        self.preview_error = str(error)
        self._changed()

    def _unread(self, error: InspectorError) -> None:
        self._reading = False
        self._failed(error)

    def _failed(self, error: InspectorError) -> None:
        self.busy, self.error = False, str(error)
        if isinstance(error, AccessRefused):
            self._refused(error)
        self._changed()
