"""The live picture: a station's own port over a real socket, and the screen that shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from PySide6.QtTest import QTest

from gui.identity import Presence
from gui.live.preview import Preview as LivePreview
from gui.live.preview import read_preview
from gui.live.stream import Heard
from gui.live.texts import direct_text
from gui.picture import Pyramid
from gui.shell import Shell
from inspector.errors import PeerFault
from inspector.ids import new_id
from inspector.values import Outcome
from station.health.document import Since, assess, health_document
from station.health.hub import Hub
from station.health.port import listen
from station.health.server import HealthServer, Patience, Shown
from station.health.settings import HealthSettings
from station.preview import Preview, PreviewSlot
from tests.gui.conftest import PASSWORD
from tests.station.health.sights import sight, status, watched

AT = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
WAIT_MS = 20_000
PATIENCE = Patience(head_s=10, send_s=10, alive_s=0.2)


@contextmanager
def port() -> Iterator[HealthServer]:
    """A station's health port, without a station."""
    health = assess(watched(), sight(status()), AT)
    shown = Shown(health, health_document(health, Since().note(health)))
    hub = Hub()
    hub.begin(0)
    hub.announce(shown.document)
    hub.load()
    server = HealthServer(listen(HealthSettings(port=0)), shown, hub, {"camera-1": PreviewSlot()}, None, PATIENCE)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.hub.close()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[HealthServer]:
    with port() as each:
        yield each


def address(server: HealthServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def show(server: HealthServer, sequence: int, level: int = 200) -> None:
    image = np.full((1024, 1280, 3), level, np.uint8)
    server.slots["camera-1"].write(Preview(image, sequence, new_id(), AT, time.monotonic_ns()))


def test_a_picture_comes_once_in_the_size_of_the_view(server: HealthServer) -> None:
    show(server, 41)
    large, small = (read_preview(address(server), None, longest_px) for longest_px in (1280, 640))
    assert large.picture is not None
    assert small.picture is not None
    assert [each.picture.levels[0].shape for each in (large, small)] == [(1024, 1280, 3), (512, 640, 3)]
    again = read_preview(address(server), None, 640, small.sequence)
    assert (small.sequence, again.picture, again.camera) == ("41", None, "camera-1")
    show(server, 42)
    assert read_preview(address(server), None, 640, small.sequence).picture is not None


def test_a_station_without_a_picture_says_so() -> None:
    with port() as server, pytest.raises(PeerFault, match="there is no picture yet"):
        read_preview(address(server), None, 640)


def test_only_a_picture_that_stands_still_has_an_age() -> None:
    assert direct_text("camera-1", 0.04) == "Live picture of camera-1"
    assert direct_text("camera-1", 7.2) == "Live picture of camera-1, 7 s old"


@pytest.fixture
def window(plant: Any, source: Any, server: HealthServer, qtbot: Any) -> Iterator[Shell]:
    plant.parts(Outcome.PASS)
    window = Shell(source, "a test", stations=((address(server), None),))
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    yield window
    window.close()


@pytest.fixture
def live(window: Shell, qtbot: Any) -> Any:
    """The live screen, in front."""
    QTest.keyClicks(window.sign_in.name, "ann")
    QTest.keyClicks(window.sign_in.password, PASSWORD)
    window.sign_in.password.returnPressed.emit()
    qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
    window.go(1)
    return window.live


def test_the_newest_picture_is_on_the_screen_and_follows_the_station(
    live: Any, server: HealthServer, qtbot: Any
) -> None:
    def level() -> int:
        picture = live.canvas._picture
        return -1 if picture is None else int(picture.levels[0][0, 0, 0])

    for sequence, shade in ((50, 60), (51, 120), (52, 180)):
        show(server, sequence, shade)
        qtbot.waitUntil(lambda shade=shade: abs(level() - shade) <= 2, timeout=WAIT_MS)
    assert live.caption.text().startswith("Live picture of camera-1")


def test_many_parts_at_once_are_shown_once(live: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    qtbot.waitUntil(lambda: live.controller.stations != (), timeout=WAIT_MS)
    heard: list[Heard] = []
    monkeypatch.setattr(live.controller, "hear", heard.append)
    for number in range(100):
        live._note(Heard("http://other:1", missed=number))
    qtbot.waitUntil(lambda: any(each.missed == 99 for each in heard), timeout=WAIT_MS)
    assert len([each for each in heard if each.address == "http://other:1"]) == 1


def test_an_answer_of_the_station_that_was_left_is_not_shown(live: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: live.controller.stations != (), timeout=WAIT_MS)
    other = Pyramid((np.zeros((4, 4, 3), np.uint8),))
    live._previewed("http://other:1", LivePreview(other, "camera-9", 0.0, "1"))
    assert live.canvas._picture is not other
    assert "camera-9" not in live.caption.text()
