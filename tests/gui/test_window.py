"""A real window on a real X server, driven by real keys and a real mouse: every screen.

`INSPECTOR_SCREENS=docs/screens pytest tests/gui/test_window.py` makes the pictures of docs/screens again.
"""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import pytest
from sqlalchemy import func, select

import station.demo
from db.accounts import By, Role, add_account
from db.ledger import Ledger
from db.order_tables import ORDERS
from db.plant_tables import BUNDLE_STATES, LABEL_MARKS, RECIPE_REVISIONS
from db.records import Event, Severity, utc_now
from db.tables import LABELS
from gui.database import Source, reading, writing
from inspector.values import Finding, Outcome
from station.demo.plan import plan_part, truth_label
from station.demo.render import render_plan
from tests.gui.real_window import (
    KEPT,
    PASSWORD,
    WAIT_S,
    Person,
    desktop,
    display,
    needs_a_display,
    only_for_pictures,
    wait,
)

REJECTS = 20
PASS, REJECT, REVIEW = Outcome.PASS, Outcome.REJECT, Outcome.REVIEW


SEED = 7
DEFECTIVE = [index for index in range(60) if truth_label(SEED, index, 0.9) in ("dent", "scratch", "stain")][:3]


def flange(number: int) -> tuple[bytes, Finding]:
    """One of three defective flanges, and where its defect is."""
    return _flange(DEFECTIVE[number % 3])


@cache
def _flange(index: int) -> tuple[bytes, Finding]:
    part = render_plan(SEED, plan_part(SEED, index, 0.9))
    assert part.mask is not None
    x, y, width, height = (float(value) for value in cv2.boundingRect(part.mask))
    return bytes(cv2.imencode(".png", part.image)[1]), Finding(part.label, 0.93, x, y, width, height)


@pytest.fixture
def busy_plant(plant: Any) -> Any:
    """Rendered flanges: twenty rejects, and what else a shift brings."""
    plant.camera, plant.found = lambda number: flange(number)[0], lambda number: flange(number)[1]
    plant.parts(
        *[REJECT if number % 4 == 3 else PASS for number in range(4 * REJECTS)], REVIEW, PASS, PASS, PASS, REVIEW
    )
    return plant


SIZES = [(1366, 768, 1), (3840, 2160, 2)]


