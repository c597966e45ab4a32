"""The faults of the campaign: each is done to a running station, and undone where the world would undo it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.faulty import ORDERS, order
from benchmarks.peers import Mosquitto
from benchmarks.plc import Plc

_OBEYED_S = 60.0
_CLOCK_READ_S = 1
"""libfaketime reads the file so often. At each look at the clock it would cost a busy machine more than the station."""
_CLIENT = """
import sys, time
from asyncua.sync import Client
with Client(sys.argv[1], timeout=60, watchdog_intervall=60) as client:
    print("reading", flush=True)
    while True:
        client.nodes.objects.get_children()
        time.sleep(0.05)
"""


@dataclass
class Site:
    """A station at work, with its peers, in a folder."""

    folder: Path
    config: Path
    bundle: Path
    broker: Mosquitto
    plc: Plc
    opcua_url: str
    web_port: int
    library: Path | None
    """libfaketime, where there is one."""
    starts: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def orders(self) -> Path:
        return self.folder / "orders"

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    @property
    def station(self) -> Path:
        return self.disk / "station"

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    def start(self) -> None:
        environment = {**os.environ, ORDERS: str(self.orders), "OMP_NUM_THREADS": "1"}
        if self.library is not None:
            environment |= {
                "LD_PRELOAD": str(self.library),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_CACHE_DURATION": str(_CLOCK_READ_S),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
        with (self.folder / "station.log").open("ab") as log:
            command = (sys.executable, "-m", "benchmarks.faulty", str(self.config))
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.starts += 1

    def set_clock(self, words: str) -> None:
        """Set the station's clock off; all at once, since libfaketime reads the file at any moment."""
        new = self.clock.with_suffix(".new")
        new.write_text(words)
        new.replace(self.clock)

    def is_up(self) -> bool:
        return self.process.poll() is None

    def vision(self) -> psutil.Process | None:
        """Return the vision process: of the line's children the one that has loaded a runtime."""
        with suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return next((each for each in children if any("onnxruntime" in m.path for m in each.memory_maps())), None)
        return None

    def kill(self) -> None:
        if self.starts:
            self.process.kill()
            self.process.wait()


class NotDone(Exception):
    """A fault that did not come about; it is counted apart."""


Fault = Callable[[Site, random.Random], None]


# ---- processes


def kill_line(site: Site, chance: random.Random) -> None:
    site.kill()


def kill_vision(site: Site, chance: random.Random) -> None:
    if (vision := site.vision()) is not None:
        with suppress(psutil.Error):
            vision.kill()


def kill_both(site: Site, chance: random.Random) -> None:
    kill_vision(site, chance)
    time.sleep(chance.uniform(0, 0.05))
    site.kill()


# ---- camera and network


def ordering(whom: str, what: str) -> Fault:
    def fault(site: Site, chance: random.Random) -> None:
        file = order(site.orders, whom, what)
        until_s = time.monotonic() + _OBEYED_S
        while file.exists() and time.monotonic() < until_s:
            time.sleep(0.01)
        if file.exists():
            file.unlink(missing_ok=True)
            raise NotDone(f"nobody took the order {what!r} for {whom}")

    return fault


# ---- peers


def kill_broker(site: Site, chance: random.Random) -> None:
    site.broker.kill()
    time.sleep(chance.uniform(0, 1))
    site.broker.start()


def freeze_broker(site: Site, chance: random.Random) -> None:
    site.broker.freeze()
    time.sleep(chance.uniform(0.5, 2.5))
    site.broker.thaw()


def slow_broker(site: Site, chance: random.Random) -> None:
    for _ in range(8):
        site.broker.freeze()
        time.sleep(0.2)
        site.broker.thaw()
        time.sleep(0.02)


def kill_controller(site: Site, chance: random.Random) -> None:
    site.plc.stop()
    time.sleep(chance.uniform(0, 1))
    site.plc.start()


def deafen_controller(seconds: float) -> Fault:
    def fault(site: Site, chance: random.Random) -> None:
        site.plc.deaf_s = seconds
        time.sleep(chance.uniform(0.5, 2))
        site.plc.deaf_s = 0.0

    return fault


