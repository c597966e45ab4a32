"""The recipe editor, without a screen: what is typed and drawn, tried on recorded parts, and saved.

reading --recipe there--> editing --typed, drawn, learned--> editing --save--> saving --saved--> reading
                                                                ^       `--refused--> editing, with all that was typed
Edits are texts over the recipe in force. Where somebody else saves meanwhile they lie over that revision after the
next reading. Those of a person wait for this person.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from db.accounts import Permission
from db.sessions import Session
from gui.recipes.desk import Opened, RecipeChange, RecipesDesk
from gui.recipes.fields import Written, differing, entries, texts_of, written
from gui.recipes.learning import Learned
from gui.recipes.trial import Trial
from gui.worker import Ask
from inspector.drawn import Box
from inspector.errors import AccessRefused, InspectorError
from inspector.recipe import Recipe

LOCKED = "policy."
"""Fields that What if changes, which asks for a second person where one is due."""
_ROI = ("roi.x", "roi.y", "roi.width", "roi.height")


@dataclass(slots=True)
class Draft:
    """What a person typed for one recipe. `edits` are texts by path; an empty one is the default."""

    edits: dict[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial, and the recipe that was tried."""

    recipe: Recipe
    trial: Trial


@dataclass(frozen=True, slots=True)
class Saved:
    """The revision that was saved last."""

    recipe: str
    number: int


