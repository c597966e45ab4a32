"""What peers cost the line, and what they hear: station against station, in the same run.

    python -m benchmarks.outputs --json FILE

Throughput and slowest hundredth of a station that tells nobody, of one whose peers are well (MQTT, webhook, OPC UA, a
controller), of one whose peers are dead (nobody listens) and of one whose peers are half-open (they take connections
and say nothing). Then a station and its broker are killed with -9 again and again: what did a subscriber hear?
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import cv2
from sqlalchemy import select

from benchmarks import report
from benchmarks.peers import Listener, Mosquitto, free_port
from benchmarks.plc import Plc
from db.engine import open_engine
from db.queries import records
from db.tables import INSPECTIONS, OUTBOX
from station.config import StationConfig, station_config
from station.running import RunSummary, run_station

PICTURES = 24
KINDS = ("none", "live", "dead", "half_open")
_SETTLE_S = 20.0

Blocks = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StationRun:
    """One run: its rate, its slowest hundredth, and what its outputs said at the end."""

    rate_hz: float
    p99_ms: float
    summary: RunSummary


def main() -> None:
    parser = report.arguments("what outputs cost the line, and what their peers hear")
    default = Path(__file__).parents[1] / "station" / "demo" / "bundle"
    parser.add_argument("--bundle", type=Path, default=default, help="bundle that the station runs")
    parser.add_argument("--parts", type=int, default=3000, help="parts of each throughput run; the second half counts")
    parser.add_argument("--turns", type=int, default=3, help="turns of all four kinds of peers")
    parser.add_argument("--kills", type=int, default=10, help="kill -9 of station and broker")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments and victims")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report.write(measure(args, Path(scratch)), args.json)


def measure(args: argparse.Namespace, scratch: Path) -> dict[str, float | int | str]:
    pictures = _write_pictures(scratch / "pictures")
    os.sync()
    runs: dict[str, list[StationRun]] = {kind: [] for kind in KINDS}
    for turn in range(args.turns):
        for kind in KINDS:
            with peers(kind, scratch / f"{kind}-{turn}") as blocks:
                config = _config(scratch / f"{kind}-{turn}", args.bundle, pictures, args.parts // PICTURES, blocks)
                runs[kind].append(_run(config))
    return {**_figures(runs), **kill_campaign(scratch / "kills", args.bundle, pictures, args.kills, args.seed)}


def _figures(runs: Mapping[str, Sequence[StationRun]]) -> dict[str, float | int | str]:
    none = runs["none"]
    figures: dict[str, float | int | str] = {}
    for kind in KINDS[1:]:
        rates = [run.rate_hz / base.rate_hz for run, base in zip(runs[kind], none, strict=True)]
        slow = [run.p99_ms / base.p99_ms for run, base in zip(runs[kind], none, strict=True)]
        figures |= {
            f"throughput_ratio_{kind}": median(rates),
            f"throughput_ratio_{kind}_least": min(rates),
            f"p99_ratio_{kind}": median(slow),
        }
    for kind in KINDS:
        figures |= {
            f"{kind}_hz": median(run.rate_hz for run in runs[kind]),
            f"{kind}_p99_ms": median(run.p99_ms for run in runs[kind]),
        }
    last = {state.output: state for state in runs["live"][-1].summary.status.outputs}
    figures |= {f"live_{name}_delivered": state.delivered for name, state in last.items()}
    figures |= {f"live_{name}_missed": state.missed for name, state in last.items()}
    return {**figures, "parts_a_run": none[0].summary.status.triggers, "turns": len(none)}


@contextlib.contextmanager
def peers(kind: str, folder: Path) -> Iterator[Blocks]:
    """Yield the output blocks of a station whose peers are of a kind."""
    log = {"kind": "log"}
    if kind == "none":
        yield [log]
    elif kind == "dead":
        yield [log, *_blocks([free_port() for _ in range(3)])]
    elif kind == "half_open":
        with contextlib.ExitStack() as stack:
            deaf = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(3)]
            yield [log, *_blocks([server.getsockname()[1] for server in deaf])]
    else:
        opcua = {"kind": "opcua", "port": free_port()}
        with (
            Mosquitto(folder / "mosquitto", free_port()) as broker,
            Plc(free_port()) as plc,
            _receiver() as web_port,
        ):
            yield [log, opcua, *_blocks([broker.port, plc.port, web_port])]


def _blocks(ports: Sequence[int]) -> Blocks:
    mqtt, modbus, web = ports
    return [
        {"kind": "mqtt", "host": "127.0.0.1", "port": mqtt, "timeout_s": 1.0},
        {"kind": "modbus", "host": "127.0.0.1", "port": modbus},
        {"kind": "webhook", "url": f"http://127.0.0.1:{web}/", "timeout_s": 1.0},
    ]


@contextlib.contextmanager
def _receiver() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _run(config: StationConfig) -> StationRun:
    summary = run_station(config, threading.Event())
    engine = open_engine(summary.database)
    with engine.connect() as connection:
        parts = records(connection, summary.run_id)
    engine.dispose()
    parts.sort(key=lambda part: part.trigger)
    parts = parts[len(parts) // 2 :]  # the first half ran while the telling process loaded its libraries
    span_s = (parts[-1].triggered_at - parts[0].triggered_at).total_seconds()
    latencies_s = [part.latency_ms / 1e3 for part in parts if part.latency_ms is not None]
    return StationRun((len(parts) - 1) / span_s, report.percentile_ms(latencies_s, 0.99), summary)


def _write_pictures(folder: Path) -> Path:
    from station.demo.render import render

    folder.mkdir(parents=True)
    for index in range(PICTURES):
        cv2.imwrite(str(folder / f"{index:03}.bmp"), render(99, index).image)
    return folder


def _config(folder: Path, bundle: Path, pictures: Path, loops: int, outputs: Blocks) -> StationConfig:
    camera = {"kind": "folder", "path": str(pictures), "preload": True, "loops": max(1, loops)}
    station = {"name": "bench", "folder": str(folder), "bundle": str(bundle.absolute())}
    return station_config({"station": station, "camera": camera, "output": outputs}, "benchmark", folder)


# ---- kill -9


def kill_campaign(folder: Path, bundle: Path, pictures: Path, kills: int, seed: int) -> dict[str, float | int | str]:
    """Kill a station and its broker, let them come back, and hold what a subscriber heard against the ledger."""
    chance, done = random.Random(seed), {"station": 0, "broker": 0}
    with Mosquitto(folder / "mosquitto", free_port()) as broker:
        config = _write_config(folder, bundle, pictures, broker.port)
        with Listener(broker.port, "open-inspector/killed/part") as listener:
            station = _start(config)
            while sum(done.values()) < kills:
                _wait_for_more(listener, 5)
                time.sleep(chance.uniform(0, 0.5))
                victim = chance.choice(("station", "broker"))
                done[victim] += 1
                if victim == "broker":
                    broker.kill()
                    time.sleep(chance.uniform(0, 1.0))
                    broker.start()
                else:
                    os.kill(station.pid, signal.SIGKILL)
                    station.wait()
                    station = _start(config)
            _wait_for_more(listener, 20)  # a station that ends does not wait for a peer that is away
            station.send_signal(signal.SIGTERM)
            station.wait(60)
            expected = _expected(folder / "station" / "ledger.sqlite")
            _wait(lambda: len({part["part_id"] for part in _parts(listener)}) >= len(expected))
            return {
                **_heard(expected, _parts(listener)),
                "kills_of_station": done["station"],
                "kills_of_broker": done["broker"],
            }


def _heard(expected: Sequence[str], parts: Sequence[Mapping[str, Any]]) -> dict[str, float | int | str]:
    """Compare what was heard with what the ledger says, by the parts' ids."""
    first = list(dict.fromkeys(part["part_id"] for part in parts))
    return {
        "parts_in_the_ledger": len(expected),
        "parts_never_heard": len(set(expected) - set(first)),
        "parts_heard_that_are_not_in_the_ledger": len(set(first) - set(expected)),
        "parts_out_of_order": sum(a != b for a, b in zip(first, [e for e in expected if e in set(first)], strict=True)),
        "repeats_told_apart_by_their_id": len(parts) - len(first),
    }


