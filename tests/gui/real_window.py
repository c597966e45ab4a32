"""A real X server, a desktop on it, and a person who looks at it, presses its keys and moves its mouse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import func, select

from db.plant_tables import LABEL_LEASES, SESSIONS
from db.records import utc_now
from gui.database import Source, reading

PASSWORD = "correct horse battery"
WAIT_S = 40.0
START_S = 180.0
"""Of a desktop on a machine that is busy with other things: reading its modules took a minute there."""
STILL_S = 1.5
"""Before a picture is made."""
NEEDED = ("Xvfb", "xdotool")
KEPT = os.environ.get("INSPECTOR_SCREENS")
"""Where pictures go; unset: none are made."""
needs_a_display = pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"needs {' and '.join(NEEDED)} for a real window"
)


def only_for_pictures(look: bool) -> None:
    """Skip a size or language that is for pictures alone, where none are wanted."""
    if look and not KEPT:
        pytest.skip("this look is for pictures: INSPECTOR_SCREENS names where to")


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

    def __init__(self, shown: Display, source: Source, scale: int, language: str = "en") -> None:
        self._shown, self._source, self._scale, self._language = shown, source, scale, language
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

    def turns(self, act: Callable[[], None], what: str) -> None:
        """Do something, and wait until the screen is another one."""
        before = self._shown.look().astype(float)
        act()
        wait(lambda: self.sees_something_else_than(before), what)

    def keep(self, name: str) -> None:
        """Make a picture of the screen, where pictures are wanted."""
        if KEPT:
            time.sleep(STILL_S)
            named = name if self._language == "en" else f"{name}-{self._language}"
            path = Path(KEPT) / f"{named}-{self._shown.width}x{self._shown.height}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), self._shown.look(), [cv2.IMWRITE_JPEG_QUALITY, 92])

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
