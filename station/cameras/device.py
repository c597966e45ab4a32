"""Industrial cameras, whichever SDK serves them: settings with read-back, counted frames, time stamps, triggers.

An SDK is plugged in by one function that opens a `Device`; all that a line relies on is here, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, Self

from inspector.errors import CameraLost, ConfigError, FrameLost, FrameStale, TriggerTimeout
from inspector.values import Frame, Image
from station.cameras.clock import DeviceClock
from station.cameras.counting import FrameCounter, PixelRepeats
from station.cameras.features import Difference, Features, Value, snapshot
from station.cameras.settings import DeviceSettings, apply


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """What a device delivered for one exposure: a picture, or why there is none."""

    frame_id: int | None
    """The device's own count of exposures; None where it has none."""
    device_ns: int | None
    """The device's own time stamp; None where it has none."""
    image: Image | None
    """A copy: the SDK's buffer is free again."""
    fault: str = ""


class Device(Protocol):
    """One open device of an SDK. Used by the acquire thread only; errors of the SDK become CameraLost at this edge."""

    features: Features
    largest_id: int | None
    """Frame number after which the device counts from 1 again; None: never. Known when `start` has returned."""

    def start(self) -> None:
        """Begin to deliver; the settings are made."""
        ...

    def trigger(self) -> None:
        """Expose now (trigger = software)."""
        ...

    def fetch(self, timeout_s: float) -> Delivery | None:
        """Return the oldest exposure delivered, or None if none came in time; raise CameraLost."""
        ...

    def close(self) -> None:
        """Let go of the device, also of one that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceCameras:
    """The camera factory of one SDK: its settings, and how a device of it is opened.

    `connect` raises ConfigError for a missing SDK, an unknown or ambiguous device name, CameraLost for a device that
    is not there now.
    """

    Settings: type[DeviceSettings]
    connect: Callable[[DeviceSettings], Device]

    def __call__(self, settings: DeviceSettings, start: int = 0) -> DeviceCamera:
        return DeviceCamera(settings, self.connect, start)


class DeviceCamera:
    """A camera with a counter: what it lost is told as FrameLost, once for each exposure, before the frame after it."""

    live = True

    def __init__(self, settings: DeviceSettings, connect: Callable[[DeviceSettings], Device], start: int = 0) -> None:
        self._settings = settings
        self._connect = connect
        self._next = start
        self._stack = ExitStack()
        self._device: Device | None = None
        self._counter = FrameCounter(settings.name)
        self._clock = DeviceClock()
        self._owed: list[FrameLost] = []
        self._held: tuple[Delivery, int] | None = None
        self._on_demand = False
        self._asked_ns = 0
        self._awaiting = False
        """A software trigger was sent, and its picture has not come."""
        self._stamped = False
        self._last_id: int | None = None
        self._silent_since_s: float | None = None
        self._repeats = PixelRepeats()
        self._differences: tuple[Difference, ...] = ()

    # ---- opening

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._device = self._connect(self._settings)
            stack.callback(self._device.close)
            self._differences = apply(self._settings, self._device.features)
            if self._differences and self._settings.on_difference == "refuse":
                told = "; ".join(difference.text() for difference in self._differences)
                raise ConfigError(f"camera {self._settings.name!r}: {told}")
            self._device.start()
            self._counter = FrameCounter(self._settings.name, self._device.largest_id)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._device = None
        self._stack.close()

    def features(self) -> Mapping[str, Value]:
        return snapshot(self._opened.features)

    def differences(self) -> tuple[Difference, ...]:
        return self._differences

    # ---- exposing

    def expose(self) -> None:
        self._on_demand = True
        while (older := self._opened.fetch(0.0)) is not None:
            self._note(older)
        if self._awaiting and not self._stamped:
            self._awaiting = False
            raise CameraLost(f"camera {self._settings.name!r}: the picture of its last trigger never came")
        self._trigger()

    def grab(self, timeout_s: float) -> Frame:
        if self._owed:
            raise self._owed.pop(0)
        if self._held is not None:
            (delivery, exposed_ns), self._held = self._held, None
            return self._frame(delivery, exposed_ns)
        if not self._on_demand:
            self._trigger_again()
        delivery = self._fetch(timeout_s)
        self._note(delivery)
        exposed_ns = self._clock.exposed_ns(delivery.device_ns, time.monotonic_ns())
        if self._on_demand:
            self._refuse_older(delivery, exposed_ns)
        elif delivery.frame_id is not None:
            self._account(delivery.frame_id)
        if self._owed:
            self._held = delivery, exposed_ns
            raise self._owed.pop(0)
        return self._frame(delivery, exposed_ns)

    @property
    def _opened(self) -> Device:
        if self._device is None:
            raise CameraLost(f"camera {self._settings.name!r}: not open")
        return self._device

    def _trigger_again(self) -> None:
        """Trigger a camera that nobody asks by `expose`, unless it still owes the picture of its last trigger."""
        owes_s = (time.monotonic_ns() - self._asked_ns) / 1e9
        if not self._awaiting or owes_s > self._settings.grab_timeout_s:
            self._trigger()

    def _trigger(self) -> None:
        self._asked_ns = time.monotonic_ns()
        if self._settings.trigger == "software":
            self._opened.trigger()
            self._awaiting = True

    def _fetch(self, timeout_s: float) -> Delivery:
        delivery, now_s = self._opened.fetch(timeout_s), time.monotonic()
        if delivery is not None:
            self._silent_since_s = None
            return delivery
        self._silent_since_s = self._silent_since_s or now_s
        if self._settings.trigger == "free" and now_s - self._silent_since_s > self._settings.grab_timeout_s:
            silent_s = self._settings.grab_timeout_s
            raise CameraLost(f"camera {self._settings.name!r} runs free and has delivered nothing for {silent_s:g} s")
        raise TriggerTimeout(f"camera {self._settings.name!r}: no frame in {timeout_s:g} s")

    def _note(self, delivery: Delivery) -> None:
        self._awaiting, self._stamped = False, bool(delivery.device_ns)

    def _refuse_older(self, delivery: Delivery, exposed_ns: int) -> None:
        """Frames come between triggers too, so the counter shows no loss; the last one again shows a repetition."""
        name, last, self._last_id = self._settings.name, self._last_id, delivery.frame_id
        if exposed_ns < self._asked_ns:
            early_ms = (self._asked_ns - exposed_ns) / 1e6
            raise FrameStale(f"camera {name!r} delivered a frame exposed {early_ms:.0f} ms before its trigger")
        if last is not None and last == delivery.frame_id:
            raise FrameStale(f"camera {name!r} delivered frame {last} twice; it is no part")

    def _account(self, frame_id: int) -> None:
        """Owe a part for each exposure that never came."""
        missing = self._counter.step(frame_id)
        why = self._counter.why(missing, frame_id)
        for _ in range(missing):
            self._owed.append(FrameLost(why, self._number(), ""))

    def _number(self) -> int:
        sequence, self._next = self._next, self._next + 1
        return sequence

    def _frame(self, delivery: Delivery, exposed_ns: int) -> Frame:
        source = "" if delivery.frame_id is None else f"frame {delivery.frame_id}"
        if delivery.image is None:
            why = f"camera {self._settings.name!r}: {source or 'a frame'} {delivery.fault}"
            raise FrameLost(why, self._number(), source)
        captured_at = datetime.now(UTC) - timedelta(microseconds=(time.monotonic_ns() - exposed_ns) / 1e3)
        repeats, number = self._repeats.count(delivery.image), self._number()
        name = self._settings.name
        return Frame(delivery.image, name, number, captured_at, source, repeats, exposed_ns=exposed_ns)