def _expected(database: Path) -> list[str]:
    """Every part of the ledger in the order of the outbox."""
    engine = open_engine(database)
    with engine.connect() as connection:
        joined = OUTBOX.join(INSPECTIONS, INSPECTIONS.c.part_id == OUTBOX.c.part_id)
        ordered = select(OUTBOX.c.part_id).select_from(joined).order_by(OUTBOX.c.position)
        ids = [str(part_id) for part_id in connection.execute(ordered).scalars()]
    engine.dispose()
    return ids


def _parts(listener: Listener) -> list[dict[str, Any]]:
    return [json.loads(payload) for _, payload, _ in listener.heard]


def _write_config(folder: Path, bundle: Path, pictures: Path, port: int) -> Path:
    config = folder / "station.toml"
    config.write_text(
        f'[station]\nname = "killed"\nfolder = "station"\nbundle = "{bundle.absolute()}"\n'
        f'[camera]\nkind = "folder"\npath = "{pictures}"\npace_hz = 40\nloops = 100000\n'
        f'[[output]]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {port}\npause_s = 0.2\nlongest_pause_s = 1.0\n'
    )
    return config


def _start(config: Path) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "inspector.cli", "station", "run", str(config))
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for_more(listener: Listener, count: int) -> None:
    before = len(listener.heard)
    _wait(lambda: len(listener.heard) > before + count)


def _wait(holds: Any) -> None:
    until_s = time.monotonic() + _SETTLE_S
    while not holds() and time.monotonic() < until_s:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
