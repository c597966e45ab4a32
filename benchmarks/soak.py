"""A station for an hour, watched from outside: do memory, open files or threads grow?

    python -m benchmarks.soak --minutes 60 --json FILE

A synthetic station runs as its user would start it, with a health port that is read all the time: `/health`, `/metrics`
and `/preview.jpg` again and again, and one stream of `/events`. Memory that no other process shares, open files and
threads of all its processes together are counted every two seconds. After a first quarter, in which caches fill, each
figure's slope is fitted with its noise (95 %, that of a random walk with the steps seen); one that is zero within its
noise passes. So must triggers and rows be equal. Exit status 1 where something does not pass.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks import report
from benchmarks.peers import free_port
from db.engine import open_engine
from db.queries import latest, outcome_counts
from inspector.values import Outcome

BLOCKS = 12
_T_95 = 2.228
"""Student's t for 95 % and BLOCKS - 2 degrees of freedom."""
_ROUNDING = 1e-9
SAMPLE_S, LEAST_SAMPLES = 2.0, 80
_START_S = 120.0

CONFIG = """
[station]
name = "soak"
folder = "{folder}"
bundle = "{bundle}"

[camera]
kind = "synthetic"
count = {count}
pace_hz = {rate_hz}
defect_share = 0.02
drift = 0.0

[health]
port = {port}
"""


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth a minute, and how far it may be off: half of the 95 % interval."""

    per_min: float
    noise_per_min: float

    @property
    def is_zero(self) -> bool:
        """No growth that can be told from none; what shrinks does not grow."""
        return self.per_min <= self.noise_per_min + _ROUNDING


@dataclass(frozen=True, slots=True)
class Sample:
    """What all processes of the station hold at one moment."""

    at_s: float
    memory_mb: float
    files: int
    threads: int
    processes: int


def slope(at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit a line through the means of BLOCKS stretches.

    Memory wanders: a picture more in flight is 4 MB for minutes. To take samples, or even stretches, as independent
    called that growth in two of three short runs. So the noise is that of the slope of a random walk with the steps
    that were seen from stretch to stretch (6/5 of the steps' variance over their number); for what merely flickers it
    is too wide.

    Raises:
        ValueError: fewer samples than two a block.
    """
    if len(values) < 2 * BLOCKS:
        raise ValueError(f"{len(values)} samples; a slope with its noise needs {2 * BLOCKS}")
    minutes = np.array([np.mean(block) for block in np.array_split(np.asarray(at_s) / 60, BLOCKS)])
    means = np.array([np.mean(block) for block in np.array_split(np.asarray(values, float), BLOCKS)])
    per_min = np.polyfit(minutes, means, 1)[0]
    step_min = (minutes[-1] - minutes[0]) / (BLOCKS - 1)
    error = np.std(np.diff(means), ddof=1) * np.sqrt(1.2 / (BLOCKS - 1)) / step_min
    return Slope(float(per_min), float(_T_95 * error))


def settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    return samples[len(samples) // 4 :]


def figures(samples: Sequence[Sample]) -> dict[str, float | int | bool]:
    """Return each figure's slope with its noise, and whether all are zero within it."""
    kept = settled(samples)
    at_s = [sample.at_s for sample in kept]
    memory = slope(at_s, [sample.memory_mb for sample in kept])
    files = slope(at_s, [sample.files for sample in kept])
    threads = slope(at_s, [sample.threads for sample in kept])
    return {
        "passed": memory.is_zero and files.is_zero and threads.is_zero,
        "memory_slope_mb_per_min": memory.per_min,
        "memory_noise_mb_per_min": memory.noise_per_min,
        "files_slope_per_min": files.per_min,
        "files_noise_per_min": files.noise_per_min,
        "threads_slope_per_min": threads.per_min,
        "threads_noise_per_min": threads.noise_per_min,
        "memory_mb": kept[-1].memory_mb,
        "files": kept[-1].files,
        "threads": kept[-1].threads,
        "processes": kept[-1].processes,
        "samples": len(kept),
    }


class Reader:
    """Reads the health port without a pause, as a desktop and a collector of metrics do."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.stop = threading.Event()
        self.answers = self.failures = self.events = 0
        self._threads = [threading.Thread(target=target) for target in (self._ask, self._listen)]

    def __enter__(self) -> Reader:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def _ask(self) -> None:
        while not self.stop.wait(0.5):
            for path in ("/health", "/metrics", "/preview.jpg"):
                try:
                    self.answers += self.get(path) == 200
                except (OSError, http.client.HTTPException):
                    self.failures += 1

    def _listen(self) -> None:
        last = 0
        while not self.stop.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=2) as stream:
                stream.settimeout(15)
                stream.sendall(f"GET /events HTTP/1.1\r\nLast-Event-ID: {last}\r\n\r\n".encode())
                last = self._hear(stream, last)

    def _hear(self, stream: socket.socket, last: int) -> int:
        """Count parts that come in the order without a gap."""
        with stream.makefile("rb") as lines:
            for line in lines:
                if line.startswith(b"id: "):
                    self.events += int(line[4:]) == last + 1
                    last = int(line[4:])
                if self.stop.is_set():
                    break
        return last


def sample(line: psutil.Process, started_s: float) -> Sample:
    """Count what the line process and its children hold; one that ends meanwhile is left out."""
    found = []
    for process in (line, *line.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            found.append((process.memory_full_info().uss / 1e6, process.num_fds(), process.num_threads()))
    memory_mb, files, threads = (sum(column) for column in zip(*found, strict=True))
    return Sample(time.monotonic() - started_s, memory_mb, int(files), int(threads), len(found))


def main() -> int:
    parser = report.arguments("memory, open files and threads of a station over an hour")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it is watched")
    parser.add_argument("--rate", type=float, default=10.0, help="parts a second")
    default = Path(__file__).parents[1] / "station" / "demo" / "bundle"
    parser.add_argument("--bundle", type=Path, default=default, help="bundle that the station runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measured = soak(Path(scratch), args.bundle.absolute(), args.minutes * 60, args.rate)
    report.write(measured, args.json)
    return 0 if measured["passed"] else 1


def soak(folder: Path, bundle: Path, seconds: float, rate_hz: float) -> dict[str, float | int | bool | str]:
    """Run a station in `folder` for so long, and return what it held and what it did."""
    port, config = free_port(), folder / "station.toml"
    text = CONFIG.format(folder=folder / "station", bundle=bundle, rate_hz=rate_hz, port=port, count=10**6)
    config.write_text(text)
    words = [sys.executable, "-m", "inspector.cli", "station", "run", str(config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as station:
        try:
            reader = Reader(port)
            _await_running(reader, station)
            with reader:
                samples = _watch(station, seconds)
            station.send_signal(signal.SIGTERM)
            summary, _ = station.communicate(timeout=120)
        finally:
            station.kill()
    held, account = figures(samples), _account(folder / "station" / "ledger.sqlite")
    return {
        **held,
        "passed": bool(held["passed"]) and account["triggers"] == account["rows"],
        "seconds": seconds,
        **account,
        "balanced": bool(re.search(r"\(balanced\)", summary)),
        "answers": reader.answers,
        "unanswered": reader.failures,
        "events_in_order": reader.events,
    }


def _await_running(reader: Reader, station: subprocess.Popen[str]) -> None:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s and station.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if reader.get("/health") == 200:
                return
        time.sleep(0.2)
    raise SystemExit(f"the station does not run within {_START_S:g} s")


def _watch(station: subprocess.Popen[str], seconds: float) -> list[Sample]:
    line, started_s, samples = psutil.Process(station.pid), time.monotonic(), []
    pause_s = min(SAMPLE_S, seconds / LEAST_SAMPLES)
    while time.monotonic() - started_s < seconds:
        samples.append(sample(line, started_s))
        time.sleep(pause_s)
        if station.poll() is not None:
            raise SystemExit(f"the station ended by itself with status {station.returncode}")
    return samples


def _account(ledger: Path) -> dict[str, int]:
    engine = open_engine(ledger)
    try:
        with engine.connect() as connection:
            counts = outcome_counts(connection)
            triggers = latest(connection, 1)[0].trigger
    finally:
        engine.dispose()
    return {"triggers": triggers, "rows": sum(counts.values()), "not_inspected": counts.get(Outcome.NOT_INSPECTED, 0)}


if __name__ == "__main__":
    sys.exit(main())
