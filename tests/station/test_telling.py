"""A whole station and the peers it tells: each part once and in order, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from db.engine import open_engine
from db.queries import events
from inspector.errors import ConfigError
from station import telling
from station.config import StationConfig
from station.running import RunSummary, run_station


class Receiver:
    """An HTTP server on a port of its own that can go away and come back; `heard` outlives it."""

    def __init__(self, port: int = 0) -> None:
        self.heard: list[dict[str, Any]] = []
        self.port = port
        self.open()

    def open(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def positions(self) -> list[int]:
        return [part["position"] for part in self.heard]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits for peers that listen however long it takes to start the telling process on a busy machine."""
    monkeypatch.setattr(telling, "DRAIN_S", 120.0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def webhook(port: int, name: str = "mes") -> dict[str, Any]:
    return {"kind": "webhook", "name": name, "url": f"http://127.0.0.1:{port}/", "timeout_s": 0.5, "pause_s": 0.1}


def kinds(config: StationConfig) -> Counter[str]:
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        found = Counter(event.kind for event in events(connection, 1000))
    engine.dispose()
    return found


Run = Callable[[StationConfig], RunSummary]


def test_every_part_of_a_run_is_told_once_and_in_order_beside_what_acts(make_config, run: Run, receiver) -> None:
    config = make_config(output=[{"kind": "log"}, webhook(receiver.port), webhook(receiver.port, "scada")])
    summary = run(config)
    by_part = Counter(part["part_id"] for part in receiver.heard)
    assert len(by_part) == 12
    assert set(by_part.values()) == {2}
    assert [part["trigger"] for part in receiver.heard if part["trigger"]].count(1) == 2
    assert {state.output: (state.delivered, state.waiting) for state in summary.status.outputs} == {
        "mes": (12, 0),
        "scada": (12, 0),
    }
    assert [part["outcome"] for part in receiver.heard].count("REJECT") == 8


def test_what_a_dead_peer_missed_is_told_in_the_next_run_in_order(make_config, run: Run, receiver: Receiver) -> None:
    config = make_config(output=webhook(receiver.port))
    receiver.close()
    summary = run(config)
    (state,) = summary.status.outputs
    assert (state.well, state.delivered, state.waiting) == (False, 0, 12)
    assert kinds(config)["output down"] == 1
    receiver.open()
    run(config)
    assert receiver.positions == list(range(1, 25))
    assert [part["trigger"] for part in receiver.heard] == [*range(1, 13), *range(1, 13)]


def test_an_output_that_is_new_is_not_told_what_was_before_it(make_config, run: Run, receiver: Receiver) -> None:
    run(make_config())
    run(make_config(output=webhook(receiver.port)))
    assert receiver.positions == list(range(13, 25))


def test_a_telling_process_that_dies_is_replaced_and_goes_on(
    make_config, receiver: Receiver, picture_folder: Path
) -> None:
    camera = {"kind": "folder", "path": str(picture_folder), "pace_hz": 10, "loops": 100}
    config = make_config(camera=camera, output=webhook(receiver.port))
    stop, summaries = threading.Event(), []
    station = threading.Thread(target=lambda: summaries.append(run_station(config, stop)))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    station.start()
    while len(receiver.heard) < 5 and station.is_alive():
        time.sleep(0.02)
    mine = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    (process,) = [child for child in mine if has_thread_to(child, receiver.port)]
    process.send_signal(signal.SIGKILL)  # and not waited for: its exit status is its parent's to read
    heard = max(receiver.positions)
    while max(receiver.positions) < heard + 5 and station.is_alive():
        time.sleep(0.02)
    stop.set()
    station.join(60)
    assert max(receiver.positions) >= heard + 5
    assert in_order(receiver.positions)
    assert kinds(config)["telling restarted"] == 1
    assert summaries[0].status.accounted == summaries[0].status.triggers


def has_thread_to(process: psutil.Process, port: int) -> bool:
    return any(link.raddr and link.raddr.port == port for link in process.net_connections())


def in_order(positions: list[int]) -> bool:
    """Whether new positions come in order: what was told before may be told again."""
    new = [position for number, position in enumerate(positions) if position not in positions[:number]]
    return new == sorted(new) == list(range(1, max(new) + 1))


def test_a_station_killed_again_and_again_tells_each_part_in_order_and_ids_tell_repeats_apart(
    tmp_path: Path, bundle_path: Path, picture_folder: Path, receiver: Receiver
) -> None:
    config = tmp_path / "station.toml"
    config.write_text(
        f'[station]\nname = "killed"\nfolder = "station"\nbundle = "{bundle_path}"\n'
        f'[camera]\nkind = "folder"\npath = "{picture_folder}"\npace_hz = 20\nloops = 8\n'
        f'[[output]]\nkind = "webhook"\nurl = "http://127.0.0.1:{receiver.port}/"\npause_s = 0.1\n'
    )
    for kill in range(3):
        heard = len(receiver.heard)
        station = subprocess.Popen([sys.executable, "-m", "inspector.cli", "station", "run", str(config)])
        deadline_s = time.monotonic() + 30
        while len(receiver.heard) < heard + 6 + kill and time.monotonic() < deadline_s:
            time.sleep(0.01)
        os.kill(station.pid, signal.SIGKILL)
        station.wait()
        if kill == 1:
            receiver.close()
            receiver.open()
    subprocess.run([sys.executable, "-m", "inspector.cli", "station", "run", str(config)], check=True, timeout=60)
    assert in_order(receiver.positions)
    assert {part["source"] for part in receiver.heard} == {path.name for path in picture_folder.iterdir()}
    ids = {part["position"]: part["part_id"] for part in receiver.heard}
    assert all(ids[part["position"]] == part["part_id"] for part in receiver.heard)
    assert len(set(ids.values())) == len(ids) == max(ids)


def test_an_output_that_cannot_be_made_stops_the_start_with_one_line(make_config, run: Run, tmp_path: Path) -> None:
    block = {**webhook(1), "secret_file": str(tmp_path / "gone")}
    with pytest.raises(ConfigError, match="gone: cannot be read"):
        run(make_config(output=block))


def test_two_outputs_of_one_name_are_refused(make_config) -> None:
    with pytest.raises(ConfigError, match="'mes' is the name of two outputs"):
        make_config(output=[webhook(1), webhook(2)])
