"""The service manager is told the truth: ready when parts can come, alive only while the loop goes round, ending."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.outputs.base import LineState
from station.service import ServiceHeart, service_heart

UNIT = Path(__file__).resolve().parents[2] / "configs" / "systemd" / "open-inspector.service"


class Manager:
    """The service manager's end: a real datagram socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def hear(self, timeout_s: float = 0.0) -> list[str]:
        """Return the lines of all that came by now, waiting so long for the first."""
        heard: list[str] = []
        self._socket.settimeout(timeout_s)
        try:
            while True:
                heard += self._socket.recv(4096).decode().splitlines()
                self._socket.setblocking(False)
        except OSError:
            return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    address = str(tmp_path / "notify") if request.param == "file" else f"@open-inspector-test-{os.getpid()}"
    each = Manager(address)
    yield each, address
    each.close()


def test_ready_is_told_once_and_only_when_the_line_runs(manager: tuple[Manager, str]) -> None:
    hears, address = manager
    (heart,) = service_heart({"NOTIFY_SOCKET": address})
    with heart:
        heart.pulse(LineState("starting"))
        assert hears.hear() == ["STATUS=starting"]
        heart.pulse(LineState("running"))
        heart.pulse(LineState("running"))
        assert hears.hear() == ["STATUS=running", "READY=1"]
        heart.pulse(LineState("restarting", "a\nb"))
        heart.pulse(LineState("running"))
        assert hears.hear() == ["STATUS=restarting: a b", "STATUS=running"]
    assert hears.hear() == ["STOPPING=1"]


def test_a_sign_of_life_comes_thrice_within_the_watchdogs_time_and_never_without_the_loop(tmp_path: Path) -> None:
    hears, now_s = Manager(str(tmp_path / "notify")), [0.0]
    heart = ServiceHeart(str(tmp_path / "notify"), 9.0, lambda: now_s[0])
    with heart:
        for _ in range(90):
            now_s[0] += 0.1
            heart.pulse(LineState("running"))
        assert hears.hear().count("WATCHDOG=1") in (2, 3)
        now_s[0] += 60  # the loop stands still
        assert hears.hear() == []
        heart.pulse(LineState("ending"))
        assert hears.hear() == ["STATUS=ending", "STOPPING=1", "WATCHDOG_USEC=90000000", "WATCHDOG=1"]
    hears.close()


def test_a_manager_that_is_away_or_deaf_costs_nothing_and_is_told_when_it_is_back(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with ServiceHeart(address, None) as heart:
        heart.pulse(LineState("running"))
        back = Manager(address)
        started_s = time.monotonic()
        heart.pulse(LineState("running"))
        assert back.hear() == ["STATUS=running", "READY=1"]
        for number in range(2000):  # more than its queue holds
            heart.pulse(LineState(f"running {number}"))
        assert time.monotonic() - started_s < 5
        back.close()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "relative"},
    ],
)
def test_without_a_manager_nobody_is_told(environment: dict[str, str]) -> None:
    assert service_heart(environment) == ()


def test_another_processs_watchdog_is_none_of_ours(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    hears = Manager(environment["NOTIFY_SOCKET"])
    with service_heart(environment)[0] as heart:
        time.sleep(0.01)
        heart.pulse(LineState("running"))
    assert "WATCHDOG=1" not in hears.hear()
    hears.close()


# ---- a real station

CONFIG = """
[station]
name = "service"
folder = "{folder}"
bundle = "{bundle}"
[camera]
kind = "folder"
path = "{pictures}"
pace_hz = 20
loops = 1000
"""


def test_a_station_under_a_manager_is_ready_alive_silent_when_stopped_and_logs_in_json(
    tmp_path: Path, bundle_path: Path, picture_folder: Path
) -> None:
    config = tmp_path / "station.toml"
    config.write_text(CONFIG.format(folder=tmp_path / "station", bundle=bundle_path, pictures=picture_folder))
    manager, address = Manager(str(tmp_path / "notify")), str(tmp_path / "notify")
    environment = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "600000", "INSPECTOR_LOG_FORMAT": "json"}
    environment.pop("WATCHDOG_PID", None)
    words = [sys.executable, "-m", "inspector.cli", "station", "run", str(config)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            _hear_until(manager, "READY=1")
            _hear_until(manager, "WATCHDOG=1")
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            manager.hear()
            time.sleep(0.7)
            assert manager.hear() == [], "who stands still does not say that it lives"
            process.send_signal(signal.SIGCONT)
            _hear_until(manager, "WATCHDOG=1")
            process.terminate()
            _hear_until(manager, "STOPPING=1")
            assert process.wait(60) == 0
        finally:
            process.kill()
    manager.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    parts = [line for line in lines if "part_id" in line]
    assert {line["outcome"] for line in parts} <= {"PASS", "REJECT", "NOT_INSPECTED"}
    assert parts
    assert len({line["run_id"] for line in parts}) == 1
    assert any(line.get("event") == "vision ready" for line in lines)


def _hear_until(manager: Manager, words: str, timeout_s: float = 60.0) -> None:
    until_s = time.monotonic() + timeout_s
    while words not in manager.hear(1.0):
        assert time.monotonic() < until_s, f"{words} never came"


# ---- the unit

ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/open-inspector/bin/inspector", "/bin/true"))
    return copy


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_unit_is_understood_in_every_line(unit: Path) -> None:
    told = analyze("verify", str(unit))
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_unit_exposes_little(unit: Path) -> None:
    told = analyze("security", "--offline=true", "--threshold=30", str(unit))
    if "unrecognized option" in told.stderr:
        pytest.skip("systemd-analyze is too old to look at a file")
    assert told.returncode == 0, told.stdout[-400:]


def test_the_unit_gives_what_the_station_asks_for() -> None:
    text = UNIT.read_text()
    assert "Type=notify\n" in text
    assert "LimitRTPRIO=3\n" in text
    assert "RestrictRealtime=no\n" in text, "else the threads that a part waits for are refused their rank"
