"""What-if: limits over recorded parts, and who may save which."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from sqlalchemy import select, update

from db.history.choices import Choices
from db.history.scores import Scores
from db.plant_tables import AUDIT_LOG
from db.recipes import RecipeRevision, current_revision, save_revision
from db.sessions import Session
from db.tables import BUNDLES
from gui.database import Source, reading, writing
from gui.gauge import place
from gui.identity import Presence
from gui.second import Second
from gui.shell import Shell
from gui.watchdog import Watchdog
from gui.whatif.band import probability
from gui.whatif.controller import ASSUMED, WhatIfController
from gui.whatif.desk import Asked, DatabaseWhatIf, LimitsChange, Subject, WhatIfDesk
from gui.whatif.model import Recorded, bounds, cost, effect, expected_cost, recorded, stays_certified
from inspector.errors import AccessRefused, RecipeError
from inspector.recipe import Recipe
from inspector.values import Outcome

PASSWORD = "correct horse battery"
WAIT_MS = 30_000
STALL_MS = 50
ORDER = list(Outcome)
limit = st.floats(0, 1)
part = st.tuples(st.floats(0, 1), st.sampled_from(range(len(ORDER))), st.sampled_from([-1, 0, 1]))


def made(parts: list[tuple[float, int, int]], limits: tuple[float, float] = (0.1, 0.8)) -> Recorded:
    chances, outcomes, truths = zip(*parts, strict=True)
    return recorded(
        Scores(
            np.array(chances, np.float64),
            np.array(outcomes, np.int8),
            np.zeros(len(parts), np.int64),
            np.array(truths, np.int8),
            (),
        ),
        [limits],
    )


@given(parts=st.lists(part, min_size=1, max_size=40), limits=st.tuples(limit, limit), tighter=limit)
def test_tighter_limits_never_raise_escapes_nor_overkill(
    parts: list[tuple[float, int, int]], limits: tuple[float, float], tighter: float
) -> None:
    below, above = sorted(limits)
    known = made(parts)
    at, stricter = effect(known, (below, above)), effect(known, (below * tighter, above))
    milder = effect(known, (below, above + (1 - above) * tighter))
    assert at.escapes is None or (stricter.escapes is not None and stricter.escapes.count <= at.escapes.count)
    assert at.overkill is None or (milder.overkill is not None and milder.overkill.count <= at.overkill.count)
    assert at.fates.parts == stricter.fates.parts == sum(outcome != 3 for _, outcome, _ in parts)


def test_what_no_limit_decides_stays_as_it_was() -> None:
    """A stranger that went to review, a rule that rejected, a part not inspected; and one that limits decide."""
    names = {outcome: ORDER.index(outcome) for outcome in Outcome}
    parts = [
        (0.01, names[Outcome.REVIEW], 1),
        (0.02, names[Outcome.REJECT], 0),
        (0.03, names[Outcome.NOT_INSPECTED], 0),
        (0.04, names[Outcome.PASS], 1),
    ]
    seen = effect(made(parts), (1.0, 1.0))
    assert (seen.fates.passed, seen.fates.rejected, seen.fates.reviewed) == (1, 1, 1)
    assert made(parts).left_out == 1
    assert seen.escapes is not None
    assert (seen.escapes.count, seen.escapes.n) == (1, 2)
    assert effect(made(parts), (0.0, 1.0)).fates.passed == 0


def test_the_cost_is_that_of_its_rates_and_its_bound_is_above() -> None:
    parts = [(0.05, 0, 1), (0.9, 1, 1), (0.02, 0, 0), (0.95, 1, 0), (0.5, 2, 0), (0.5, 2, -1)]
    seen = effect(made(parts), (0.1, 0.8))
    expected = 1000 * (0.02 * 0.5 * 100 + 0.98 * (1 / 3) * 5 + (2 / 6) * 0.5)
    assert expected_cost(seen, ASSUMED) == pytest.approx(expected)
    most = bounds(seen, ASSUMED)
    assert most.escapes == pytest.approx(0.9747, abs=1e-4)  # 1 of 2: 1 - sqrt(0.05) from below, mirrored
    assert most.cost is not None
    assert most.cost > expected
    assert cost(ASSUMED, None, 0.1, 0.1) is None


def test_a_certificate_covers_what_passes_and_rejects_less() -> None:
    assert stays_certified((0.1, 0.8), (0.05, 0.9))
    assert stays_certified((0.1, 0.8), (0.1, 0.8))
    assert not stays_certified((0.1, 0.8), (0.11, 0.9))
    assert not stays_certified((0.1, 0.8), (0.05, 0.79))
    assert not stays_certified(None, (0.0, 1.0))


def test_a_place_on_the_band_is_a_probability_and_back() -> None:
    for chance in (0.0005, 0.02, 0.5, 0.93, 0.999):
        assert probability(place(chance)) == pytest.approx(chance, abs=1e-4)


# ---- saving


@pytest.fixture
def desk(week: Any, source: Source) -> DatabaseWhatIf:
    return DatabaseWhatIf(source, "a test")


@pytest.fixture
def certified(week: Any, source: Source) -> None:
    """The bundle's limits are proved."""
    limits = {"pass_below": 0.1, "reject_above": 0.8, "origin": "certified at 95 %: escape at most 1 %"}
    with writing(source.engine) as connection:
        connection.execute(update(BUNDLES).values(manifest={"good": ["good"], "limits": limits}))


