"""The review of parts, without a screen: a queue, the part in hand, what is said of it, and how that is undone.

    idle --part taken--> in hand --said--> being saved --saved--> idle, which takes the next part
                            ^                   `--refused--> in hand again, with all that was typed and drawn
                            `--- undo of the last label: the same part again, and what is said then supersedes

Nothing is said of a part that is not in hand, and nothing without a person: `begin` brings one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from db.accounts import Permission
from db.sessions import Session
from gui.review.desk import Answer, Desk, PartInHand
from gui.review.queue import QueuedPart
from gui.review.sketch import Sketch
from gui.worker import Ask
from inspector.drawn import Shape
from inspector.errors import InspectorError


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed and drawn and is not saved yet."""

    note: str = ""
    sketch: Sketch = field(default_factory=Sketch)


@dataclass(frozen=True, slots=True)
class Said:
    """The last label: what undo brings back."""

    part: PartInHand
    label: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class Words:
    """A message to the person: a key of the screen's texts, or the words of an error."""

    key: str = ""
    error: str = ""


CHOOSE, BLIND, NOTHING_KNOWN, QUEUE_EMPTY, MAY_NOT = "choose", "blind", "nothing known", "empty", "may not"


class ReviewController:
    """The state above. `changed` is called on the GUI thread after every change; `refused` hears every error."""

    def __init__(
        self, desk: Desk, ask: Ask, changed: Callable[[], None], refused: Callable[[InspectorError], None]
    ) -> None:
        self._desk, self._ask, self._changed, self._refused = desk, ask, changed, refused
        self._drafts: dict[tuple[str, UUID], Draft] = {}
        self._skipped: list[UUID] = []
        self.session: Session | None = None
        self.queue: tuple[QueuedPart, ...] = ()
        self.part: PartInHand | None = None
        self.draft = Draft()
        self.size_px: tuple[int, int] | None = None
        """Width and height of the picture of the part in hand, once it is there; nothing is drawn before."""
        self.correcting = False
        self.busy = False
        self.last: Said | None = None
        self.labelled = 0
        self.words = Words()

    # ---- persons

    def begin(self, session: Session) -> None:
        """Somebody is at the screen. The same person again goes on where the work stopped."""
        same = self.session is not None and self.session.account.name == session.account.name
        if not same:
            self.end()
        self.session = session
        self.words = Words()
        if self.part is None:
            self.refresh()
        self._changed()

    def end(self) -> None:
        """Nobody is there any more. The part goes back; what was typed waits for its author."""
        self._put_back()
        self.session, self.queue, self.last, self.labelled = None, (), None, 0
        self._skipped = []
        self.busy = False
        self.words = Words()
        self._changed()

    # ---- the queue

    def refresh(self) -> None:
        """Look what waits; take a part where none is in hand. Who may not label holds no part up."""
        if self.session is None:
            return
        if not self.session.account.may(Permission.LABEL):
            self._tell(MAY_NOT)
            return
        session = self.session
        self._ask("review queue", lambda: self._desk.queue(session), self._queued, self._failed)

    def skip(self) -> None:
        """Leave the part to others, or for later."""
        if self.part is not None and not self.busy:
            self._skipped.append(self.part.queued.part_id)
            self._put_back()
            self._next()

    def keep(self) -> None:
        """Now and then, while a part is in hand: hold it longer."""
        if self.session is not None and self.part is not None and not self.busy:
            session, part_id = self.session, self.part.queued.part_id
            self._ask("lease", lambda: self._desk.keep(session, part_id), lambda _: None, self._lost)

    # ---- what is said

    def accept(self) -> None:
        """The machine is right."""
        if self.part is not None and self.part.queued.blind:
            self._tell(BLIND)
        elif self.part is not None and (label := self.part.verdict_label) is not None:
            self.choose(label)
        elif self.part is not None:
            self._tell(NOTHING_KNOWN)

    def overrule(self) -> None:
        """The machine is wrong: what it calls defective is good; what it calls good has a class to choose."""
        if self.part is None:
            return
        if self.part.queued.blind:
            self._tell(BLIND)
        elif self.part.verdict_label not in (None, self.part.good):
            self.choose(self.part.good)
        elif len(self.part.defects) == 1:
            self.choose(self.part.defects[0])
        else:
            self._tell(CHOOSE)

    def choose_defect(self, number: int) -> None:
        """Say the class of that number, from 1."""
        if self.part is not None and 1 <= number <= len(self.part.defects):
            self.choose(self.part.defects[number - 1])

    def choose_good(self) -> None:
        if self.part is not None:
            self.choose(self.part.good)

    def choose(self, label: str) -> None:
        """Say what the part is, and go on to the next."""
        if self.session is None or self.part is None or self.busy:
            return
        self.busy, self.words = True, Words()
        session, said = self.session, Said(self.part, label, self.draft)
        answer = self._answer(label)
        self._changed()
        self._ask(
            "label", lambda: self._desk.label(session, answer), lambda _: self._saved(session, said), self._failed
        )

    def undo_label(self) -> None:
        """Take the part of the last label in hand again: what is said then supersedes it."""
        if self.session is None or self.last is None or self.busy or self.correcting:
            return
        self._put_back()
        self._take(self.last.part.queued, correcting=True)

    # ---- what is typed and drawn

    def note(self, note: str) -> None:
        if self.part is not None:
            self.draft = replace(self.draft, note=note)

    def shown(self, width_px: int, height_px: int) -> None:
        """The picture of the part in hand is there, and can be drawn on."""
        self.size_px = (width_px, height_px) if self.part is not None else None

    def draw(self, shape: Shape) -> None:
        self._sketch(self.draft.sketch.add(shape))

    def undo_drawing(self) -> None:
        self._sketch(self.draft.sketch.undo())

    def redo_drawing(self) -> None:
        self._sketch(self.draft.sketch.redo())

    def clear_drawing(self) -> None:
        self._sketch(self.draft.sketch.clear())

    # ----

    def _sketch(self, sketch: Sketch) -> None:
        if self.part is not None and self.size_px is not None and not self.busy and sketch != self.draft.sketch:
            self.draft = replace(self.draft, sketch=sketch)
            self._changed()

    def _answer(self, label: str) -> Answer:
        part = self.part
        if part is None:
            raise ValueError("an answer needs a part in hand")
        return Answer(
            queued=part.queued,
            label=label,
            note=self.draft.note.strip(),
            drawing=self.draft.sketch.drawing(*self.size_px) if self.size_px is not None else None,
            corrects=self.correcting,
        )

    def _queued(self, queue: tuple[QueuedPart, ...]) -> None:
        self.queue = queue
        if self.part is None and not self.busy:
            self._next()
        else:
            self._changed()

    def _next(self) -> None:
        """Take the part that needs it most; those that were skipped come last."""
        waiting = [part for part in self.queue if part.part_id not in self._skipped]
        if not waiting and self._skipped:
            waiting, self._skipped = list(self.queue), []
        if waiting:
            self._take(waiting[0], correcting=False)
        else:
            self._tell(QUEUE_EMPTY)

    def _take(self, queued: QueuedPart, *, correcting: bool) -> None:
        if self.session is None:
            return
        self.busy, session = True, self.session
        self._changed()
        self._ask(
            "part",
            lambda: self._desk.take(session, queued, correcting),
            lambda part: self._taken(session, queued, part, correcting),
            self._failed,
        )

    def _taken(self, session: Session, queued: QueuedPart, part: PartInHand | None, correcting: bool) -> None:
        if not self._still(session):
            self._return(session, queued.part_id)
            return
        self.busy = False
        if part is None:
            self._leave(queued.part_id)
            self._next()
            return
        self.part, self.correcting, self.words, self.size_px = part, correcting, Words(), None
        kept = self.last.draft if correcting and self.last is not None else Draft()
        self.draft = self._drafts.pop(self._mine(queued.part_id), kept)
        self._changed()

    def _saved(self, session: Session, said: Said) -> None:
        if not self._still(session):
            return
        self.busy = False
        self.labelled += not self.correcting
        self.last, self.part, self.draft, self.correcting = said, None, Draft(), False
        self._leave(said.part.queued.part_id)
        self._next()
        if len(self.queue) < 3:
            self.refresh()

    def _leave(self, part_id: UUID) -> None:
        self.queue = tuple(part for part in self.queue if part.part_id != part_id)

    def _put_back(self) -> None:
        """Give the part back, and keep what was typed and drawn for its author."""
        if self.part is not None and self.session is not None:
            part_id = self.part.queued.part_id
            if self.draft != Draft():
                self._drafts[self._mine(part_id)] = self.draft
            self._return(self.session, part_id)
        self.part, self.draft, self.correcting, self.size_px = None, Draft(), False, None

    def _return(self, session: Session, part_id: UUID) -> None:
        self._ask(f"back {part_id}", lambda: self._desk.give_back(session, part_id), lambda _: None, self._refused)

    def _still(self, session: Session) -> bool:
        """Whether the person who asked is still the one at the screen."""
        return self.session is not None and self.session.account.name == session.account.name

    def _mine(self, part_id: UUID) -> tuple[str, UUID]:
        return (self.session.account.name if self.session is not None else "", part_id)

    def _failed(self, error: InspectorError) -> None:
        """Whatever was typed and drawn stays; the person may try again."""
        self.busy = False
        self.words = Words(error=str(error))
        self._refused(error)
        self._changed()

    def _lost(self, error: InspectorError) -> None:
        self.words = Words(error=str(error))
        self._refused(error)
        self._changed()

    def _tell(self, key: str) -> None:
        self.words = Words(key)
        self._changed()
