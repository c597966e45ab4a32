"""Recipes: fields of the schema, limits learned, a dry run, saving, and the screen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from sqlalchemy import select, update

from db.plant_tables import AUDIT_LOG
from db.recipes import RecipeRevision, current_revision, save_revision
from db.sessions import Session
from db.tables import FINDINGS
from gui.database import Source, reading, writing
from gui.identity import Presence
from gui.recipes.controller import RecipesController
from gui.recipes.desk import DatabaseRecipes, RecipeChange
from gui.recipes.fields import GENERAL, Kind, differing, entries, sections, texts_of, written
from gui.recipes.learning import LEAST_FRAMES, learn
from gui.recipes.texts import fault_text, trial_text
from gui.recipes.trial import Tried, try_out
from gui.shell import Shell
from gui.watchdog import Watchdog
from inspector.drawn import Box
from inspector.errors import AccessRefused, InspectorError, PeerFault, RecipeError
from inspector.quality import QualityLimits, limited
from inspector.recipe import Recipe, load_recipe
from inspector.rules import Rule
from inspector.values import Outcome, Quality
from inspector.verdict import Policy

PASS, REJECT, REVIEW = Outcome.PASS, Outcome.REJECT, Outcome.REVIEW
PASSWORD = "correct horse battery"
WAIT_MS = 20_000
STALL_MS = 50
EXAMPLE = Path(__file__).parents[2] / "configs" / "recipe.example.toml"


# ---- fields


def test_every_field_of_the_schema_has_help_and_a_section() -> None:
    assert {entry.path for entry in entries()} >= {"roi.x", "quality.min_focus", "rules", "gate.error", "cameras"}
    assert not [entry.path for entry in entries() if not entry.help]
    assert sections()[0] == GENERAL
    kinds = {entry.path: entry.kind for entry in entries()}
    assert kinds["precision"] is kinds["drift.enabled"] is Kind.CHOICE
    assert (kinds["rules"], kinds["cameras"], kinds["mm_per_px"]) == (Kind.ROWS, Kind.TABLE, Kind.NUMBER)
    units = {entry.path: entry.unit for entry in entries()}
    assert (units["roi.x"], units["mm_per_px"], units["runtime.give_up_ms"]) == ("px", "mm/px", "ms")


@pytest.mark.parametrize(
    "recipe",
    [
        load_recipe(EXAMPLE),
        Recipe(),
        Recipe.model_validate(
            {
                "name": "lid",
                "roi": {"x": 0, "y": 3, "width": 100, "height": 80},
                "mm_per_px": 0.02,
                "policy": {"pass_below": 0.125, "reject_above": 0.9, "origin": 'said "so", twice'},
                "rules": [
                    {"measure": "longest_mm", "above": 2.5, "label": "Kratzer, tief"},
                    {"measure": "count", "above": 3},
                ],
                "cameras": {"top": {"ExposureTime": 5000, "Gain": 1.5, "On": True, "Mode": "Off"}, "side 2": {"X": 1}},
                "gate": {"class_margins": {"dent": 0.02}},
                "drift": {"enabled": False, "false_alarm_parts": 123456.5},
            }
        ),
    ],
    ids=["example", "defaults", "much"],
)
def test_what_a_recipe_says_as_text_makes_the_same_recipe(recipe: Recipe) -> None:
    assert written(recipe.name, texts_of(recipe)).recipe == recipe


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1e5), st.integers(0, 10**6), st.integers(8, 10**6))
def test_numbers_survive_being_text(focus: float, x: int, width: int) -> None:
    texts = {
        "quality.min_focus": repr(focus),
        "roi.x": str(x),
        "roi.y": "0",
        "roi.width": str(width),
        "roi.height": "8",
    }
    made = written("lid", texts).recipe
    assert made is not None
    assert made.roi is not None
    assert (made.quality.min_focus, made.roi.x, made.roi.width) == (focus, x, width)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("quality.min_focus", "-1", "expected 0 or more"),
        ("quality.max_dark_share", "1.5", "expected 1 or less"),
        ("mm_per_px", "nan", "finite number"),
        ("mm_per_px", "0", "expected more than 0"),
        ("roi.x", "3", "missing"),
        ("gate.error", "much", "a number"),
        ("runtime.threads", "1.5", "a whole number"),
        ("rules", 'measure = "count"', "0.above: missing"),
        ("rules", 'measure = "count", above = 1, colour = 3', "0.colour: no such field"),
        ("rules", "count", "cannot be read"),
        ("cameras", "top = ", "cannot be read"),
        ("rules", 'measure = "longest_mm", above = 2', "need mm_per_px"),
        ("policy.pass_below", "0.9", "missing"),
    ],
)
def test_each_fault_is_told_at_its_field(path: str, text: str, said: str) -> None:
    found = written("lid", {path: text})
    assert found.recipe is None
    assert any(said in fault_text(fault) for fault in found.faults)
    assert any(fault.path.partition(".")[0] in (path.partition(".")[0], "mm_per_px") for fault in found.faults)


def test_a_comma_is_a_decimal_point_in_numbers_and_stays_in_words() -> None:
    made = written("lid", {"mm_per_px": "0,02", "expected": "1,5"}).recipe
    assert made is not None
    assert (made.mm_per_px, made.expected) == (0.02, "1,5")


# ---- limits learned from frames


def test_limits_lie_at_the_edge_of_the_good_frames_with_an_exact_bound() -> None:
    noise = np.random.default_rng(4)
    frames = np.column_stack([noise.normal(100, 5, 4000), noise.normal(120, 2, 4000), *noise.beta(1, 99, (2, 4000))])
    learned = learn(frames)
    recipe = written("lid", learned.texts).recipe
    assert recipe is not None
    stopped = sum(not limited(Quality(*frame), recipe.quality).usable for frame in frames.tolist())
    assert stopped == learned.beyond
    assert 0 < stopped <= 5 * 4
    scipy_stats = pytest.importorskip("scipy.stats")
    assert learned.bound == pytest.approx(5 * scipy_stats.beta.ppf(0.99, 5, 3996), rel=1e-6)


def test_the_bound_on_further_frames_holds() -> None:
    """Of 60 lines, at most as many as chance allows stop more further frames than their bound."""
    broken, noise = 0, np.random.default_rng(8)
    for _ in range(60):
        frames = noise.gamma(4, 25, (2000, 4)) / np.array([1, 2, 400, 400])
        learned = learn(frames)
        limits = written("lid", learned.texts).recipe.quality  # type: ignore[union-attr]
        new = noise.gamma(4, 25, (20_000, 4)) / np.array([1, 2, 400, 400])
        low = (new[:, 0] < limits.min_focus) | (new[:, 1] < limits.min_brightness)
        high = (new[:, 1] > limits.max_brightness) | (new[:, 2] > limits.max_dark_share)
        broken += float((low | high | (new[:, 3] > limits.max_saturated_share)).mean()) > learned.bound
    assert broken <= 7  # at 5 % each: more has a probability below 1 in 200


def test_from_too_few_frames_nothing_is_learned() -> None:
    with pytest.raises(RecipeError, match="expected 100 or more"):
        learn(np.ones((LEAST_FRAMES - 1, 4)))


def test_frames_that_are_all_alike_give_limits_that_they_keep() -> None:
    learned = learn(np.tile([50.0, 120.0, 0.0, 0.0], (200, 1)))
    assert (learned.beyond, learned.texts["quality.max_dark_share"]) == (0, "0")


# ---- the dry run

LIMITS = Policy(pass_below=0.1, reject_above=0.8)


def tried(plant: Any, *outcomes: Outcome) -> list[Tried]:
    return [Tried(record, Recipe(name="flange"), LIMITS) for record in plant.parts(*outcomes)]


def test_the_same_recipe_changes_nothing_and_a_rule_changes_what_it_holds_for(plant: Any) -> None:
    parts = tried(plant, PASS, PASS, REVIEW, REJECT, REJECT)
    same = try_out(Recipe(name="flange"), parts)
    assert (same.parts, same.flips, same.left_out, same.pictures) == (5, {}, 0, ())
    rule = Rule(label="scratch", measure="longest_px", above=50, then="REJECT")
    ruled = try_out(Recipe(name="flange", rules=(rule,)), parts)
    assert ruled.flips == {(REVIEW, REJECT): 1}
    sharp = try_out(Recipe(name="flange", quality=QualityLimits(min_focus=101)), parts)
    assert sharp.flips == {(PASS, REVIEW): 2, (REJECT, REVIEW): 2}
    assert sharp.changed is not None
    assert (sharp.changed.count, sharp.changed.n) == (4, 5)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"roi": {"x": 0, "y": 0, "width": 9, "height": 9}}, "roi.x"),
        ({"precision": "float"}, "precision"),
        ({"quality": {"max_repeats": 5}}, "quality.max_repeats"),
        ({"cameras": {"top": {"Gain": 1}}}, "cameras"),
    ],
)
def test_what_needs_other_pictures_is_named_and_not_guessed(plant: Any, content: Any, path: str) -> None:
    found = try_out(Recipe.model_validate({"name": "flange", **content}), tried(plant, PASS, REJECT))
    assert (found.parts, found.changed, found.left_out) == (0, None, 2)
    assert path in found.pictures


def test_a_part_that_its_own_recipe_does_not_explain_is_left_out(plant: Any) -> None:
    (late,) = plant.parts(REVIEW, probability=0.02)
    found = try_out(Recipe(name="flange"), [Tried(late, Recipe(name="flange"), LIMITS)])
    assert (found.parts, found.left_out) == (0, 1)


# ---- the database


@pytest.fixture
def desk(plant: Any, source: Source) -> DatabaseRecipes:
    plant.parts(PASS, PASS, REVIEW, REJECT)
    return DatabaseRecipes(source)


def change(desk: DatabaseRecipes, reason: str = "sharper", **quality: float) -> RecipeChange:
    opened = desk.opened(None)
    assert opened is not None
    recipe = opened.recipe.model_copy(update={"quality": QualityLimits(**quality)})  # type: ignore[arg-type]
    return RecipeChange(recipe, opened.number, reason)


def test_a_recipe_is_opened_as_it_ran_with_frames_to_draw_on(desk: DatabaseRecipes) -> None:
    opened = desk.opened(None)
    assert opened is not None
    assert (opened.name, opened.names, opened.number, opened.cameras) == ("flange", ("flange",), 0, ("top",))
    assert [kept.trigger for kept in opened.pictures] == [4, 3, 2, 1]
    assert desk.picture(opened.pictures[0].sha256).width_px == 320
    with pytest.raises(RecipeError, match="never ran here"):
        desk.opened("lid")


def test_saving_makes_a_revision_and_a_row_in_the_log(
    desk: DatabaseRecipes, source: Source, session: Callable[[str], Session]
) -> None:
    assert desk.save(session("eve"), change(desk, min_focus=50)) == 1
    with reading(source.engine) as connection:
        saved = current_revision(connection, "flange")
        row = connection.execute(select(AUDIT_LOG).where(AUDIT_LOG.c.action == "recipe revised")).mappings().one()
    assert saved is not None
    assert Recipe.model_validate_json(saved.text).quality.min_focus == 50
    assert (saved.person, saved.reason, row["person"], row["reason"]) == ("eve", "sharper", "eve", "sharper")
    opened = desk.opened("flange")
    assert opened is not None
    assert (opened.number, opened.history[0].reason) == (1, "sharper")


def test_no_reason_no_right_limits_and_a_revision_of_somebody_else_are_refused(
    desk: DatabaseRecipes, source: Source, session: Callable[[str], Session]
) -> None:
    eve, mine = session("eve"), change(desk, min_focus=50)
    with pytest.raises(RecipeError, match="a reason"):
        desk.save(eve, change(desk, reason=" ", min_focus=50))
    with pytest.raises(AccessRefused, match="may not change recipes"):
        desk.save(session("ann"), mine)
    with pytest.raises(RecipeError, match="changed in What if"):
        desk.save(eve, RecipeChange(mine.recipe.model_copy(update={"policy": LIMITS}), 0, "by the back door"))
    with writing(source.engine) as connection:
        save_revision(connection, RecipeRevision("flange", json.dumps({"mm_per_px": 0.1}), "kim", "a new lens"))
    with pytest.raises(RecipeError, match=r"somebody saved revision 1 meanwhile \(kim: a new lens\)"):
        desk.save(eve, mine)


def test_frames_and_parts_are_those_of_the_recipe(desk: DatabaseRecipes, plant: Any, source: Source) -> None:
    with pytest.raises(RecipeError, match="2 frames"):
        desk.learned("flange")
    plant.parts(*[PASS] * 120)
    with writing(source.engine) as connection:
        connection.execute(update(FINDINGS).values(brightness=130.0))
    learned = desk.learned("flange")
    assert (learned.frames, learned.texts["quality.min_brightness"]) == (122, "130")
    trial = desk.tried(change(desk, min_focus=101).recipe)
    assert (trial.parts, trial.flips[PASS, REVIEW]) == (124, 122)


def test_a_preview_needs_the_size_of_a_frame(source: Source) -> None:
    desk = DatabaseRecipes(source, (("http://127.0.0.1:9", None),))
    with pytest.raises(PeerFault, match="recorded picture too"):
        desk.preview(0, None)
    with pytest.raises(PeerFault, match=r"127\.0\.0\.1:9"):
        desk.preview(0, (320, 240))


# ---- the controller


def ask_now(topic: str, question: Any, then: Any, failed: Any) -> None:
    try:
        value = question()
    except InspectorError as error:
        failed(error)
        return
    then(value)


def test_what_was_typed_lies_over_the_revision_of_somebody_else_and_waits_for_its_author(
    desk: DatabaseRecipes, source: Source, session: Callable[[str], Session]
) -> None:
    refused: list[InspectorError] = []
    controller = RecipesController(desk, ask_now, lambda: None, refused.append)
    controller.begin(session("eve"))
    controller.refresh()
    controller.type("quality.min_focus", "50")
    controller.type("roi.x", "5")
    controller.say("sharper")
    assert controller.written.recipe is None
    controller.type("roi.x", "")
    with writing(source.engine) as connection:
        save_revision(connection, RecipeRevision("flange", json.dumps({"mm_per_px": 0.1}), "kim", "a new lens"))
    controller.save()
    assert "somebody saved revision 1" in controller.error
    assert (controller.text("quality.min_focus"), controller.draft.reason) == ("50", "sharper")
    controller.refresh()
    assert controller.taken_in == ("mm_per_px",)
    assert (controller.text("quality.min_focus"), controller.text("mm_per_px")) == ("50", "0.1")
    controller.begin(session("ann"))
    assert controller.text("quality.min_focus") == ""
    controller.type("quality.min_focus", "1e4")
    assert not controller.edited, "who may not change recipes changes nothing"
    controller.begin(session("eve"))
    controller.save()
    assert controller.saved is not None
    assert (controller.saved.number, controller.edited, controller.taken_in, refused) == (2, False, (), [])
    with reading(source.engine) as connection:
        saved = current_revision(connection, "flange")
    assert saved is not None
    made = Recipe.model_validate_json(saved.text)
    assert (made.mm_per_px, made.quality.min_focus) == (0.1, 50)


def test_a_drawn_region_is_whole_pixels_inside_the_frame_and_limits_are_not_typed_here(
    desk: DatabaseRecipes, session: Callable[[str], Session]
) -> None:
    controller = RecipesController(desk, ask_now, lambda: None, lambda _: None)
    controller.begin(session("eve"))
    controller.refresh()
    controller.draw_region(Box(x=-4.5, y=10.4, width=400, height=20.2), (320, 240))
    recipe = controller.written.recipe
    assert recipe is not None
    assert recipe.roi is not None
    assert recipe.roi.model_dump() == {"x": 0, "y": 10, "width": 320, "height": 21}
    assert controller.region() == Box(x=0, y=10, width=320, height=21)
    controller.measure(250, 5)
    assert controller.text("mm_per_px") == "0.02"
    controller.type("policy.pass_below", "0.5")
    assert "policy.pass_below" not in controller.draft.edits
    controller.try_out()
    assert "Pictures would have to be judged again for roi.height, roi.width" in trial_text(controller)
    controller.discard()
    assert not controller.edited
    assert controller.region() is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["type", "draw", "learn", "discard", "refresh", "leave"]), st.integers(0, 9)))
)
def test_edits_are_always_what_differs_from_the_recipe_in_force(acts: list[tuple[str, int]]) -> None:
    desk = cast(Any, FakeDesk())
    controller = RecipesController(desk, ask_now, lambda: None, lambda _: None)
    controller.begin(desk.person)
    controller.refresh()
    for act, number in acts:
        if act == "type":
            controller.type("quality.min_focus", str(number))
        elif act == "draw":
            controller.draw_region(Box(x=number, y=1, width=9, height=9), (320, 240))
        elif act == "leave":
            controller.end()
            controller.begin(desk.person)
        else:
            getattr(controller, act)()
        assert controller.opened is not None
        base = texts_of(controller.opened.recipe)
        assert all(base.get(path, "") != text for path, text in controller.draft.edits.items())
        made = controller.written.recipe
        assert made is not None
        assert set(differing(controller.opened.recipe, made)) <= set(controller.draft.edits)


class FakeDesk:
    """A recipe that is always the same."""

    def __init__(self) -> None:
        from types import SimpleNamespace

        from gui.recipes.desk import Opened

        account = SimpleNamespace(name="eve", may=lambda _: True)
        self.person = SimpleNamespace(account=account)
        recipe = Recipe(name="flange", quality=QualityLimits(min_focus=5))
        self._opened = Opened("flange", ("flange",), 3, recipe, (), (), ())

    def opened(self, name: str | None) -> Any:
        return self._opened

    def learned(self, name: str) -> Any:
        return learn(np.tile([7.0, 120.0, 0.0, 0.0], (200, 1)))


# ---- on the screen


@pytest.fixture
def window(desk: Any, source: Source, qtbot: Any, off_the_gui_thread: None) -> Iterator[Shell]:
    window = Shell(source, "a test")
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    window.identity.sign_in("eve", PASSWORD)
    qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
    window.go([place.screen for place in window.places].index(window.recipes))
    screen = window.recipes
    qtbot.waitUntil(lambda: screen.canvas._picture is not None, timeout=WAIT_MS)
    yield window
    window.close()


def test_a_person_draws_types_tries_and_saves(window: Shell, qtbot: Any, plant: Any) -> None:
    screen, canvas = window.recipes, window.recipes.canvas
    spot = [QPoint(*(round(value) for value in canvas.placement.to_view(*at))) for at in ((40, 30), (280, 210))]
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_L)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=spot[0])
    QTest.mouseMove(canvas, spot[1])
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=spot[1])
    assert "300" in screen.length.text() or "299" in screen.length.text()
    screen.known.setFocus()
    screen.known.selectAll()
    QTest.keyClicks(screen.known, "6")
    QTest.keyClick(screen.known, Qt.Key.Key_Return)
    QTest.mouseClick(screen.scale, Qt.MouseButton.LeftButton)
    assert float(screen.controller.text("mm_per_px")) == pytest.approx(0.02, rel=0.02)
    screen.form.show_section("quality")
    focus = cast(Any, screen.form.rows["quality.min_focus"].editor)
    watchdog = Watchdog()
    watchdog.start()
    QTest.keyClicks(focus, "-3")
    assert screen.form.rows["quality.min_focus"].fault.text() == "expected 0 or more"
    assert not screen.save.isEnabled()
    focus.clear()
    QTest.keyClicks(focus, "101")
    QTest.keyClick(screen, Qt.Key.Key_F6)
    qtbot.waitUntil(lambda: "of 4 recorded parts would be judged otherwise" in screen.trial.text(), timeout=WAIT_MS)
    assert screen.trial.text().startswith("3 of 4")
    QTest.keyClicks(screen.reason, "sharper")
    assert watchdog.stop().cpu_ms < STALL_MS
    QTest.mouseClick(screen.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Saved as revision 1 of flange" in screen.notice.text(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "revision 1" in screen.about.text(), timeout=WAIT_MS)
    elsewhere = plant.source()
    with reading(elsewhere.engine) as connection:
        saved = current_revision(connection, "flange")
    elsewhere.engine.dispose()
    assert saved is not None
    made = Recipe.model_validate_json(saved.text)
    assert (made.quality.min_focus, made.mm_per_px) == (101, pytest.approx(0.02, rel=0.02))
