"""The line's guard: knows challenge parts, holds the line where one is overdue or missed, and releases it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

from db.challenges import ChallengePart, Hold, Settled, Standing
from db.ledger import Ledger
from db.records import Severity
from inspector.values import Outcome, PartTag, Verdict
from inspector.verdict import not_inspected
from station.challenges.orders import NextOrder, ReleaseOrder
from station.challenges.schedule import Due, Serving, due
from station.challenges.settings import ChallengeSettings
from station.journal import Journal

ORDER_HOLDS = timedelta(minutes=10)
"""An order about the next part is for a part that is on its way, not for one of tomorrow."""
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Fault:
    """The register or an order could not be read."""

    message: str


Register = tuple[ChallengePart, ...]
News = Register | NextOrder | ReleaseOrder | Fault


@dataclass(frozen=True, slots=True)
class Judged:
    """A part as the line is to treat it, and whether it was a challenge that was met."""

    verdict: Verdict
    met: bool | None = None


class Guard:
    """What the account and the loop ask about challenge parts; this one knows of none. The loop's thread calls it."""

    held: str | None = None
    """Why the line is held; None where it is not."""
    words: str = "none"
    """How the line stands, in a few words."""
    codes: frozenset[str] = frozenset()
    """What marks a challenge part, for those who read codes."""

    def recognise(self, tag: PartTag) -> ChallengePart | None:
        """Return the challenge part that a triggered part is. Called once per part, in the order of the triggers."""
        return None

    def find(self, tag: PartTag) -> ChallengePart | None:
        """Return the challenge part of these names."""
        return None

    def judge(self, challenge: ChallengePart | None, verdict: Verdict) -> Judged:
        """Take a verdict, before the line acts on it, and return the one to act on."""
        return Judged(verdict)

    def look(self) -> bool:
        """See what is new and what is due; True where `codes` has changed. Called as the loop goes round."""
        return False

    def serve(self, recipe: str, bundle_id: str) -> None:
        """Take note of a change-over, or of another bundle, in mid-run."""


