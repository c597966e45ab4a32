"""Random sequences at two windows, two persons and one queue, with answers that come late: what must hold always."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gui.review.controller import ReviewController
from gui.review.desk import Answer, PartInHand
from gui.review.queue import Need, QueuedPart
from inspector.drawn import Box, Shape
from inspector.errors import AccessRefused, InspectorError, LabelRefused
from inspector.ids import new_id
from inspector.values import InspectionRecord

PERSONS = ("ann", "ben")


@dataclass
class Hall:
    """What two windows share: parts, leases, and every label that was taken."""

    parts: list[QueuedPart]
    held: dict[UUID, int] = field(default_factory=dict)
    given: list[tuple[UUID, str, str, bool]] = field(default_factory=list)
    """Part, person, label, correction."""
    drawn: dict[UUID, tuple[Shape, ...]] = field(default_factory=dict)
    over: set[UUID] = field(default_factory=set)
    """Sessions that have ended."""

    def answered(self, part_id: UUID) -> bool:
        return any(part == part_id for part, *_ in self.given)


@dataclass
class FakeDesk:
    """A `Desk` of one window."""

    hall: Hall
    window: int

    def queue(self, session: Any) -> tuple[QueuedPart, ...]:
        held = self.hall.held
        free = [part for part in self.hall.parts if held.get(part.part_id, self.window) == self.window]
        return tuple(part for part in free if not self.hall.answered(part.part_id))

    def take(self, session: Any, queued: QueuedPart, again: bool) -> PartInHand | None:
        if not again and self.hall.answered(queued.part_id):
            return None
        if self.hall.held.setdefault(queued.part_id, self.window) != self.window:
            return None
        at = datetime(2026, 1, 1, tzinfo=UTC)
        record = InspectionRecord(queued.part_id, new_id(), "s", "r", "b", 1, "", at, label="scratch")
        return PartInHand(queued, record, "good", ("dent", "scratch"), None)

    def give_back(self, session: Any, part_id: UUID) -> None:
        if self.hall.held.get(part_id) == self.window:
            del self.hall.held[part_id]

    def keep(self, session: Any, part_id: UUID) -> None:
        if self.hall.held.setdefault(part_id, self.window) != self.window:
            raise LabelRefused("another has taken it")

    def label(self, session: Any, answer: Answer) -> None:
        if session.session_id in self.hall.over:
            raise AccessRefused("this session is over")
        part_id, person = answer.queued.part_id, session.account.name
        self.keep(session, part_id)
        if not answer.corrects and self.hall.answered(part_id):
            raise LabelRefused("labelled meanwhile")
        self.hall.given.append((part_id, person, answer.label, answer.corrects))
        self.hall.drawn[part_id] = answer.drawing.shapes if answer.drawing else ()
        self.give_back(session, part_id)


@dataclass
class LateAnswers:
    """An `Ask` whose answers come when the test says so; like the worker's, it drops stale ones."""

    waiting: list[tuple[str, int, Callable[[], Any], Callable[[Any], None], Callable[[InspectorError], None]]]
    newest: dict[str, int] = field(default_factory=dict)

    def __call__(self, topic: str, question: Any, then: Any, failed: Any) -> None:
        number = self.newest[topic] = self.newest.get(topic, 0) + 1
        self.waiting.append((topic, number, question, then, failed))

    def answer(self) -> None:
        if not self.waiting:
            return
        topic, number, question, then, failed = self.waiting.pop(0)
        try:
            value = question()
        except InspectorError as error:
            if self.newest[topic] == number:
                failed(error)
            return
        if self.newest[topic] == number:
            then(value)


def person(name: str) -> Any:
    account = SimpleNamespace(name=name, may=lambda _: True)
    return SimpleNamespace(session_id=new_id(), account=account)


windows = st.integers(0, 1)