class RecipesController:
    """`changed` is called on the GUI thread after every change; `refused` hears that a session is over."""

    def __init__(
        self, desk: RecipesDesk, ask: Ask, changed: Callable[[], None], refused: Callable[[InspectorError], None]
    ) -> None:
        self._desk, self._ask, self._changed, self._refused = desk, ask, changed, refused
        self._drafts: dict[tuple[str, str], Draft] = {}
        self._nobodys = Draft()
        self._shown: dict[str, str] = {}
        self.session: Session | None = None
        self.name: str | None = None
        self.opened: Opened | None = None
        self.written = Written(None)
        self.learned: Learned | None = None
        self.tried: Tried | None = None
        self.taken_in: tuple[str, ...] = ()
        """What somebody else changed in the revision that was read last."""
        self.busy = self.reading = False
        self.error = ""
        self.saved: Saved | None = None

    # ---- what is so

    @property
    def draft(self) -> Draft:
        if self.session is None or self.opened is None:
            return self._nobodys
        return self._drafts.setdefault((self.session.account.name, self.opened.name), Draft())

    @property
    def edited(self) -> bool:
        return bool(self.draft.edits)

    @property
    def may_save(self) -> bool:
        return self.session is not None and self.session.account.may(Permission.RECIPES)

    def text(self, path: str) -> str:
        return self._shown.get(path, "")

    def region(self) -> Box | None:
        """The region of interest as it is written, once it is whole."""
        try:
            x, y, width, height = (float(self.text(path)) for path in _ROI)
        except ValueError:
            return None
        return Box(x=x, y=y, width=width, height=height) if width > 0 and height > 0 else None

    # ---- persons and recipes

    def begin(self, session: Session) -> None:
        if self.session is not None and self.session.account.name != session.account.name:
            self.end()
        self.session = session
        self._write()

    def end(self) -> None:
        """Nobody is there: what was typed waits for its author."""
        self.session, self.saved, self.learned, self.tried, self.error = None, None, None, None, ""
        self._write()

    def refresh(self) -> None:
        """Read the recipe again; what was typed lies over it."""
        name, self.reading, self.error = self.name, True, ""
        self._changed()
        self._ask("recipe", lambda: self._desk.opened(name), self._read, self._failed)

    def choose(self, name: str) -> None:
        if self.opened is None or name != self.opened.name:
            self.name, self.saved, self.learned, self.tried, self.taken_in = name, None, None, None, ()
            self.refresh()

    # ---- what is typed and drawn

    def type(self, path: str, text: str) -> None:
        """Write in a field. Limits on the probability are none of this screen's."""
        if self.opened is None or not self.may_save or path.startswith(LOCKED):
            return
        self._edit({path: text.strip()})

    def say(self, reason: str) -> None:
        self.draft.reason = reason

    def draw_region(self, box: Box, size: tuple[int, int]) -> None:
        """Take a box as the region of interest, in whole pixels of a frame of that width and height."""
        left, top = max(0, math.floor(box.x)), max(0, math.floor(box.y))
        right, bottom = min(size[0], math.ceil(box.x + box.width)), min(size[1], math.ceil(box.y + box.height))
        if right > left and bottom > top and self.may_save:
            values = (left, top, right - left, bottom - top)
            self._edit({path: str(value) for path, value in zip(_ROI, values, strict=True)})

    def measure(self, length_px: float, known_mm: float) -> None:
        """Take the scale from a length that is known."""
        if length_px > 0 and known_mm > 0 and self.may_save:
            self._edit({"mm_per_px": f"{known_mm / length_px:.6g}"})

    def learn(self) -> None:
        """Learn limits on the picture from frames of parts that passed."""
        if self.opened is None or self.busy or not self.may_save:
            return
        name = self.opened.name
        self._begin_work()
        self._ask("learn", lambda: self._desk.learned(name), lambda learned: self._learned(name, learned), self._failed)

    def discard(self) -> None:
        """Back to the recipe in force."""
        self.draft.edits.clear()
        self.draft.reason = ""
        self.learned = self.tried = None
        self._write()

    # ---- trying and saving

    def try_out(self) -> None:
        """Judge recorded parts again by what is written."""
        recipe = self.written.recipe
        if recipe is None or self.busy:
            return
        self._begin_work()
        self._ask("trial", lambda: self._desk.tried(recipe), lambda trial: self._tried(recipe, trial), self._failed)

    def save(self) -> None:
        recipe, opened, session = self.written.recipe, self.opened, self.session
        if recipe is None or opened is None or session is None or self.busy or not (self.edited and self.may_save):
            return
        change = RecipeChange(recipe, opened.number, self.draft.reason.strip())
        self._begin_work()
        self._ask(
            "save recipe",
            lambda: self._desk.save(session, change),
            lambda number: self._saved(session, Saved(recipe.name, number)),
            self._failed,
        )

    # ----

    def _texts(self) -> dict[str, str]:
        base = {} if self.opened is None else texts_of(self.opened.recipe)
        return base | self.draft.edits

    def _edit(self, texts: dict[str, str]) -> None:
        base = {} if self.opened is None else texts_of(self.opened.recipe)
        defaults = {entry.path: entry.default for entry in entries()}
        for path, text in texts.items():
            text = "" if text == defaults[path] else text
            if text == base.get(path, ""):
                self.draft.edits.pop(path, None)
            else:
                self.draft.edits[path] = text
        self.saved = None
        self._write()

    def _write(self) -> None:
        self._shown = self._texts()
        self.written = Written(None) if self.opened is None else written(self.opened.name, self._shown)
        self._changed()

    def _begin_work(self) -> None:
        self.busy, self.error, self.saved = True, "", None
        self._changed()

    def _read(self, opened: Opened | None) -> None:
        before, self.opened, self.reading = self.opened, opened, False
        self.taken_in = ()
        if before is not None and opened is not None and before.name == opened.name and not self._is_mine(opened):
            self.taken_in = differing(before.recipe, opened.recipe)
        if opened is not None:
            self.name = opened.name
            base = texts_of(opened.recipe)
            kept = {path: text for path, text in self.draft.edits.items() if text != base.get(path, "")}
            self.draft.edits = kept
        self._write()

    def _is_mine(self, opened: Opened) -> bool:
        return self.saved is not None and (self.saved.recipe, self.saved.number) == (opened.name, opened.number)

    def _learned(self, name: str, learned: Learned) -> None:
        self.busy = False
        if self.opened is not None and self.opened.name == name:
            self.learned = learned
            self._edit(learned.texts)

    def _tried(self, recipe: Recipe, trial: Trial) -> None:
        self.busy, self.tried = False, Tried(recipe, trial)
        self._changed()

    def _saved(self, session: Session, saved: Saved) -> None:
        self._drafts.pop((session.account.name, saved.recipe), None)
        self.busy, self.saved, self.learned, self.tried = False, saved, None, None
        self.refresh()

    def _failed(self, error: InspectorError) -> None:
        self.busy = self.reading = False
        self.error = str(error)
        if isinstance(error, AccessRefused):
            self._refused(error)
        self._changed()