def subject_of(desk: DatabaseWhatIf) -> Subject:
    subject = desk.subject(Asked())
    assert subject is not None
    return subject


def change(
    subject: Subject, limits: tuple[float, float], second: Second | None = None, reason: str = "too many"
) -> Any:
    return LimitsChange(subject.recipe, subject.bundle_id, subject.number, limits, reason, second)


def test_the_subject_is_the_newest_run_with_its_labels(desk: DatabaseWhatIf) -> None:
    subject = subject_of(desk)
    assert (subject.recipe, subject.limits, subject.certified) == ("flange", (0.1, 0.8), None)
    seen = effect(subject.parts, subject.limits)
    rates = [(rate.count, rate.n) for rate in (seen.escapes, seen.overkill, seen.review) if rate is not None]
    assert rates == [(1, 14), (4, 26), (4, 96)]
    assert desk.subject(Asked(recipe="lid")) is None


def test_inside_the_certificate_one_person_saves_and_the_log_tells_it(
    desk: DatabaseWhatIf, certified: None, source: Source, session: Callable[[str], Session]
) -> None:
    assert desk.save(session("eve"), change(subject_of(desk), (0.05, 0.9))) == 1
    with reading(source.engine) as connection:
        saved = current_revision(connection, "flange")
        row = connection.execute(select(AUDIT_LOG).where(AUDIT_LOG.c.action == "recipe revised")).mappings().one()
    assert saved is not None
    recipe = Recipe.model_validate_json(saved.text)
    assert recipe.policy is not None
    assert (recipe.policy.pass_below, recipe.policy.reject_above) == (0.05, 0.9)
    assert (recipe.name, saved.revision, saved.second_person) == ("flange", recipe.revision(), None)
    assert (row["person"], row["reason"]) == ("eve", "too many")
    assert subject_of(desk).limits == (0.05, 0.9)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (None, "expected a second person"),
        (Second("eve", PASSWORD), "expected another"),
        (Second("ben", PASSWORD), "may not approve"),
        (Second("ann", "wrong password"), "wrong name or password"),
    ],
)
def test_outside_the_certificate_another_person_who_may_approve_has_to_sign_in(
    second: Second | None, said: str, desk: DatabaseWhatIf, certified: None, source: Source, session: Any
) -> None:
    eve = session("eve")
    with pytest.raises(RecipeError, match=said):
        desk.save(eve, change(subject_of(desk), (0.2, 0.8), second))
    with reading(source.engine) as connection:
        assert current_revision(connection, "flange") is None
    assert desk.save(eve, change(subject_of(desk), (0.2, 0.8), Second("ann", PASSWORD))) == 1
    with reading(source.engine) as connection:
        saved = current_revision(connection, "flange")
    assert saved is not None
    assert (saved.person, saved.second_person) == ("eve", "ann")


