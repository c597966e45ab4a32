"""Orders as the loop does them: hold and run at once, changes and self-tests one after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from db.orders import GivenOrder, OrderKind, OrderState
from db.records import Severity, utc_now
from db.shadow import ShadowVerdict
from station.account import Line
from station.config import StationConfig
from station.groups import VisionGroup
from station.holding import Holding
from station.journal import log_refusal
from station.messages import Declined, FromOrders, Loaded, SelfTest, SelfTested, ShadowJudged
from station.succession import Proposal, Succession

SHADOW_POINT = 500
"""How many views a shadow has judged and skipped becomes an event after so many."""


@dataclass(frozen=True, slots=True)
class _Test:
    """A golden self-test under way, in every vision process."""

    missing: frozenset[str]
    since_s: float
    order: GivenOrder | None
    samples: int = 0


class OrderDesk:
    """Only the loop's thread calls it."""

    def __init__(
        self,
        succession: Succession,
        config: StationConfig,
        groups: Sequence[VisionGroup],
        line: Line,
        holding: Holding,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.holding = holding
        self._succession, self._config, self._groups, self._line, self._clock = succession, config, groups, line, clock
        self._waiting: deque[GivenOrder | Proposal] = deque()
        self._shadowed: dict[str, ShadowJudged] = {}
        """By group, the newest of what its shadow said."""
        self._test: _Test | None = None
        self._tested_s = clock()

    # ---- an order comes

    def take(self, order: GivenOrder | Proposal) -> None:
        """Do an order that was looked at, now or when its turn comes."""
        if isinstance(order, GivenOrder) and order.order.kind in (OrderKind.RUN, OrderKind.HOLD):
            self._hold(order)
        else:
            self._waiting.append(order)

    def refuse(self, order: GivenOrder, why: str) -> None:
        self._line.journal.note(Severity.ALARM, f"{order.order.kind} refused", why)
        self._settle(order, OrderState.REFUSED, why)

    def _hold(self, order: GivenOrder) -> None:
        given = order.order
        if given.kind is OrderKind.HOLD:
            self.holding = replace(self.holding, by_order=f"{given.reason} ({given.person})")
        else:
            self.holding = Holding()
        self._line.journal.note(Severity.INFO, str(given.kind), f"by {given.person}: {given.reason}")
        self._settle(order, OrderState.DONE, self.holding.why or "the line runs")

    def _settle(self, order: GivenOrder, state: OrderState, actual: str) -> None:
        self._line.ledger.step_order(order.number, state, actual).add_done_callback(log_refusal)

    # ---- its turn

    def step(self, has_parts: Callable[[UUID], bool]) -> None:
        """Begin what waits, and what is due, while every vision process is ready; end what takes too long."""
        self._succession.step(has_parts)
        self._give_up_test()
        if self._succession.busy or self._test is not None or not all(group.ready for group in self._groups):
            return
        every_s = self._config.self_test.every_s
        if self._waiting:
            self._begin(self._waiting.popleft())
        elif every_s and self._clock() - self._tested_s >= every_s:
            self._begin_test(None)

    def _begin(self, order: GivenOrder | Proposal) -> None:
        if isinstance(order, Proposal):
            self._succession.begin(order)
        elif order.order.kind is OrderKind.SELF_TEST:
            self._settle(order, OrderState.DOING, "")
            self._begin_test(order)
        else:
            self._succession.end_shadow(order, self._shadow_words())
            self._shadowed.clear()

    # ---- the golden self-test

    def _begin_test(self, order: GivenOrder | None) -> None:
        self._tested_s = self._clock()
        self._test = _Test(frozenset(group.name for group in self._groups), self._tested_s, order)
        for group in self._groups:
            group.process.send(SelfTest())

    def _tested(self, group: VisionGroup, message: SelfTested) -> None:
        test = self._test
        if test is None or group.name not in test.missing:
            return
        if message.fault is not None:
            self._end_test(test, message.fault)
            return
        self._test = replace(test, missing=test.missing - {group.name}, samples=message.golden_samples)
        if not self._test.missing:
            self._end_test(self._test, None)

    def _end_test(self, test: _Test, fault: str | None) -> None:
        self._test = None
        words = fault or f"{test.samples} golden samples as recorded"
        by_test = f"golden self-test failed: {fault}" if fault else ""
        if by_test != self.holding.by_test:
            severity, kind = (
                (Severity.ALARM, "self-test failed") if fault else (Severity.INFO, "self-test passes again")
            )
            self._line.journal.note(severity, kind, words)
        self.holding = replace(self.holding, by_test=by_test)
        if test.order is not None:
            self._settle(test.order, OrderState.REFUSED if fault else OrderState.DONE, words)

    def _give_up_test(self) -> None:
        limit_s = self._config.station.start_s
        if self._test is not None and self._clock() - self._test.since_s > limit_s:
            self._end_test(self._test, f"not ended within {limit_s:g} s")

    # ---- what the vision processes say

    def heard(self, group: VisionGroup, message: FromOrders) -> None:
        match message:
            case Loaded() | Declined():
                self._succession.heard(group, message)
            case SelfTested():
                self._tested(group, message)
            case ShadowJudged():
                self._shadow_judged(group, message)

    def _shadow_judged(self, group: VisionGroup, said: ShadowJudged) -> None:
        verdict = ShadowVerdict(said.part_id, said.camera, said.bundle_id, said.verdict, utc_now())
        self._line.ledger.record_shadow(verdict).add_done_callback(log_refusal)
        self._shadowed[group.name] = said
        if said.judged % SHADOW_POINT == 0:
            self._line.journal.record(
                Severity.INFO, "shadow counts", f"bundle {said.bundle_id[:16]}: {self._shadow_words()}"
            )

    def _shadow_words(self) -> str:
        """How many views the shadow has judged and skipped, in all vision processes since they loaded it."""
        judged, skipped = (
            sum(getattr(said, name) for said in self._shadowed.values()) for name in ("judged", "skipped")
        )
        return f"{judged} views judged, {skipped} skipped"

    def lost(self, group: VisionGroup) -> None:
        """A vision process is being replaced: it tests itself as it starts."""
        self._succession.lost()
        if self._test is not None and group.name in self._test.missing:
            test, self._test = self._test, None
            if test.order is not None:
                self._settle(test.order, OrderState.REFUSED, "a vision process was lost meanwhile")
