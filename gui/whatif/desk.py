"""What the what-if screen asks of the database. Everything here runs on a worker's thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from pydantic import ValidationError
from sqlalchemy import Connection, select

from db.accounts import Permission
from db.history.choices import Choices, choices
from db.history.scope import Scope
from db.history.scores import scores
from db.history.tallies import span
from db.recipes import RecipeRevision, save_revision
from db.records import utc_now
from db.sessions import Session, touch
from db.tables import BUNDLES, RUNS
from gui.database import Source, reading, writing
from gui.kept_recipe import in_force
from gui.limits import CERTIFIED, Limits, limits_of
from gui.second import Second, agreed
from gui.whatif.model import Recorded, recorded, stays_certified
from inspector.errors import AccessRefused, DatabaseError, RecipeError
from inspector.recipe import Recipe
from inspector.verdict import Policy


@dataclass(frozen=True, slots=True)
class Asked:
    """Which parts: of a recipe and a bundle (None: those of the newest run), and how far back (None: all)."""

    recipe: str | None = None
    bundle_id: str | None = None
    back: timedelta | None = timedelta(days=30)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A recipe on a bundle: the limits in force, those that are certified, and the parts they are tried on."""

    recipe: str
    bundle_id: str
    number: int
    """Of the revision that a change follows; 0: nobody saved one."""
    limits: Limits
    certified: Limits | None
    proof: str
    """What the bundle says of its limits."""
    parts: Recorded
    choices: Choices
    simulated: bool


@dataclass(frozen=True, slots=True)
class LimitsChange:
    """Limits to be saved. `number` is the revision that the person saw."""

    recipe: str
    bundle_id: str
    number: int
    limits: Limits
    reason: str
    second: Second | None


class WhatIfDesk(Protocol):
    """The questions of the controller."""

    def subject(self, asked: Asked) -> Subject | None:
        """None: no such run is on record."""
        ...

    def save(self, session: Session, change: LimitsChange) -> int:
        """Save a revision and return its number; raise AccessRefused where the session is over, else RecipeError."""
        ...


class DatabaseWhatIf:
    """A `WhatIfDesk` on a database. `place` is what a second person's session is signed in at."""

    def __init__(self, source: Source, place: str) -> None:
        self._source, self._place = source, place

    def subject(self, asked: Asked) -> Subject | None:
        with reading(self._source.engine) as connection:
            run = _newest_run(connection, asked)
            return None if run is None else _subject(connection, run, asked)

    def save(self, session: Session, change: LimitsChange) -> int:
        second = None if change.second is None else self._second(session, change.second)
        with writing(self._source.engine) as connection:
            touch(connection, session.token).require(Permission.RECIPES)
            number, text, policy = _in_force(connection, change.recipe, change.bundle_id)
            if number != change.number:
                raise RecipeError(
                    f"recipe {change.recipe!r}: somebody saved revision {number} meanwhile; refresh (F5), look at it, "
                    "and save again"
                )
            certified = _certified(_manifest_limits(connection, change.bundle_id))
            if second is None and not stays_certified(certified, change.limits):
                raise RecipeError(f"recipe {change.recipe!r}: these limits are not certified; expected a second person")
            return save_revision(connection, _revision(session, change, text, policy, second))

    def _second(self, session: Session, second: Second) -> str:
        try:
            return agreed(self._source, self._place, session.account.name, second)
        except AccessRefused as error:
            raise RecipeError(f"second person: {error}") from error


def _newest_run(connection: Connection, asked: Asked) -> Any:
    query = select(RUNS)
    for column, name in ((RUNS.c.recipe, asked.recipe), (RUNS.c.bundle_id, asked.bundle_id)):
        query = query if name is None else query.where(column == name)
    return connection.execute(query.order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(1)).first()


def _subject(connection: Connection, run: Any, asked: Asked) -> Subject:
    number, _, policy = _in_force(connection, run.recipe, run.bundle_id)
    now = utc_now()
    since = None if asked.back is None else now - asked.back
    scope = Scope(since=since, recipe=run.recipe, bundle_id=run.bundle_id)
    if span(connection, scope) is None:
        scope = Scope(since=since, recipe=run.recipe, bundle_id=run.bundle_id, simulated=True)
    found = scores(connection, scope)
    proved = _manifest_limits(connection, run.bundle_id)
    return Subject(
        recipe=run.recipe,
        bundle_id=run.bundle_id,
        number=number,
        limits=(policy.pass_below, policy.reject_above),
        certified=_certified(proved),
        proof=proved.origin,
        parts=recorded(found, [limits_of(connection, run_id) for run_id in found.runs]),
        choices=choices(connection, scope),
        simulated=scope.simulated,
    )


def _in_force(connection: Connection, recipe: str, bundle_id: str) -> tuple[int, Recipe, Policy]:
    """The recipe as it was saved last, else as it ran last, and the limits that it has on a bundle."""
    number, made = in_force(connection, recipe)
    return number, made, made.policy or _manifest_limits(connection, bundle_id)


def _manifest_limits(connection: Connection, bundle_id: str) -> Policy:
    manifest = connection.execute(select(BUNDLES.c.manifest).where(BUNDLES.c.bundle_id == bundle_id)).scalar() or {}
    try:
        return Policy.model_validate(manifest.get("limits"))
    except ValidationError as error:
        raise DatabaseError(f"bundle {bundle_id[:16]}: its manifest on record has no limits; expected some") from error


def _certified(policy: Policy) -> Limits | None:
    return (policy.pass_below, policy.reject_above) if policy.origin.startswith(CERTIFIED) else None


def _revision(
    session: Session, change: LimitsChange, recipe: Recipe, policy: Policy, second: str | None
) -> RecipeRevision:
    below, above = change.limits
    origin = f"set by {session.account.name} from recorded parts: {change.reason.strip()}"
    limits = {"pass_below": below, "reject_above": above, "origin": origin}
    made = recipe.model_copy(update={"policy": policy.model_copy(update=limits)})
    return RecipeRevision(
        change.recipe, made.model_dump_json(), session.account.name, change.reason, second, made.revision()
    )