@needs_a_display
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_person_signs_in_reviews_twenty_rejects_with_a_mask_and_looks_at_live(
    size: tuple[int, int, int], busy_plant: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale = size
    only_for_pictures(scale > 1)
    with display(tmp_path / "x", *extent) as shown, desktop(shown, busy_plant, scale) as process:
        person = Person(shown, source, scale)
        keep = person.keep
        wait(person.sees_the_card, "the sign-in page")
        keep("sign-in")
        person.sign_in("ann")
        person.waits_for_part()
        person.press("b")
        for number in range(1, REJECTS + 1 if scale == 1 else 2):
            person.waits_for_part()
            person.draws()
            if number == 1:
                keep("review")
            person.answers("2")
            wait(lambda number=number: person.count(select(func.count()).select_from(LABELS)) == number, "label")  # type: ignore[misc]
        marks, labels = (person.count(select(func.count()).select_from(table)) for table in (LABEL_MARKS, LABELS))
        assert marks == labels
        person.waits_for_part()
        person.press("ctrl+2")
        time.sleep(0.3)
        wait(person.sees_a_picture, "the live picture")
        keep("live")
        person.press("ctrl+q")
        assert process.wait(WAIT_S) == 0
    with reading(source.engine) as connection:
        rows = connection.execute(select(LABELS.c.person, LABELS.c.label).distinct()).all()
    assert [tuple(row) for row in rows] == [("ann", "scratch")]


LOOKS = [
    (1366, 768, 1, "en", "dark"),
    (1366, 768, 1, "de", "light"),
]
PLACES = {"scratch bar": (262, 690), "pass limit": (470, 420), "a tighter one": (425, 420)}
"""On the small screen."""


@pytest.fixture
def flange_week(plant: Any, request: pytest.FixtureRequest) -> Any:
    plant.camera, plant.found = lambda number: flange(number)[0], lambda number: flange(number)[1]
    return request.getfixturevalue("week")


@needs_a_display
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}x{look[1]}-{look[3]}")
def test_a_person_opens_the_parts_of_a_figure_and_saves_limits_with_a_second_person(
    look: tuple[int, int, int, str, str], flange_week: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale, language, theme = look
    only_for_pictures(look is not LOOKS[0])
    places = {name: (x * scale, y * scale) for name, (x, y) in PLACES.items()}
    how = ("--language", language, "--theme", theme)
    with display(tmp_path / "x", *extent) as shown, desktop(shown, flange_week, scale, *how) as process:
        person = Person(shown, source, scale, language)
        keep, turns = person.keep, person.turns
        turns(lambda: person.sign_in("eve"), "the first screen")
        turns(lambda: person.press("ctrl+3"), "the figures")
        keep("figures")
        turns(lambda: person.drags(places["scratch bar"], places["scratch bar"]), "parts in place of the charts")
        keep("figures-parts")
        turns(lambda: person.press("Escape"), "the charts again")
        turns(lambda: person.press("ctrl+4"), "the what-if")
        person.drags(places["pass limit"], places["a tighter one"])
        time.sleep(0.5)
        person.press(*["Tab"] * 7)
        shown.act("type", "--delay", 15, "fewer escapes")
        person.press("Tab")
        shown.act("type", "--delay", 15, "ann")
        person.press("Tab")
        shown.act("type", "--delay", 15, PASSWORD)
        keep("what-if")
        person.press("Return")
        wait(lambda: person.count(select(func.count()).select_from(RECIPE_REVISIONS)) == 1, "the revision")
        person.press("ctrl+q")
        assert process.wait(WAIT_S) == 0
    with reading(source.engine) as connection:
        (saved,) = connection.execute(select(RECIPE_REVISIONS)).all()
    assert (saved.name, saved.person, saved.second_person, saved.reason) == ("flange", "eve", "ann", "fewer escapes")


MODEL_LOOKS = [
    (1366, 768, 1, "en", "dark"),
    (1366, 768, 1, "de", "light"),
    (3840, 2160, 2, "en", "dark"),
]
MODEL_PLACES = {
    "candidate": (320, 110),
    "what serves": (320, 152),
    "bundles": (300, 62),
    "comparison": (398, 62),
    "trainings": (500, 62),
    "flips": (210, -58),
    "reason": (-216, -223),
    "reason above a second person": (-216, -265),
    "second person": (-294, -223),
    "approve": (-294, -183),
    "roll back": (-294, -69),
}
"""From the left and the top; below 0: from the right and the bottom."""
FIRST_ROWS, RAIL = (180, 95, 450, 170), (20, 85, 120, 310)
REPORTED = (
    (Severity.INFO, "audit draws", "1 of 50 passes is drawn"),
    (Severity.ALARM, "camera lost", "top: no answer for 2.0 s; the vision process is restarted"),
    (Severity.INFO, "camera open", "top: opened in 310 ms"),
    (Severity.WARNING, "clock stepped", "by 2.4 s; shifts are counted by the new time"),
    (Severity.ALARM, "self-test failed", "golden/3.png: REJECT expected, PASS seen"),
    (Severity.INFO, "self-test passes again", "12 golden samples as recorded"),
)
DEMO_BUNDLE = next(Path(station.demo.__file__).parent.glob("bundle/*/manifest.json")).parent


@pytest.fixture
def flange_workshop(plant: Any, source: Source, request: pytest.FixtureRequest) -> Any:
    """The demo's bundle is the candidate, and nothing proves its limits."""
    plant.camera, plant.found = lambda number: flange(number)[0], lambda number: flange(number)[1]
    workshop = request.getfixturevalue("make_workshop")(DEMO_BUNDLE)
    with Ledger(plant.path) as ledger:
        for number, (severity, kind, words) in enumerate(REPORTED):
            at = utc_now() + timedelta(seconds=number)
            ledger.record_event(Event("press-4", severity, kind, words, at)).result(30)
    plant.challenge()
    with writing(source.engine) as connection:
        add_account(connection, "quinn", Role.QUALITY, PASSWORD, By("root", "a second one"))
    return workshop


@needs_a_display
@pytest.mark.parametrize("look", MODEL_LOOKS, ids=lambda look: f"{look[0]}x{look[1]}-{look[3]}")
def test_one_person_approves_a_bundle_and_another_rolls_back(
    look: tuple[int, int, int, str, str], flange_workshop: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale, language, theme = look
    only_for_pictures(look is not MODEL_LOOKS[0])
    how = ("--language", language, "--theme", theme)
    with display(tmp_path / "x", *extent) as shown, desktop(shown, flange_workshop.plant, scale, *how) as process:
        person = Person(shown, source, scale, language)
        keep, turns = person.keep, person.turns
        person.sign_in("ann")
        wait(lambda: person.sees_words(RAIL), "the ways to the screens")
        turns(lambda: person.press("ctrl+5"), "the models")
        wait(lambda: person.sees_words(FIRST_ROWS), "the bundles")
        turns(lambda: person.clicks(MODEL_PLACES["candidate"]), "the candidate")
        person.clicks(MODEL_PLACES["reason above a second person"])
        person.types("better on every class")
        person.clicks(MODEL_PLACES["second person"])
        person.types("quinn")
        person.press("Tab")
        person.types(PASSWORD)
        keep("models")
        person.clicks(MODEL_PLACES["approve"])
        approved = BUNDLE_STATES.c.state == "APPROVED", BUNDLE_STATES.c.person == "ann"
        wait(lambda: person.count(select(func.count()).where(*approved)) == 1, "the approval")
        turns(lambda: person.clicks(MODEL_PLACES["comparison"]), "the comparison")
        keep("comparison")
        turns(lambda: person.clicks(MODEL_PLACES["flips"]), "the flips")
        keep("comparison-parts")
        turns(lambda: person.clicks(MODEL_PLACES["trainings"]), "the trainings")
        keep("trainings")
        turns(lambda: person.press("ctrl+6"), "the stations")
        keep("stations")
        turns(lambda: person.press("ctrl+shift+q"), "the sign-in page")
        person.press("shift+Tab", "ctrl+a")  # the page remembers who was there last
        person.sign_in("eve", 3)  # the second person had one too
        wait(lambda: person.sees_words(RAIL), "the ways to the screens again")
        turns(lambda: person.press("ctrl+5"), "the models again")
        turns(lambda: person.clicks(MODEL_PLACES["bundles"]), "the bundles again")
        turns(lambda: person.clicks(MODEL_PLACES["what serves"]), "what serves")
        person.clicks(MODEL_PLACES["reason"])
        person.types("escapes since noon")
        person.clicks(MODEL_PLACES["roll back"])
        wait(lambda: person.count(select(func.count()).select_from(ORDERS)) == 1, "the order")
        person.press("ctrl+q")
        assert process.wait(WAIT_S) == 0
    with reading(source.engine) as connection:
        (given,) = connection.execute(select(ORDERS)).all()
    assert (given.kind, given.person, given.reason) == ("rollback", "eve", "escapes since noon")


EDITED = [(1366, 768, 1, "en", "dark"), (3840, 2160, 2, "en", "dark"), (1366, 768, 1, "de", "light")]
TO_REASON = 9
"""Presses of Tab from the frame to the reason."""
ON_FRAME = ((0.24, 0.3), (0.52, 0.66))
"""Two corners of a region on the frame, in shares of the screen."""


@needs_a_display
@pytest.mark.parametrize("look", EDITED, ids=lambda look: f"{look[0]}x{look[1]}-{look[3]}")
def test_a_person_draws_a_region_and_saves_the_recipe_and_an_administrator_reads_of_it(
    look: tuple[int, int, int, str, str], flange_week: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale, language, theme = look
    only_for_pictures(look is not EDITED[0])
    start, end = ((round(x * extent[0]), round(y * extent[1])) for x, y in ON_FRAME)
    revisions = select(func.count()).select_from(RECIPE_REVISIONS)
    how = ("--language", language, "--theme", theme)
    with display(tmp_path / "x", *extent) as shown, desktop(shown, flange_week, scale, *how) as process:
        person = Person(shown, source, scale, language)
        keep, turns = person.keep, person.turns
        turns(lambda: person.sign_in("eve"), "the first screen")
        turns(lambda: person.press("ctrl+7"), "the recipes")
        wait(person.sees_a_picture, "the frame")
        person.press("r")
        turns(lambda: person.drags(start, end), "the region")
        keep("recipes")
        if KEPT:  # the dry run itself is tested in tests/gui/test_recipes.py, where its end can be waited for
            turns(lambda: person.press("F6"), "what the dry run says")
            time.sleep(3)
        person.press(*["Tab"] * TO_REASON)
        shown.act("type", "--delay", 15, "only the flange itself")
        keep("recipes-tried")
        person.press("Tab", "space")
        wait(lambda: person.count(revisions) == 1, "the revision")
        turns(lambda: person.press("ctrl+shift+q"), "the sign-in page")
        person.press("shift+Tab", "ctrl+a")  # who was here last is named there
        turns(lambda: person.sign_in("root", sessions=2), "the first screen")
        turns(lambda: person.press("ctrl+8"), "the accounts")
        keep("accounts")
        turns(lambda: person.press("Right", "space"), "the audit log")
        keep("audit-log")
        person.press("ctrl+q")
        assert process.wait(WAIT_S) == 0
    with reading(source.engine) as connection:
        (saved,) = connection.execute(select(RECIPE_REVISIONS)).all()
    assert (saved.name, saved.person, saved.reason) == ("flange", "eve", "only the flange itself")
