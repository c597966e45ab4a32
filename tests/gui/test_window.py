"""A real window on a real X server, driven by real keys and a real mouse: every screen.

`INSPECTOR_SCREENS=docs/screens pytest tests/gui/test_window.py` makes the pictures of docs/screens again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import func, select

import station.demo
from db.accounts import By, Role, add_account
from db.ledger import Ledger
from db.order_tables import ORDERS
from db.plant_tables import BUNDLE_STATES, LABEL_LEASES, LABEL_MARKS, RECIPE_REVISIONS, SESSIONS
from db.records import Event, Severity, utc_now
from db.tables import LABELS
from gui.database import Source, reading, writing
from inspector.values import Finding, Outcome
from station.demo.plan import plan_part, truth_label
from station.demo.render import render_plan

PASSWORD = "correct horse battery"
WAIT_S = 40.0
START_S = 180.0
"""Of a desktop on a machine that is busy with other things: reading its modules took a minute there."""
REJECTS = 20
NEEDED = ("Xvfb", "xdotool")
PASS, REJECT, REVIEW = Outcome.PASS, Outcome.REJECT, Outcome.REVIEW


@dataclass(frozen=True)
class Display:
    """An X server without a screen. Its picture is a file."""

    name: str
    folder: Path
    width: int
    height: int

    def look(self) -> np.ndarray:
        """What the screen shows, (H, W, 3) BGR, from the server's XWD file."""
        content = np.fromfile(self.folder / "Xvfb_screen0", np.uint8)
        header = content[:100].view(">u4")
        start = int(header[0] + 12 * header[19])
        row = int(header[12])
        pixels = content[start : start + row * self.height].reshape(self.height, row // 4, 4)
        return np.ascontiguousarray(pixels[:, : self.width, :3])

    def act(self, *words: object, within_s: float = WAIT_S) -> str:
        environment = {**os.environ, "DISPLAY": self.name}
        told = subprocess.run(
            ["xdotool", *map(str, words)], env=environment, capture_output=True, text=True, check=True, timeout=within_s
        )
        return told.stdout.strip()


@contextmanager
def display(folder: Path, width: int, height: int) -> Iterator[Display]:
    folder.mkdir()
    read, write = os.pipe()
    words = [
        "Xvfb",
        "-displayfd",
        str(write),
        "-screen",
        "0",
        f"{width}x{height}x24",
        "-fbdir",
        str(folder),
        "-noreset",
    ]
    with subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as told:
                number = told.readline().strip()
            yield Display(f":{number}", folder, width, height)
        finally:
            server.terminate()


@contextmanager
def desktop(shown: Display, plant: Any, scale: int, *how: str) -> Iterator[subprocess.Popen[bytes]]:
    words = [
        sys.executable,
        "-m",
        "inspector.cli",
        "gui",
        "--database",
        str(plant.path),
        *(how or ("--language", "en")),
    ]
    environment = {**os.environ, "DISPLAY": shown.name, "QT_QPA_PLATFORM": "xcb", "QT_SCALE_FACTOR": str(scale)}
    with subprocess.Popen(words, env=environment) as process:
        try:
            window = shown.act(
                "search", "--sync", "--onlyvisible", "--name", "^Open Inspector$", within_s=START_S
            ).split()[0]
            shown.act("windowsize", "--sync", window, shown.width, shown.height)
            shown.act("windowfocus", "--sync", window)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


class Person:
    """Looks at the screen, presses keys, moves the mouse."""

    def __init__(self, shown: Display, source: Source, scale: int) -> None:
        self._shown, self._source, self._scale = shown, source, scale
        self._answered = np.zeros(1)

    def count(self, query: Any) -> int:
        with reading(self._source.engine) as connection:
            return int(connection.execute(query).scalar_one())

    def sign_in(self, name: str, sessions: int = 1) -> None:
        """`sessions`: how many there were with this one."""
        wait(lambda: self.sees_the_card(), "the sign-in page")
        self._shown.act("type", "--delay", 15, name)
        self._shown.act("key", "Tab")
        self._shown.act("type", "--delay", 15, PASSWORD)
        self._shown.act("key", "Return")
        wait(lambda: self.count(select(func.count()).select_from(SESSIONS)) == sessions, "a session")

    def press(self, *keys: str) -> None:
        self._shown.act("key", "--delay", 15, *keys)

    def answers(self, key: str) -> None:
        self._answered = self.picture()
        self.press(key)

    def waits_for_part(self) -> None:
        """A part is in this window's hand, and a picture is on the screen that is not the one answered last."""
        held = select(func.count()).select_from(LABEL_LEASES).where(LABEL_LEASES.c.until > utc_now())
        wait(lambda: self.count(held) == 1 and self.sees_a_picture() and self.sees_another(), "a part with its picture")

    def draws(self) -> None:
        """Press, move along an arc in the middle of the picture, release."""
        x, y = self._shown.width * 0.42, self._shown.height * 0.5
        steps = [("mousemove", round(x), round(y)), ("mousedown", 1)]
        for step in range(1, 9):
            at = (round(x + 9 * self._scale * step), round(y - 40 * self._scale * np.sin(step / 3)))
            steps.append(("mousemove", *at))
        words: list[object] = []
        for step in (*steps, ("mouseup", 1)):
            words += [*step, "sleep", 0.01]
        self._shown.act(*words)

    def sees_the_card(self) -> bool:
        """The middle of the page is lighter than its edge."""
        seen = self._shown.look()
        return int(seen[seen.shape[0] // 2, seen.shape[1] // 2].sum()) > int(seen[seen.shape[0] // 4, 60].sum()) > 0

    def picture(self) -> np.ndarray:
        """A piece of the picture on the screen, below what is drawn and below any words in its place."""
        seen = self._shown.look()
        height, width = seen.shape[:2]
        return seen[round(0.6 * height) : round(0.78 * height), width // 4 : width // 2].astype(float)

    def sees_a_picture(self) -> bool:
        return float(self.picture().std()) > 12

    def sees_another(self) -> bool:
        return self._answered.size == 1 or float(np.abs(self.picture() - self._answered).mean()) > 0.5

    def drags(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """From one place to another, in px of the screen."""
        words: list[object] = ["mousemove", *start, "sleep", 0.05, "mousedown", 1]
        for step in range(1, 9):
            spot = (round(one + (other - one) * step / 8) for one, other in zip(start, end, strict=True))
            words += ["mousemove", *spot, "sleep", 0.02]
        self._shown.act(*words, "mouseup", 1)

    def clicks(self, spot: tuple[int, int]) -> None:
        """A spot of the small screen; below 0: from the right and the bottom."""
        ends = (self._shown.width, self._shown.height)
        x, y = (at * self._scale + (end if at < 0 else 0) for at, end in zip(spot, ends, strict=True))
        self._shown.act("mousemove", x, y, "sleep", 0.05, "click", 1)

    def types(self, words: str) -> None:
        self._shown.act("type", "--delay", 15, words)

    def sees_words(self, area: tuple[int, int, int, int]) -> bool:
        """Something is written there: left, top, right, bottom, on the small screen."""
        left, top, right, bottom = (value * self._scale for value in area)
        return float(self._shown.look()[top:bottom, left:right].std()) > 5

    def sees_something_else_than(self, before: np.ndarray) -> bool:
        """The screen changed, by more than a cursor that blinks, and stands still."""
        seen = self._shown.look()
        time.sleep(0.3)
        still = float(np.abs(self._shown.look().astype(float) - seen).mean()) < 0.01
        return still and float(np.abs(seen.astype(float) - before).mean()) > 0.5


def wait(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, f"no {what} within {WAIT_S:.0f} s"
        time.sleep(0.03)


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


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {' and '.join(NEEDED)} for a real window")
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_person_signs_in_reviews_twenty_rejects_with_a_mask_and_looks_at_live(
    size: tuple[int, int, int], busy_plant: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale = size
    kept = os.environ.get("INSPECTOR_SCREENS")
    if scale > 1 and not kept:
        pytest.skip("the large screen is for pictures: INSPECTOR_SCREENS names where to")

    def keep(name: str) -> None:
        if kept:
            time.sleep(0.7)
            path = Path(kept) / f"{name}-{extent[0]}x{extent[1]}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), shown.look(), [cv2.IMWRITE_JPEG_QUALITY, 92])

    with display(tmp_path / "x", *extent) as shown, desktop(shown, busy_plant, scale) as process:
        person = Person(shown, source, scale)
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


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {' and '.join(NEEDED)} for a real window")
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}x{look[1]}-{look[3]}")
def test_a_person_opens_the_parts_of_a_figure_and_saves_limits_with_a_second_person(
    look: tuple[int, int, int, str, str], flange_week: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale, language, theme = look
    kept = os.environ.get("INSPECTOR_SCREENS")
    if look is not LOOKS[0] and not kept:
        pytest.skip("this look is for pictures: INSPECTOR_SCREENS names where to")

    def keep(name: str) -> None:
        if kept:
            time.sleep(0.7)
            named = name if language == "en" else f"{name}-{language}"
            path = Path(kept) / f"{named}-{extent[0]}x{extent[1]}.jpg"
            cv2.imwrite(str(path), shown.look(), [cv2.IMWRITE_JPEG_QUALITY, 92])

    def turns(act: Callable[[], None], what: str) -> None:
        before = shown.look().astype(float)
        act()
        wait(lambda: person.sees_something_else_than(before), what)

    places = {name: (x * scale, y * scale) for name, (x, y) in PLACES.items()}
    how = ("--language", language, "--theme", theme)
    with display(tmp_path / "x", *extent) as shown, desktop(shown, flange_week, scale, *how) as process:
        person = Person(shown, source, scale)
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


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {' and '.join(NEEDED)} for a real window")
@pytest.mark.parametrize("look", MODEL_LOOKS, ids=lambda look: f"{look[0]}x{look[1]}-{look[3]}")
def test_one_person_approves_a_bundle_and_another_rolls_back(
    look: tuple[int, int, int, str, str], flange_workshop: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale, language, theme = look
    kept = os.environ.get("INSPECTOR_SCREENS")
    if look is not MODEL_LOOKS[0] and not kept:
        pytest.skip("this look is for pictures: INSPECTOR_SCREENS names where to")

    def keep(name: str) -> None:
        if kept:
            time.sleep(1.5)
            named = name if language == "en" else f"{name}-{language}"
            path = Path(kept) / f"{named}-{extent[0]}x{extent[1]}.jpg"
            cv2.imwrite(str(path), shown.look(), [cv2.IMWRITE_JPEG_QUALITY, 92])

    def turns(act: Callable[[], None], what: str) -> None:
        before = shown.look().astype(float)
        act()
        wait(lambda: person.sees_something_else_than(before), what)

    how = ("--language", language, "--theme", theme)
    with display(tmp_path / "x", *extent) as shown, desktop(shown, flange_workshop.plant, scale, *how) as process:
        person = Person(shown, source, scale)
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


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {' and '.join(NEEDED)} for a real window")
@pytest.mark.parametrize("look", EDITED, ids=lambda look: f"{look[0]}x{look[1]}-{look[3]}")
def test_a_person_draws_a_region_and_saves_the_recipe_and_an_administrator_reads_of_it(
    look: tuple[int, int, int, str, str], flange_week: Any, source: Source, tmp_path: Path
) -> None:
    *extent, scale, language, theme = look
    kept = os.environ.get("INSPECTOR_SCREENS")
    if look is not EDITED[0] and not kept:
        pytest.skip("this look is for pictures: INSPECTOR_SCREENS names where to")

    def keep(name: str) -> None:
        if kept:
            time.sleep(1.2)
            named = name if language == "en" else f"{name}-{language}"
            path = Path(kept) / f"{named}-{extent[0]}x{extent[1]}.jpg"
            cv2.imwrite(str(path), shown.look(), [cv2.IMWRITE_JPEG_QUALITY, 92])

    def turns(act: Callable[[], None], what: str) -> None:
        before = shown.look().astype(float)
        act()
        wait(lambda: person.sees_something_else_than(before), what)

    start, end = ((round(x * extent[0]), round(y * extent[1])) for x, y in ON_FRAME)
    revisions = select(func.count()).select_from(RECIPE_REVISIONS)
    how = ("--language", language, "--theme", theme)
    with display(tmp_path / "x", *extent) as shown, desktop(shown, flange_week, scale, *how) as process:
        person = Person(shown, source, scale)
        turns(lambda: person.sign_in("eve"), "the first screen")
        turns(lambda: person.press("ctrl+7"), "the recipes")
        wait(person.sees_a_picture, "the frame")
        person.press("r")
        turns(lambda: person.drags(start, end), "the region")
        keep("recipes")
        if kept:  # the dry run itself is tested in tests/gui/test_recipes.py, where its end can be waited for
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