class TwoWindows(RuleBasedStateMachine):
    """What a person could do, in any order."""

    @initialize(count=st.integers(1, 4))
    def open(self, count: int) -> None:
        needs = [Need.REJECTED, Need.AUDIT, Need.UNDECIDED, Need.ASKED]
        self.hall = Hall([QueuedPart(new_id(), needs[number]) for number in range(count)])
        self.lines = [LateAnswers([]), LateAnswers([])]
        self.desks = [
            ReviewController(FakeDesk(self.hall, window), self.lines[window], lambda: None, lambda _: None)
            for window in (0, 1)
        ]
        self.shown: list[tuple[Shape, ...]] = [(), ()]

    @rule(window=windows, name=st.sampled_from(PERSONS))
    def sign_in(self, window: int, name: str) -> None:
        self.desks[window].begin(person(name))

    @rule(window=windows)
    def sign_out(self, window: int) -> None:
        self.desks[window].end()

    @rule(window=windows, name=st.sampled_from(PERSONS))
    def sign_in_and_leave_before_the_answer(self, window: int, name: str) -> None:
        self.desks[window].begin(person(name))
        self.lines[window].answer()
        self.desks[window].end()
        while self.lines[window].waiting:
            self.lines[window].answer()
        assert window not in self.hall.held.values(), "who left holds nothing up"

    @rule(window=windows)
    def session_ends(self, window: int) -> None:
        session = self.desks[window].session
        if session is not None:
            self.hall.over.add(session.session_id)

    @rule(window=windows)
    def lease_ends(self, window: int) -> None:
        part = self.desks[window].part
        if part is not None and self.hall.held.get(part.queued.part_id) == window:
            del self.hall.held[part.queued.part_id]

    @rule(
        window=windows,
        act=st.sampled_from(["accept", "overrule", "choose_good", "skip", "undo_label", "refresh", "keep"]),
    )
    def act(self, window: int, act: str) -> None:
        getattr(self.desks[window], act)()

    @rule(window=windows, number=st.integers(0, 3))
    def choose(self, window: int, number: int) -> None:
        self.desks[window].choose_defect(number)

    @rule(window=windows, words=st.text(max_size=5))
    def note(self, window: int, words: str) -> None:
        controller = self.desks[window]
        controller.note(words)
        assert controller.part is None or controller.draft.note == words

    @rule(window=windows)
    def picture_comes(self, window: int) -> None:
        self.desks[window].shown(320, 240)

    @rule(window=windows, x=st.integers(0, 9))
    def draw_and_think_again(self, window: int, x: int) -> None:
        controller, shape = self.desks[window], Box(x=x, y=1, width=2, height=2)
        before = controller.draft.sketch.shapes
        controller.draw(shape)
        after = controller.draft.sketch.shapes
        can = controller.part is not None and controller.size_px is not None and not controller.busy
        assert after == ((*before, shape) if can else before)
        controller.undo_drawing()
        if can:
            assert controller.draft.sketch.shapes == before, "undo undoes"
        controller.redo_drawing()
        assert controller.draft.sketch.shapes == after, "redo undoes undo"

    @rule(window=windows)
    def clear(self, window: int) -> None:
        controller = self.desks[window]
        before = controller.draft.sketch.shapes
        controller.clear_drawing()
        controller.undo_drawing() if not controller.draft.sketch.shapes and before else None
        assert controller.draft.sketch.shapes == before

    @rule(window=windows)
    def answer(self, window: int) -> None:
        self.lines[window].answer()

    @rule()
    def answer_all(self) -> None:
        for line in self.lines:
            while line.waiting:
                line.answer()

    @invariant()
    def no_label_without_a_person(self) -> None:
        assert all(name in PERSONS for _, name, _, _ in self.hall.given)
        for controller in self.desks:
            assert controller.session is not None or controller.part is None, "nobody has a part in hand"

    @invariant()
    def one_answer_a_part_and_corrections_by_its_author(self) -> None:
        first: dict[UUID, str] = {}
        for part_id, name, _, correction in self.hall.given:
            assert correction == (part_id in first)
            assert first.setdefault(part_id, name) == name

    @invariant()
    def a_blind_part_is_never_answered_by_agreeing(self) -> None:
        for controller in self.desks:
            if controller.part is not None and controller.part.queued.blind and not controller.busy:
                waiting = len(self.lines[self.desks.index(controller)].waiting)
                controller.accept()
                assert len(self.lines[self.desks.index(controller)].waiting) == waiting

    @invariant()
    def what_is_busy_is_answered_in_the_end(self) -> None:
        for controller, line in zip(self.desks, self.lines, strict=True):
            assert not controller.busy or line.waiting, "a screen waits for nothing"


TwoWindows.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTwoWindows = TwoWindows.TestCase