def opcua_client(*signals: signal.Signals) -> Fault:
    """A client that reads the station's server, and is then treated with signals, last killed."""

    def fault(site: Site, chance: random.Random) -> None:
        client = subprocess.Popen(
            (sys.executable, "-c", _CLIENT, site.opcua_url), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            if not client.stdout or not client.stdout.readline():
                raise NotDone("the OPC UA client did not come to read")
            time.sleep(chance.uniform(0.2, 2))
            for each in signals:
                client.send_signal(each)
                time.sleep(chance.uniform(0.2, 1))
        finally:
            client.kill()
            client.communicate()

    return fault


# ---- disk, ledger, clock, bundle


def fill_disk(site: Site, chance: random.Random) -> None:
    filler = site.disk / "filler"
    try:
        with filler.open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(bytes(65536))
        with filler.open("ab", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(bytes(512))
        time.sleep(chance.uniform(0.5, 2.0))
    finally:
        filler.unlink(missing_ok=True)


def lock_ledger(site: Site, chance: random.Random) -> None:
    ledger = sqlite3.connect(site.disk / "station" / "ledger.sqlite", timeout=10, isolation_level=None)
    try:
        ledger.execute("BEGIN IMMEDIATE")
        time.sleep(chance.uniform(0.3, 3.0))
        ledger.execute("ROLLBACK")
    finally:
        ledger.close()


def step_clock(words: str) -> Fault:
    def fault(site: Site, chance: random.Random) -> None:
        site.set_clock(words)
        time.sleep(_CLOCK_READ_S + chance.uniform(1.0, 2.0))
        site.set_clock("+0")

    return fault


def corrupt_bundle(site: Site, chance: random.Random) -> None:
    """Flip a byte of the network in place, have the vision process start anew upon it, and put the byte back."""
    model = site.bundle / "model.cpu-int8.onnx"
    content = model.read_bytes()
    place = chance.randrange(len(content))
    model.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
    kill_vision(site, chance)
    with suppress(subprocess.TimeoutExpired):
        site.process.wait(120)
    model.write_bytes(content)


FAULTS: Mapping[str, Fault] = {
    "line_killed": kill_line,
    "vision_killed": kill_vision,
    "both_killed": kill_both,
    "network_hangs": ordering("network", "hang"),
    "network_raises": ordering("network", "raise"),
    "network_crashes": ordering("network", "crash"),
    "network_says_nan": ordering("network", "nan"),
    "frame_truncated": ordering("camera", "truncated"),
    "frame_repeated": ordering("camera", "repeated"),
    "frames_swapped": ordering("camera", "swapped"),
    "frames_late": ordering("camera", "late"),
    "frames_skipped": ordering("camera", "skipped"),
    "camera_lost": ordering("camera", "lost"),
    "broker_killed": kill_broker,
    "broker_half_open": freeze_broker,
    "broker_slow": slow_broker,
    "controller_killed": kill_controller,
    "controller_half_open": deafen_controller(60.0),
    "controller_slow": deafen_controller(0.3),
    "opcua_peer_killed": opcua_client(),
    "opcua_peer_half_open": opcua_client(signal.SIGSTOP),
    "opcua_peer_slow": opcua_client(signal.SIGSTOP, signal.SIGCONT, signal.SIGSTOP, signal.SIGCONT),
    "disk_full": fill_disk,
    "ledger_locked": lock_ledger,
    "clock_an_hour_on": step_clock("+1h"),
    "clock_an_hour_back": step_clock("-1h"),
    "bundle_corrupt": corrupt_bundle,
}


@contextmanager
def small_disk(folder: Path, size_mb: int = 256) -> Iterator[bool]:
    """Make a small disk at `folder` where that is allowed, which takes root; tell whether it is one."""
    folder.mkdir(parents=True)
    mount = ("mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder))
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(("umount", "--lazy", str(folder)), check=False)


def faketime() -> Path | None:
    """Return libfaketime (Debian: apt-get install libfaketime); None on a machine without it."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
