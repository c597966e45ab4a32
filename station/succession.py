"""What serves, and what takes over from it: a bundle under a recipe, loaded beside, proved, and then switched to.

loading in every vision process -> proved by all -> its run durable -> switched to, and the order is done
   `------------------------------------`------> refused by name and cause; what served goes on

A part belongs to the run of what served when it was triggered, and every view of it is judged by that. What served
before is kept loaded for a rollback; its run ends when its last part is accounted for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from db.orders import GivenOrder, OrderKind, OrderState
from db.records import Run, Severity
from db.servings import Served
from inspector.logs import name_run
from inspector.recipe import Recipe
from station.account import Line
from station.auditing import AuditPlan
from station.config import StationConfig
from station.groups import VisionGroup
from station.journal import log_refusal
from station.messages import Declined, Drop, Load, Loaded, Serve, Shade
from station.parts import Identity
from station.status import ServingNow

_FINISHING_S = 1.0
"""So long after the deadline of its last part a run that was taken over from ends."""


@dataclass(frozen=True, slots=True)
class LineServing:
    """A bundle under a recipe as the line knows it, by the number that it has among all of this station's life."""

    number: int
    identity: Identity
    bundle: Path
    recipe: Recipe
    plan: AuditPlan | None = None
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """An order for a bundle or a recipe, looked at: everything is there, and the run is ready to be written."""

    order: GivenOrder
    run: Run
    bundle: Path
    recipe: Recipe
    plan: AuditPlan | None = None
    standing: ServingNow | None = None

    def text(self) -> str:
        return f"bundle {self.run.bundle_id[:16]} under recipe {self.run.recipe}"


@dataclass(frozen=True, slots=True)
class _Change:
    """A proposal on its way. Once its run is being written, nothing holds it back."""

    proposal: Proposal
    number: int
    missing: frozenset[str]
    """Groups whose vision process has not proved it yet."""
    since_s: float
    writing: bool = False