def test_no_reason_no_right_and_a_revision_of_somebody_else_are_refused(
    desk: DatabaseWhatIf, certified: None, source: Source, session: Callable[[str], Session]
) -> None:
    eve, subject = session("eve"), subject_of(desk)
    with pytest.raises(RecipeError, match="a reason"):
        desk.save(eve, change(subject, (0.05, 0.9), reason=" "))
    with pytest.raises(AccessRefused, match="may not change recipes"):
        desk.save(session("ann"), change(subject, (0.05, 0.9)))
    with writing(source.engine) as connection:
        save_revision(connection, RecipeRevision("flange", json.dumps({}), "kim", "another camera"))
    with pytest.raises(RecipeError, match="somebody saved revision 1 meanwhile"):
        desk.save(eve, change(subject, (0.05, 0.9)))


# ---- on the screen


@pytest.fixture
def window(week: Any, source: Source, qtbot: Any, off_the_gui_thread: None) -> Iterator[Shell]:
    window = Shell(source, "a test")
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    window.identity.sign_in("eve", PASSWORD)
    qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_4, Qt.KeyboardModifier.ControlModifier)
    controller = window.what_if.controller
    qtbot.waitUntil(lambda: controller.subject is not None and controller.bounds is not None, timeout=WAIT_MS)
    yield window
    window.close()


