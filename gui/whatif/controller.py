"""The what-if, without a screen: limits that are moved, what they would do, and a change that is saved.

reading --subject there--> trying --moved--> trying --save--> saving --saved--> reading, which shows it as in force
                                                        `--refused--> trying, with limits and reason as they were
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from db.accounts import Permission
from db.sessions import Session
from gui.limits import Limits
from gui.second import Second
from gui.whatif.desk import Asked, LimitsChange, Subject, WhatIfDesk
from gui.whatif.model import Bounds, Effect, bounds, effect, stays_certified
from gui.worker import Ask
from inspector.cheapest import Costs
from inspector.errors import AccessRefused, InspectorError

ASSUMED = Costs(escape=100.0, overkill=5.0, review=0.5, defect_share=0.02)
"""Until the person says what mistakes cost here."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The revision that was saved last."""

    recipe: str
    number: int


class WhatIfController:
    """`changed` is called on the GUI thread after every change; `refused` hears that a session is over."""

    def __init__(
        self, desk: WhatIfDesk, ask: Ask, changed: Callable[[], None], refused: Callable[[InspectorError], None]
    ) -> None:
        self._desk, self._ask, self._changed, self._refused = desk, ask, changed, refused
        self._bounding = self._reading = self._again = False
        self.session: Session | None = None
        self.asked = Asked()
        self.subject: Subject | None = None
        self.limits: Limits = (0.0, 1.0)
        self.costs = ASSUMED
        self.now: Effect | None = None
        """With the limits in force."""
        self.then: Effect | None = None
        """With the limits that are tried."""
        self.bounds: Bounds | None = None
        """Of the limits that are tried, or of those a moment before."""
        self.reason = ""
        self.busy = False
        self.error = ""
        self.saved: Saved | None = None

    @property
    def moved(self) -> bool:
        return self.subject is not None and self.limits != self.subject.limits

    @property
    def reading(self) -> bool:
        """Whether parts are being read."""
        return self._reading

    @property
    def needs_second(self) -> bool:
        """Whether the limits leave what is certified; without a certificate any do."""
        return self.subject is not None and not stays_certified(self.subject.certified, self.limits)

    @property
    def may_save(self) -> bool:
        return self.session is not None and self.session.account.may(Permission.RECIPES)

    def begin(self, session: Session) -> None:
        if self.session is not None and self.session.account.name != session.account.name:
            self.end()
        self.session = session
        self._changed()

    def end(self) -> None:
        """Nobody is there: what was tried and typed goes with the person."""
        self.session, self.reason, self.saved = None, "", None
        if self.subject is not None:
            self.move(self.subject.limits)

    def refresh(self) -> None:
        """Read the parts again, once they are read; limits that were moved stay where they are."""
        if self._reading:
            self._again = True
            return
        asked, self._reading, self._again, self.error = self.asked, True, False, ""
        self._changed()
        self._ask("what-if", lambda: self._desk.subject(asked), self._read, self._unread)

    def ask(self, asked: Asked) -> None:
        if asked != self.asked:
            self.asked = asked
            self.refresh()

    def move(self, limits: Limits) -> None:
        """Try other limits. They stay between 0 and 1, and in their order: one pushes the other."""
        old = self.limits
        below, above = (min(max(value, 0.0), 1.0) for value in limits)
        if below > above:
            below, above = (above, above) if above != old[1] else (below, below)
        self.limits = (below, above)
        self._judge()

    def price(self, costs: Costs) -> None:
        self.costs = costs
        self._judge()

    def say(self, reason: str) -> None:
        self.reason = reason

    def save(self, second: Second | None) -> None:
        """Save the limits as a revision of the recipe."""
        if self.session is None or self.subject is None or self.busy or not self.moved:
            return
        session, subject = self.session, self.subject
        second = second if self.needs_second else None
        change = LimitsChange(subject.recipe, subject.bundle_id, subject.number, self.limits, self.reason, second)
        self.busy, self.error, self.saved = True, "", None
        self._changed()
        self._ask(
            "save limits",
            lambda: self._desk.save(session, change),
            lambda number: self._saved(Saved(change.recipe, number)),
            self._failed,
        )

    def _read(self, subject: Subject | None) -> None:
        stays = self.moved and subject is not None and self._same(subject)
        self._reading, self.subject = False, subject
        if self._again:
            self.refresh()
        if subject is None:
            self.now = self.then = self.bounds = None
            self._changed()
            return
        if not stays:
            self.limits = subject.limits
        self.now = effect(subject.parts, subject.limits)
        self._judge()

    def _same(self, subject: Subject) -> bool:
        mine = self.subject
        return mine is not None and (mine.recipe, mine.bundle_id) == (subject.recipe, subject.bundle_id)

    def _judge(self) -> None:
        """A few look-ups; the bounds follow from a worker, the newest limits only."""
        if self.subject is not None:
            self.then = effect(self.subject.parts, self.limits)
            self._bound()
        self._changed()

    def _bound(self) -> None:
        if self._bounding or self.then is None:
            return
        self._bounding, then, costs = True, self.then, self.costs
        self._ask("bounds", lambda: bounds(then, costs), lambda found: self._bounded(found, costs), self._unbounded)

    def _bounded(self, found: Bounds, costs: Costs) -> None:
        self._bounding, self.bounds = False, found
        if found.limits != self.limits or costs != self.costs:
            self._bound()
        self._changed()

    def _unbounded(self, error: InspectorError) -> None:
        self._bounding = False
        self._failed(error)

    def _unread(self, error: InspectorError) -> None:
        self._reading = self._again = False
        self._failed(error)

    def _saved(self, saved: Saved) -> None:
        self.busy, self.saved, self.reason = False, saved, ""
        if self.subject is not None:
            self.limits = self.subject.limits
        self.refresh()

    def _failed(self, error: InspectorError) -> None:
        self.busy, self.error = False, str(error)
        if isinstance(error, AccessRefused):
            self._refused(error)
        self._changed()
