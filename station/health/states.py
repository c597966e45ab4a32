"""What each device of the station is said to be in, by NAMUR NE 107: pure, from what was seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from station.health.clocks import ClockSight
from station.health.snapshot import Snapshot, Watched
from station.health.storage import DiskSight
from station.outputs.base import OutputState
from station.status import StationStatus, VisionState

SILENT_S = 3.0
"""The line process hands over a snapshot twice a second, and its loop goes round ten times."""
RESTART_REMEMBERED_S = 600.0


class Namur(IntEnum):
    """NE 107; a larger one is worse."""

    GOOD = 0
    MAINTENANCE_REQUIRED = 1
    OUT_OF_SPECIFICATION = 2
    CHECK_FUNCTION = 3
    FAILURE = 4

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Device:
    """One thing that the station is made of. The line may run while all `needed` ones do their work."""

    kind: str
    name: str
    state: Namur
    words: str
    needed: bool = False

    @property
    def called(self) -> str:
        return self.kind if self.kind == self.name else f"{self.kind}:{self.name}"

    @property
    def stops_line(self) -> bool:
        return self.needed and self.state >= Namur.CHECK_FUNCTION


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the health process sees at one moment."""

    snapshot: Snapshot
    disk: DiskSight
    clock: ClockSight
    heard_ns: int
    """time.monotonic_ns() when the snapshot came; the line's clock is the same."""
    now_ns: int


def line_state(sight: Sight) -> str:
    """What the line does, or "silent"."""
    snapshot = sight.snapshot
    loops = snapshot.status.state in ("running", "restarting")
    stands_still = loops and snapshot.taken_ns - snapshot.status.beat_ns > SILENT_S * 1e9
    unheard = sight.now_ns - sight.heard_ns > SILENT_S * 1e9
    return "silent" if stands_still or unheard else snapshot.status.state


def devices_of(watched: Watched, sight: Sight) -> tuple[Device, ...]:
    """Return every device, the worst first, then by name."""
    return tuple(sorted(_devices(watched, sight), key=lambda device: (-device.state, device.called)))


def may_run(line: str, devices: tuple[Device, ...]) -> bool:
    return line == "running" and not any(device.stops_line for device in devices)


def _devices(watched: Watched, sight: Sight) -> Iterator[Device]:
    status = sight.snapshot.status
    yield _line(line_state(sight))
    for name in watched.cameras:
        words = status.cameras.get(name, "opening")
        yield Device("camera", name, _of_words(words, busy=("opening",)), words, needed=True)
    for name in watched.groups:
        yield _vision(name, status.visions.get(name, VisionState()), sight.now_ns)
    yield Device("ledger", "ledger", _of_words(status.ledger), status.ledger, needed=True)
    yield _disk(watched, sight.disk)
    if watched.trigger is not None:
        yield Device("trigger", watched.trigger, _of_words(status.trigger), status.trigger, needed=True)
    for output in status.outputs:
        yield _output(output)
    yield _bundle(watched)
    yield _drift(status)
    if status.challenge != "none" or status.held:
        yield _challenge(status)
    if status.plant != "none":
        yield _plant(status)
    yield _clock(sight.clock)


def _line(state: str) -> Device:
    namur = {"running": Namur.GOOD, "silent": Namur.FAILURE, "restarting": Namur.GOOD}.get(state, Namur.CHECK_FUNCTION)
    words = f"nothing heard of the line for {SILENT_S:g} s" if state == "silent" else state
    return Device("line", "line", namur, words, needed=True)


def _of_words(words: str, busy: tuple[str, ...] = ()) -> Namur:
    if words == "well":
        return Namur.GOOD
    return Namur.CHECK_FUNCTION if words.startswith(busy) else Namur.FAILURE


def _vision(name: str, vision: VisionState, now_ns: int) -> Device:
    state = _of_words(vision.words, busy=("starting",))
    words = vision.words
    if vision.restarted_ns is not None and state is Namur.GOOD:
        ago_s = (now_ns - vision.restarted_ns) / 1e9
        if ago_s < RESTART_REMEMBERED_S:
            state, words = Namur.MAINTENANCE_REQUIRED, f"well, restarted {ago_s:.0f} s ago"
    return Device("vision", name, state, words, needed=True)


def _disk(watched: Watched, disk: DiskSight) -> Device:
    if disk.fault is not None:
        return Device("disk", "disk", Namur.FAILURE, disk.fault)
    free_gb = disk.free_bytes / 1e9
    words = f"{free_gb:.1f} GB free of {disk.size_bytes / 1e9:.1f} GB"
    if free_gb < watched.settings.disk_full_gb:
        return Device(
            "disk", "disk", Namur.OUT_OF_SPECIFICATION, f"{words}; expected {watched.settings.disk_full_gb:g}"
        )
    if free_gb < watched.settings.disk_low_gb:
        return Device("disk", "disk", Namur.MAINTENANCE_REQUIRED, f"{words}; expected {watched.settings.disk_low_gb:g}")
    return Device("disk", "disk", Namur.GOOD, words)


def _output(output: OutputState) -> Device:
    acts = output.nature == "act"
    ill = Namur.FAILURE if acts else Namur.OUT_OF_SPECIFICATION
    owed = f"; {output.waiting} parts wait" if output.waiting and not output.well else ""
    state = Namur.GOOD if output.well else ill
    return Device("output", output.output, state, f"{output.words}{owed}", needed=acts)


def _bundle(watched: Watched) -> Device:
    state = Namur.GOOD if watched.certified else Namur.MAINTENANCE_REQUIRED
    return Device("bundle", "bundle", state, f"{watched.bundle_id[:16]}; {watched.certificate}")


def _drift(status: StationStatus) -> Device:
    words = status.drift
    if status.has_drifted:
        state = Namur.OUT_OF_SPECIFICATION
    elif "learning from" in words or words == "not known":
        state = Namur.CHECK_FUNCTION
    elif any(fault in words for fault in ("memory not written", "memory lost", "not taken")):
        state = Namur.MAINTENANCE_REQUIRED
    else:
        state = Namur.GOOD
    return Device("drift", "drift", state, words)


def _challenge(status: StationStatus) -> Device:
    """A held line is well, and passes nothing until a part of known truth is judged as it must be."""
    state = Namur.CHECK_FUNCTION if status.held else Namur.GOOD
    words = f"line held: {status.held}" if status.held else status.challenge
    return Device("challenge", "challenge", state, words, needed=True)


def _plant(status: StationStatus) -> Device:
    words = status.plant if status.unforwarded is None else f"{status.plant}; {status.unforwarded} rows wait"
    if status.plant == "starting":
        return Device("plant", "plant", Namur.CHECK_FUNCTION, words)
    state = Namur.GOOD if status.plant == "well" else Namur.OUT_OF_SPECIFICATION
    return Device("plant", "plant", state, words)


def _clock(clock: ClockSight) -> Device:
    if clock.stepped_s is not None:
        return Device("clock", "clock", Namur.OUT_OF_SPECIFICATION, f"was stepped by {clock.stepped_s:+.1f} s")
    if clock.synchronised is False:
        return Device("clock", "clock", Namur.MAINTENANCE_REQUIRED, "not synchronised, says the system")
    return Device("clock", "clock", Namur.GOOD, "well" if clock.synchronised else "steady")
