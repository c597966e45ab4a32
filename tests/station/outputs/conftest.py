"""Reports to tell, and ways to make a peer go away."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.peers import Listener, Mosquitto, mosquitto
from benchmarks.peers import free_port as find_port
from db.records import Report
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome
from station.outputs.base import About

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
MakeReport = Callable[..., Report]


@pytest.fixture
def make_report() -> MakeReport:
    """Return a function that makes a report; keywords replace fields of its record."""

    def make(position: int = 1, simulated: bool = False, **fields: object) -> Report:
        known: dict[str, object] = {
            "part_id": new_id(),
            "run_id": new_id(),
            "station": "press-4",
            "recipe": "flange",
            "bundle_id": "b" * 64,
            "trigger": position,
            "source": f"{position}.png",
            "triggered_at": NOON + timedelta(seconds=position),
            "sequence": position - 1,
            "outcome": Outcome.REJECT,
            "reasons": ("dark", "scratched"),
            "label": "scratch",
            "defect_probability": 0.875,
            "latency_ms": 8.5,
            "completed_at": NOON + timedelta(seconds=position, milliseconds=9),
        }
        return Report(position, InspectionRecord(**{**known, **fields}), simulated)  # type: ignore[arg-type]

    return make


@pytest.fixture
def about() -> About:
    return About("press-4", "flange", "b" * 64)


@pytest.fixture
def free_port() -> int:
    return find_port()


@pytest.fixture
def broker(tmp_path: Path, free_port: int) -> Iterator[Mosquitto]:
    """A running mosquitto."""
    if mosquitto() is None:
        pytest.skip("no mosquitto on this machine (Debian: apt-get install mosquitto)")
    with Mosquitto(tmp_path / "mosquitto", free_port) as broker:
        yield broker


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    """Somebody who hears everything that the broker is told."""
    with Listener(broker.port) as listener:
        yield listener


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port whose peer takes connections and never says a word: half-open."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait until something holds, at most ten seconds."""

    def wait(holds: Callable[[], object], seconds: float = 10.0) -> None:
        deadline_s = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline_s, f"did not come to hold within {seconds:g} seconds"
            time.sleep(0.01)

    return wait
