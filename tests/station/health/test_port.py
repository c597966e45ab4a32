"""A real station with a health port: what it tells is what the ledger says, and its death costs the line nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.peers import free_port
from inspector.errors import ConfigError
from inspector.values import InspectionRecord
from station.checking import check_station
from station.config import StationConfig
from station.running import RunSummary, run_station

PARTS = 2400


@dataclass
class RunningStation:
    """A station that runs in a thread of the tests' process."""

    config: StationConfig
    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    summary: RunSummary | None = None

    def run(self) -> None:
        self.summary = run_station(self.config, self.stop)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def health(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.get("/health")[1])
        return said

    def health_pid(self) -> int | None:
        """The process behind the port: it has the socket that the tests' own process holds, too."""
        for child in psutil.Process().children():
            try:
                if any(each.laddr.port == self.port for each in child.net_connections() if each.status == "LISTEN"):
                    return child.pid
            except psutil.Error:
                continue
        return None


def eventually(holds: Callable[[], bool], timeout_s: float = 40.0) -> bool:
    until_s = time.monotonic() + timeout_s
    while True:
        try:
            if holds():
                return True
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the process behind the port is being replaced
        if time.monotonic() > until_s:
            return False
        time.sleep(0.1)


@pytest.fixture
def station(make_config: Callable[..., StationConfig], picture_folder: Path) -> Iterator[RunningStation]:
    port = free_port()
    camera = {"kind": "folder", "path": str(picture_folder), "pace_hz": 15, "loops": PARTS // 12}
    config = make_config(camera, health={"port": port})
    running = RunningStation(config, port)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert eventually(lambda: running.get("/health")[0] == 200)
        yield running
    finally:
        running.stop.set()
        thread.join(60)
        assert not thread.is_alive()


def part_events(stream: socket.socket, count: int) -> list[dict[str, Any]]:
    """Read so many part events of a stream; ids and documents must agree."""
    found: list[dict[str, Any]] = []
    with stream.makefile("rb") as lines:
        position = 0
        while len(found) < count:
            line = lines.readline()
            if line.startswith(b"id: "):
                position = int(line[4:])
            elif line.startswith(b"data: ") and b"event/part/1" in line:
                found.append(json.loads(line[6:]))
                assert found[-1]["position"] == position
    return found


def events(station: RunningStation, resume: int, count: int) -> list[dict[str, Any]]:
    with socket.create_connection(("127.0.0.1", station.port), timeout=30) as stream:
        stream.sendall(f"GET /events HTTP/1.1\r\nLast-Event-ID: {resume}\r\n\r\n".encode())
        return part_events(stream, count)


def test_a_station_tells_what_its_ledger_says_and_loses_no_part_when_the_port_dies_or_hangs(
    station: RunningStation, rows: Callable[[RunSummary], list[InspectionRecord]]
) -> None:
    told = events(station, 0, 15)
    health = station.health()
    assert (health["station"], health["line"], health["may_run"]) == ("test-1", "running", True)
    assert {"line", "camera:camera-1", "vision", "ledger", "disk", "bundle", "drift", "clock"} <= {
        each["device"] for each in health["devices"]
    }
    assert b'inspector_parts_total{outcome="PASS",reason="none"}' in station.get("/metrics")[1]
    assert station.get("/preview.jpg")[1][:2] == b"\xff\xd8"

    first = station.health_pid()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: station.health_pid() not in (None, first) and station.get("/health")[0] == 200)
    told += events(station, told[-1]["position"], 5)

    second = station.health_pid()
    assert second is not None
    before = station.health()["parts"]["triggers"]
    os.kill(second, signal.SIGSTOP)  # it hangs, and the line does not notice
    time.sleep(0.5)
    station.stop.set()
    assert eventually(lambda: station.summary is not None)
    assert station.summary is not None
    parts = rows(station.summary)
    assert station.summary.status.accounted == station.summary.status.triggers == len(parts) > before
    assert [each["trigger"] for each in told] == list(range(1, 21))
    for each, row in zip(told, parts, strict=False):
        assert (each["part_id"], each["outcome"]) == (str(row.part_id), row.outcome)
        assert (each["reasons"], each["image_sha256"]) == (list(row.reasons), row.image_sha256)
        assert each["defect_probability"] == row.defect_probability


def test_a_port_that_is_taken_ends_the_start_before_any_part(make_config: Callable[..., StationConfig]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = make_config(health={"port": taken.getsockname()[1]})
        with pytest.raises(ConfigError, match=r"health: cannot listen at 127\.0\.0\.1"):
            run_station(config, threading.Event())
        assert not (config.station.folder / "ledger.sqlite").exists()
        assert any("health: cannot listen" in fault for fault in _health_faults(config))


def test_a_check_reads_the_token_and_tries_the_port(make_config: Callable[..., StationConfig], tmp_path: Path) -> None:
    token = tmp_path / "health.token"
    config = make_config(health={"port": 0, "token_file": str(token)})
    assert any("health.token" in fault for fault in _health_faults(config))
    token.write_text("  \n")
    assert any("token_file is empty" in fault for fault in _health_faults(config))
    token.write_text("secret\n")
    assert _health_faults(config) == []


def _health_faults(config: StationConfig) -> list[str]:
    return [fault for fault in check_station(config, lambda _: None) if fault.startswith("health")]
