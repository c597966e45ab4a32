"""What the recipe screen asks of the database, of pictures and of stations, on a worker's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import cv2
import numpy as np
from sqlalchemy import Connection, select

from db.accounts import Permission
from db.history.frames import good_frames
from db.history.scope import Scope, judged
from db.queries import newest_parts
from db.recipes import RecipeRevision, SavedRevision, current_revision, revisions, save_revision
from db.sessions import Session, touch
from db.tables import FINDINGS, INSPECTIONS, RECIPES, RUNS
from gui.database import Source, reading, writing
from gui.kept_recipe import in_force, recipe_of
from gui.limits import bundle_policy_of
from gui.live.preview import LARGE_PX, read_preview
from gui.picture import Pyramid, pyramid
from gui.recipes.learning import Learned, learn
from gui.recipes.trial import Trial, Tried, try_out
from inspector.errors import PeerFault, RecipeError
from inspector.preprocess import decode_image
from inspector.recipe import Recipe
from inspector.verdict import Policy

MOST_TRIED = 2000
PICTURES = 12
_SAME_SHAPE = 0.02
"""So much may the proportions of a preview differ from those of the frame: it has whole pixels too."""
Stations = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A recorded frame, to draw on."""

    sha256: str
    camera: str
    trigger: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A recipe to be edited. `number` is the revision that a change follows; 0: nobody saved one."""

    name: str
    names: tuple[str, ...]
    number: int
    recipe: Recipe
    history: tuple[SavedRevision, ...]
    pictures: tuple[KeptPicture, ...]
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecipeChange:
    """A recipe to be saved. `number` is the revision that the person saw."""

    recipe: Recipe
    number: int
    reason: str


class RecipesDesk(Protocol):
    """The questions of the controller."""

    def opened(self, name: str | None) -> Opened | None:
        """None: no recipe is on record. `name` None: that of the newest run."""
        ...

    def learned(self, name: str) -> Learned:
        """Raise RecipeError where too few parts passed."""
        ...

    def tried(self, recipe: Recipe) -> Trial: ...

    def save(self, session: Session, change: RecipeChange) -> int:
        """Save a revision and return its number; raise AccessRefused where the session is over, else RecipeError."""
        ...


class DatabaseRecipes:
    """A `RecipesDesk` on a database, and the frames to draw on."""

    def __init__(self, source: Source, stations: Stations = ()) -> None:
        self._source, self.stations = source, stations

    def opened(self, name: str | None) -> Opened | None:
        with reading(self._source.engine) as connection:
            names = _names(connection)
            if not names:
                return None
            chosen = name or names[0]
            number, recipe = in_force(connection, chosen)
            kept = _pictures(connection, chosen)
            cameras = tuple(dict.fromkeys(picture.camera for picture in kept))
            history = tuple(reversed(revisions(connection, chosen)))
            return Opened(chosen, names, number, recipe, history, kept, cameras)

    def learned(self, name: str) -> Learned:
        with reading(self._source.engine) as connection:
            return learn(good_frames(connection, _scope(connection, name)))

    def tried(self, recipe: Recipe) -> Trial:
        with reading(self._source.engine) as connection:
            return try_out(recipe, _tried(connection, recipe.name))

    def save(self, session: Session, change: RecipeChange) -> int:
        name = change.recipe.name
        with writing(self._source.engine) as connection:
            touch(connection, session.token).require(Permission.RECIPES)
            number, before = in_force(connection, name)
            if number != change.number:
                raise RecipeError(_overtaken(current_revision(connection, name), name))
            if change.recipe.policy != before.policy:
                raise RecipeError(f"recipe {name!r}: policy: limits are changed in What if; expected those in force")
            text, person = change.recipe.model_dump_json(), session.account.name
            revision = RecipeRevision(name, text, person, change.reason, None, change.recipe.revision())
            return save_revision(connection, revision)

    def picture(self, sha256: str) -> Pyramid:
        """Read a recorded frame. Raise StorageFault or UnreadableImage."""
        return pyramid(decode_image(self._source.pictures.read(sha256), sha256))

    def preview(self, station: int, size: tuple[int, int] | None) -> Pyramid:
        """Read what a station sees now, at the size (width, height) of its frames: a preview is smaller than they are.

        Raises:
            PeerFault: the station is not there, or the size of its frames is not known.
        """
        address, token = self.stations[station]
        if size is None:
            raise PeerFault(f"{address}: a preview does not say how large a frame is; expected a recorded picture too")
        seen = read_preview(address, token, LARGE_PX).picture
        if seen is None:
            raise PeerFault(f"{address}: it sent no picture")
        if abs(seen.width_px * size[1] / (seen.height_px * size[0]) - 1) > _SAME_SHAPE:
            raise PeerFault(f"{address}: its camera has frames of another shape than {size[0]}x{size[1]}")
        whole = cv2.resize(seen.levels[0], size, interpolation=cv2.INTER_LINEAR)
        return pyramid(np.asarray(cv2.cvtColor(whole, cv2.COLOR_RGB2BGR), np.uint8))


def _names(connection: Connection) -> tuple[str, ...]:
    """What ran last first, then what never ran."""
    ran = connection.execute(select(RUNS.c.recipe).order_by(RUNS.c.started_at.desc())).scalars()
    known = connection.execute(select(RECIPES.c.name).distinct().order_by(RECIPES.c.name)).scalars()
    return tuple(dict.fromkeys((*ran, *known)))


def _pictures(connection: Connection, recipe: str) -> tuple[KeptPicture, ...]:
    views, parts = FINDINGS.c, INSPECTIONS.c
    query = (
        select(views.image_sha256.label("sha256"), views.camera, parts.trigger)
        .join(INSPECTIONS, parts.part_id == views.part_id)
        .where(parts.recipe == recipe, views.image_sha256.is_not(None))
        .order_by(parts.triggered_at.desc())
        .limit(PICTURES)
    )
    return tuple(KeptPicture(**row) for row in connection.execute(query).mappings())


def _scope(connection: Connection, recipe: str) -> Scope:
    """Parts of production; rendered ones only where there are no others."""
    scope = Scope(recipe=recipe)
    there = connection.execute(select(INSPECTIONS.c.part_id).where(judged(scope)).limit(1)).first()
    return scope if there is not None else Scope(recipe=recipe, simulated=True)


def _tried(connection: Connection, recipe: str) -> list[Tried]:
    records = newest_parts(connection, judged(_scope(connection, recipe)), MOST_TRIED)
    runs = {run_id: _run(connection, recipe, run_id) for run_id in {record.run_id for record in records}}
    return [Tried(record, *runs[record.run_id]) for record in records]


def _run(connection: Connection, recipe: str, run_id: UUID) -> tuple[Recipe, Policy | None]:
    """The recipe of a run, and the limits of its bundle."""
    its_recipe = (RECIPES.c.name == RUNS.c.recipe) & (RECIPES.c.revision == RUNS.c.recipe_revision)
    query = select(RECIPES.c.text).join(RUNS, its_recipe).where(RUNS.c.run_id == run_id)
    return recipe_of(recipe, connection.execute(query).scalar_one()), bundle_policy_of(connection, run_id)


def _overtaken(other: SavedRevision | None, name: str) -> str:
    who = "" if other is None else f" ({other.person}: {other.reason})"
    number = 0 if other is None else other.number
    return (
        f"recipe {name!r}: somebody saved revision {number} meanwhile{who}; refresh (F5) puts your changes on top of "
        "it, look at them, and save again"
    )