class Succession:
    """Only the loop's thread calls it."""

    def __init__(
        self,
        first: LineServing,
        config: StationConfig,
        groups: Sequence[VisionGroup],
        line: Line,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current = first
        self._config, self._groups, self._line, self._clock = config, groups, line, clock
        self._known = {first.number: first}
        self._kept: LineServing | None = None
        self._finishing: dict[int, float] = {}
        self._numbers = first.number
        self._change: _Change | None = None
        self._shadow: tuple[int, Proposal] | None = None

    # ---- what a part belongs to

    def of(self, number: int) -> LineServing | None:
        """Return what serves, or served just now, by this number; None where its run has ended."""
        return self._known.get(number)

    def plan_of(self, run_id: UUID) -> AuditPlan | None:
        """Return how the passes of a run are drawn for audit."""
        return next((each.plan for each in self._known.values() if each.identity.run_id == run_id), None)

    @property
    def runs(self) -> list[UUID]:
        """The runs that have not ended, the newest last; one that is being written is among them."""
        begun = [self._known[number].identity.run_id for number in (*self._finishing, self.current.number)]
        change = self._change
        return [*begun, change.proposal.run.run_id] if change is not None and change.writing else begun

    @property
    def shadowed(self) -> bool:
        """Whether a bundle in the shadow judges parts too."""
        return self._shadow is not None

    def for_restart(self) -> LineServing:
        """Return what a vision process that is started now is to serve."""
        change = self._change
        return self._next(change) if change is not None and change.writing else self.current

    # ---- a change

    @property
    def busy(self) -> bool:
        return self._change is not None

    def begin(self, proposal: Proposal) -> None:
        """Have every vision process load and prove it. Called while none of them is missing and none is `busy`."""
        if (why := self._unfit(proposal)) is not None:
            self._refuse(proposal, why)
            return
        self._numbers += 1
        names = frozenset(group.name for group in self._groups)
        self._change = _Change(proposal, self._numbers, names, self._clock())
        self._line.ledger.step_order(proposal.order.number, OrderState.DOING).add_done_callback(log_refusal)
        for group in self._groups:
            group.process.send(Load(self._numbers, proposal.bundle, proposal.recipe))

    def _unfit(self, proposal: Proposal) -> str | None:
        """Return why a proposal cannot follow what serves now."""
        now, run, kind = self.current, proposal.run, proposal.order.order.kind
        if (run.bundle_id, run.recipe_revision) == (now.identity.bundle_id, now.recipe.revision()):
            return "it serves already"
        return _other_kind(now.run, run) if now.run and kind in (OrderKind.BUNDLE, OrderKind.SHADOW) else None

    def heard(self, group: VisionGroup, message: Loaded | Declined) -> None:
        """Take what a vision process says of the bundle that it was to load."""
        change = self._change
        if change is None or message.number != change.number:
            self._reloaded(group, message)
        elif isinstance(message, Declined):
            self._fail(message.why)
        else:
            self._change = replace(change, missing=change.missing - {group.name})
            if not self._change.missing:
                self._accept(self._change)

    def builds(self, number: int, news: str | None) -> None:
        """What the bundle of a change needs is being built, and goes on: its time begins anew."""
        change = self._change
        if change is None or change.number != number or change.writing:
            return
        self._change = replace(change, since_s=self._clock())
        if news is not None:
            given = change.proposal.order.number
            self._line.ledger.step_order(given, OrderState.DOING, news).add_done_callback(log_refusal)

    def _reloaded(self, group: VisionGroup, message: Loaded | Declined) -> None:
        """A shadow that a replaced vision process has loaded again goes on there."""
        if isinstance(message, Loaded) and self._shadow is not None and message.number == self._shadow[0]:
            group.process.send(Shade(message.number))

    def _accept(self, change: _Change) -> None:
        proposal = change.proposal
        if proposal.order.order.kind is OrderKind.SHADOW:
            self._change, self._shadow = None, (change.number, proposal)
            for group in self._groups:
                group.process.send(Shade(change.number))
            self._done(proposal.order, f"{proposal.text()} in the shadow")
            return
        self._change = replace(change, writing=True)
        written = self._line.ledger.take_over(proposal.run, Served(proposal.bundle, proposal.order.number))
        written.add_done_callback(lambda future: self._line.inbox.put(lambda: self._written(change, future)))

    def _written(self, change: _Change, written: Future[UUID]) -> None:
        refusal = written.exception()
        if refusal is None:
            self._switch(change)
        else:
            self._fail(f"ledger: {refusal}")

    def _switch(self, change: _Change) -> None:
        former, self.current = self.current, self._next(change)
        self._change = None
        self._known[change.number] = self.current
        self._finishing[former.number] = self._clock() + self._config.station.deadline_ms / 1e3 + _FINISHING_S
        for group in self._groups:
            group.process.send(Serve(change.number))
            if self._kept is not None:
                group.process.send(Drop(self._kept.number))
        self._kept = former
        self._line.tally.serving = change.proposal.standing
        name_run(self._config.station.name, str(change.proposal.run.run_id))
        self._line.guard.serve(change.proposal.run.recipe, change.proposal.run.bundle_id)
        order = change.proposal.order.order
        words = f"{change.proposal.text()}, {order.kind} by {order.person}: {order.reason}"
        self._line.journal.note(Severity.INFO, "serves", words)
        self._end_shadow_that_serves(change.proposal)

    def _next(self, change: _Change) -> LineServing:
        proposal, run = change.proposal, change.proposal.run
        identity = replace(self.current.identity, run_id=run.run_id, recipe=run.recipe, bundle_id=run.bundle_id)
        return LineServing(change.number, identity, proposal.bundle, proposal.recipe, proposal.plan, run)

    def _fail(self, why: str) -> None:
        change, self._change = self._change, None
        if change is None:
            return
        for group in self._groups:
            group.process.send(Drop(change.number))
        self._refuse(change.proposal, why)

    def _refuse(self, proposal: Proposal, why: str) -> None:
        kind = proposal.order.order.kind
        self._line.journal.note(Severity.ALARM, f"{kind} refused", f"{proposal.text()}: {why}")
        self._line.ledger.step_order(proposal.order.number, OrderState.REFUSED, why).add_done_callback(log_refusal)

    def _done(self, order: GivenOrder, actual: str) -> None:
        self._line.journal.note(Severity.INFO, f"{order.order.kind} done", actual)
        self._line.ledger.step_order(order.number, OrderState.DONE, actual).add_done_callback(log_refusal)

    # ---- the shadow

    def end_shadow(self, order: GivenOrder, counts: str) -> None:
        """Do an order that wants no bundle in the shadow any more."""
        ended, self._shadow = self._shadow, None
        for group in self._groups:
            group.process.send(Shade(None))
        self._done(order, f"{ended[1].text()} left the shadow: {counts}" if ended else "there was no shadow")

    def _end_shadow_that_serves(self, proposal: Proposal) -> None:
        if self._shadow is not None and self._shadow[1].run.bundle_id == proposal.run.bundle_id:
            self._shadow = None
            for group in self._groups:
                group.process.send(Shade(None))

    # ---- what goes on meanwhile

    def lost(self) -> None:
        """A vision process is being replaced: what it had loaded is gone."""
        if self._change is not None and not self._change.writing:
            self._fail("a vision process was lost while it loaded it")

    def back(self, group: VisionGroup) -> None:
        """A replaced vision process is ready: it takes the shadow along again."""
        if self._shadow is not None:
            number, proposal = self._shadow
            group.process.send(Load(number, proposal.bundle, proposal.recipe))

    def step(self, has_parts: Callable[[UUID], bool]) -> None:
        """End what takes too long, and runs whose last part is accounted for."""
        now_s, start_s = self._clock(), self._config.station.start_s
        if self._change is not None and not self._change.writing and now_s - self._change.since_s > start_s:
            self._fail(f"not loaded and proved within {start_s:g} s")
        for number, after_s in list(self._finishing.items()):
            run_id = self._known[number].identity.run_id
            if now_s > after_s and not has_parts(run_id):
                del self._finishing[number], self._known[number]
                self._line.ledger.end_run(run_id, clean=True).add_done_callback(log_refusal)


def _other_kind(now: Run, run: Run) -> str | None:
    """Return how a bundle tells something else than the one that serves, which its recipe was written for."""
    if run.task != now.task:
        return f"task is {run.task}; recipe {now.recipe} expects {now.task}, as the bundle that serves"
    if run.classes != now.classes:
        return f"classes are {', '.join(run.classes)}; recipe {now.recipe} expects {', '.join(now.classes)}"
    if run.manifest.get("good") != now.manifest.get("good"):
        return f"good is {run.manifest.get('good')}; recipe {now.recipe} expects {now.manifest.get('good')}"
    if (size := _input_size(run)) != (expected := _input_size(now)):
        return f"input is {size} pixels; recipe {now.recipe} expects {expected}, as the bundle that serves"
    return None


def _input_size(run: Run) -> str:
    said = run.manifest.get("input", {})
    return f"{said.get('width')}x{said.get('height')}"