class ChallengeGuard(Guard):
    """A guard by the register, the settings and the clock.

    free -> due -> held -> free; a challenge part that is missed holds the line at once
    """

    def __init__(
        self,
        settings: ChallengeSettings,
        station: str,
        serving: Serving,
        standing: Standing,
        register: Sequence[ChallengePart],
        ledger: Ledger,
        news: SimpleQueue[News],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings, self._station, self._serving = settings, station, serving
        self._settled, self.held = standing.settled, standing.held
        self._ledger, self._journal = ledger, Journal(ledger, station)
        self._news, self._clock = news, clock
        self._next: NextOrder | None = None
        self._told: Due | None = None
        self._looked_s = float("-inf")
        self._take_register(tuple(register))
        if self.held is not None:
            self._journal.note(Severity.ALARM, "line held", f"as before the start: {self.held}")
        self.look()

    def recognise(self, tag: PartTag) -> ChallengePart | None:
        if (ordered := self._ordered()) is not None:
            return ordered
        return self.find(tag)

    def find(self, tag: PartTag) -> ChallengePart | None:
        if not self._register:
            return None
        known = self._register.get(tag.serial or "") or self._register.get(tag.part_ref or "")
        return known if known is not None and known.is_valid(self._clock()) else None

    def judge(self, challenge: ChallengePart | None, verdict: Verdict) -> Judged:
        if challenge is None:
            spared = self.held is None or verdict.outcome is Outcome.NOT_INSPECTED
            return Judged(verdict if spared else not_inspected(f"line held: {self.held}"))
        met = challenge.is_met(verdict)
        if met is None:
            words = f"{challenge.text()}, was not judged and stays due: {'; '.join(verdict.reasons)}"
            self._journal.note(Severity.WARNING, "challenge not judged", words)
            return Judged(verdict)
        return self._met(challenge, verdict) if met else self._missed(challenge, verdict)

    def look(self) -> bool:
        changed = self._hear()
        if time.monotonic() - self._looked_s < _LOOK_S:
            return changed
        self._looked_s = time.monotonic()
        self._watch(self._clock())
        return changed

    def serve(self, recipe: str, bundle_id: str) -> None:
        self._serving = Serving(recipe, bundle_id, self._clock())

    # ---- what a challenge part comes to

    def _met(self, challenge: ChallengePart, verdict: Verdict) -> Judged:
        words = f"{challenge.text()}: {_said(verdict)}"
        self._journal.note(Severity.INFO, "challenge met", words)
        self._settle()
        if self.held is not None:
            self._release(words, None)
        return Judged(verdict, True)

    def _missed(self, challenge: ChallengePart, verdict: Verdict) -> Judged:
        words = f"{challenge.text()}, was missed: {_said(verdict)}"
        self._journal.note(Severity.ALARM, "challenge missed", words)
        self._hold(words)
        if verdict.outcome is Outcome.PASS:  # a part known to be bad is not let go, whatever was said of it
            verdict = replace(verdict, outcome=Outcome.NOT_INSPECTED, reasons=(words,))
        return Judged(verdict, False)

    def _settle(self) -> None:
        self._settled = Settled(self._clock(), self._serving.recipe, self._serving.bundle_id)

    # ---- hold and release

    def _watch(self, now: datetime) -> None:
        found = due(self._settings, self._settled, self._serving, now)
        if found is not None and found != self._told:
            self._journal.note(Severity.WARNING, "challenge due", f"since {found.since:%H:%M:%S} UTC: {found.why}")
        self._told = found
        overdue = found is not None and now - found.since >= timedelta(minutes=self._settings.grace_min)
        if found is not None and overdue and self.held is None:
            self._hold(f"challenge part overdue by {self._settings.grace_min:g} min: {found.why}")
        self.words = f"held: {self.held}" if self.held else f"due: {found.why}" if found else "well"

    def _hold(self, why: str) -> None:
        if self.held is not None:
            return
        self.held, self.words = why, f"held: {why}"
        self._write_hold(True, why, None)
        self._journal.note(Severity.ALARM, "line held", why)

    def _release(self, why: str, person: str | None) -> None:
        self.held = None
        self._write_hold(False, why, person)
        by = f"by {person}: " if person else ""
        self._journal.note(Severity.WARNING if person else Severity.INFO, "line released", f"{by}{why}")
        self._looked_s = float("-inf")

    def _write_hold(self, held: bool, why: str, person: str | None) -> None:
        serving = self._serving
        hold = Hold(self._station, held, why, serving.recipe, serving.bundle_id, person, self._clock())
        self._ledger.record_hold(hold)

    # ---- what persons say

    def _hear(self) -> bool:
        changed = False
        while True:
            try:
                news = self._news.get_nowait()
            except Empty:
                return changed
            match news:
                case tuple():
                    changed = self._take_register(news) or changed
                case NextOrder():
                    self._next = news
                    self._journal.note(
                        Severity.INFO, "challenge ordered", f"by {news.by}: the next part is {news.code}"
                    )
                case ReleaseOrder():
                    self._heed_release(news)
                case Fault(message):
                    self._journal.note(Severity.WARNING, "challenge fault", message)

    def _heed_release(self, order: ReleaseOrder) -> None:
        if self.held is None:
            self._journal.note(Severity.INFO, "release without a hold", f"by {order.by}: {order.why}")
            return
        self._settle()
        self._release(order.why, order.by)

    def _take_register(self, register: Register) -> bool:
        before = self.codes
        self._register = {part.code: part for part in register}
        self.codes = frozenset(self._register)
        return self.codes != before

    def _ordered(self) -> ChallengePart | None:
        """Return the part that was ordered to be the next one, once."""
        order, self._next = self._next, None
        if order is None:
            return None
        now = self._clock()
        known = self._register.get(order.code)
        if known is None or not known.is_valid(now):
            why = "not in the register, or not valid"
        elif now - order.at > ORDER_HOLDS:
            why = f"older than {ORDER_HOLDS}"
        else:
            return known
        self._journal.note(Severity.WARNING, "challenge order dropped", f"{order.code}, by {order.by}: {why}")
        return None


def steady_clock() -> Callable[[], datetime]:
    """Return a clock of the time of day that nobody steps: it goes on from now at the monotonic clock's pace."""
    wall, began_s = datetime.now(UTC), time.monotonic()
    return lambda: wall + timedelta(seconds=time.monotonic() - began_s)


def _said(verdict: Verdict) -> str:
    probability = "" if verdict.defect_probability is None else f" at {verdict.defect_probability:.4f}"
    label = f" as {verdict.label}" if verdict.label else ""
    return f"judged {verdict.outcome}{label}{probability}"