def test_dragging_moves_all_figures_and_never_blocks(window: Shell, qtbot: Any) -> None:
    screen, band = window.what_if, window.what_if.band
    assert "1 of 14 labelled defective parts pass; at most 29.7" in screen.effects[0][2].text()
    watchdog = Watchdog()
    watchdog.start()
    start = QPoint(round(band.x_of(0.1)), band.height() // 2)
    QTest.mousePress(band, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 40):
        QTest.mouseMove(band, start - QPoint(2 * step, 0))
        qtbot.wait(1)
    QTest.mouseRelease(band, Qt.MouseButton.LeftButton, pos=start - QPoint(80, 0))
    stall = watchdog.stop()
    assert screen.controller.limits[0] < 0.05
    assert screen.below.value == screen.controller.limits[0]
    assert "0 of 14 labelled defective parts pass" in screen.effects[0][2].text()
    assert "now 7.1" in screen.effects[0][2].text()
    assert stall.cpu_ms < STALL_MS
    qtbot.waitUntil(lambda: "at most 19.3" in screen.effects[0][2].text(), timeout=WAIT_MS)


def test_a_limit_can_be_typed_and_what_is_no_number_is_not_taken(window: Shell) -> None:
    screen = window.what_if
    for typed, stands in (("0,07", (0.07, 0.8)), ("much", (0.07, 0.8)), ("nan", (0.07, 0.8)), ("7", (1.0, 1.0))):
        screen.below.selectAll()
        QTest.keyClicks(screen.below, typed)
        QTest.keyClick(screen.below, Qt.Key.Key_Return)
        assert screen.controller.limits == stands


def test_by_keys_a_limit_is_moved_and_saved_with_a_second_person(window: Shell, qtbot: Any) -> None:
    screen = window.what_if
    screen.band.setFocus()
    QTest.keyClick(screen.band, Qt.Key.Key_Space)
    QTest.keyClick(screen.band, Qt.Key.Key_Right)
    assert screen.controller.limits[1] > 0.8
    assert "second person" in screen.region.text()
    for widget, words in ((screen.reason, "fewer stops"), (screen.second, "ann"), (screen.password, "wrong")):
        assert widget.isVisible()
        QTest.keyClicks(widget, words)
    QTest.mouseClick(screen.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "still here" in screen.notice.text(), timeout=WAIT_MS)
    assert window.identity.presence is Presence.PRESENT
    assert (screen.reason.text(), screen.password.text()) == ("fewer stops", "")
    QTest.keyClicks(screen.password, PASSWORD)
    QTest.keyClick(screen.password, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "Saved as revision 1 of flange" in screen.notice.text(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not screen.controller.reading and not screen.controller.moved, timeout=WAIT_MS)
    assert screen.controller.limits[1] > 0.8


def test_a_drag_over_a_million_parts_takes_no_time() -> None:
    noise = np.random.default_rng(1)
    n = 1_000_000
    parts = recorded(
        Scores(
            noise.beta(0.3, 4, n),
            np.zeros(n, np.int8),
            np.zeros(n, np.int64),
            noise.integers(-1, 2, n).astype(np.int8),
            (),
        ),
        [(0.1, 0.8)],
    )
    began_s = time.thread_time()
    for below in np.linspace(0, 0.8, 100):
        effect(parts, (float(below), 0.8))
    assert time.thread_time() - began_s < 100 * STALL_MS / 1000


# ---- the controller alone


@pytest.fixture
def tried() -> tuple[WhatIfController, list[Any]]:
    """A controller with parts, and what it asks from then on."""
    asked: list[Any] = []
    controller = WhatIfController(
        cast(WhatIfDesk, None),
        lambda topic, question, then, failed: asked.append((topic, then, failed)),
        lambda: None,
        lambda error: asked.append(("refused", error, None)),
    )
    controller.refresh()
    parts = made([(0.05, 0, 1), (0.9, 1, 0), (0.5, 2, -1)])
    known = Subject("flange", "b" * 64, 0, (0.1, 0.8), (0.1, 0.8), "", parts, Choices(), False)
    asked.pop()[1](known)
    return controller, asked


def test_limits_push_each_other_and_stay_between_0_and_1(tried: tuple[WhatIfController, list[Any]]) -> None:
    controller, _ = tried
    for moved, stands in (((0.9, 0.8), (0.9, 0.9)), ((0.9, 0.2), (0.2, 0.2)), ((-1.0, 2.0), (0.0, 1.0))):
        controller.move(moved)
        assert controller.limits == stands


def test_while_bounds_are_made_further_ones_wait_and_the_newest_limits_are_bounded(
    tried: tuple[WhatIfController, list[Any]],
) -> None:
    controller, asked = tried
    for below in (0.09, 0.08, 0.07):
        controller.move((below, 0.8))
    assert [one[0] for one in asked] == ["bounds"]
    asked.pop()[1](bounds(effect(made([(0.5, 2, 1)]), (0.1, 0.8)), ASSUMED))
    assert [one[0] for one in asked] == ["bounds"]
    assert controller.then is not None
    asked.pop()[1](bounds(controller.then, ASSUMED))
    assert controller.bounds is not None
    assert (controller.bounds.limits, asked) == ((0.07, 0.8), [])


def test_what_was_tried_and_typed_survives_a_refusal_and_goes_with_the_person(
    tried: tuple[WhatIfController, list[Any]],
) -> None:
    controller, asked = tried
    controller.begin(cast(Session, SimpleNamespace(account=SimpleNamespace(name="eve", may=lambda _: True))))
    controller.save(None)
    assert "save limits" not in [one[0] for one in asked]  # nothing was moved
    controller.move((0.05, 0.9))
    assert not controller.needs_second
    controller.say("fewer escapes")
    controller.save(None)
    save = next(one for one in asked if one[0] == "save limits")
    save[2](AccessRefused("this session is over"))
    assert asked[-1][0] == "refused"
    assert (controller.limits, controller.reason) == ((0.05, 0.9), "fewer escapes")
    controller.end()
    assert (controller.limits, controller.reason) == ((0.1, 0.8), "")
