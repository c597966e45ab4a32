"""A station whose camera and whose network fail on order: `python -m benchmarks.faulty CONFIG`, for the fault campaign.

An order is a file in the folder that INSPECTOR_FAULTS names; whoever finds it takes it away and obeys. The camera is
one of the kind that SDKs are plugged into, with a frame counter, and its pictures carry their number.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.errors import CameraLost, RuntimeFault
from inspector.runtimes import RUNTIMES, Batch, Outputs, RuntimeSettings, load_runtime
from inspector.values import Image
from station import scheduling
from station.cameras import CAMERAS
from station.cameras.device import Delivery, DeviceCamera
from station.cameras.features import Features, Value
from station.cameras.settings import DeviceSettings
from station.demo.render import render

ORDERS = "INSPECTOR_FAULTS"
SIZE_PX = (320, 256)
SEED, PICTURES, NOISES = 99, 18, 6
_BITS, _CELL_PX = 24, 8
_LATE_S, _SKIPPED = 1.0, 3

if __name__ in ("__main__", "__mp_main__"):  # every process of the station imports the program that started it
    CAMERAS["campaign"] = "benchmarks.faulty:campaign_camera"
    RUNTIMES["campaign"] = "benchmarks.faulty:FaultyRuntime"
    # A campaign runs beside other work, of which the telling process would get what nobody else wants: hours of it.
    scheduling.NICER = 0


def order(folder: Path, whom: str, what: str) -> Path:
    """Order a fault; return the file, which goes when it is obeyed."""
    new = folder / f".{whom}"
    new.write_text(what)
    return new.replace(folder / whom)


def taken(whom: str) -> str | None:
    """Take the order for `whom` away and return it; None where there is none."""
    file = Path(os.environ[ORDERS]) / whom
    with suppress(FileNotFoundError):
        what = file.read_text()
        file.unlink()
        return what
    return None


def _sleep(seconds: float) -> None:
    """Sleep; `time.sleep` fails where libfaketime steps the clock."""
    threading.Event().wait(seconds)


# ---- pictures that carry their number


def picture(number: int) -> Image:
    """Return the picture of a part: one of a few, with its number in black and white cells along the upper edge."""
    image: Image = _bases()[number % (PICTURES + NOISES)].copy()
    for bit in range(_BITS):
        image[:_CELL_PX, bit * _CELL_PX : (bit + 1) * _CELL_PX] = 255 if number >> bit & 1 else 0
    return image


def number_of(image: Image) -> int:
    """Read a picture's number back, also from a JPEG."""
    cells = image[2 : _CELL_PX - 2, : _BITS * _CELL_PX].reshape(_CELL_PX - 4, _BITS, _CELL_PX, 3)
    return sum(1 << bit for bit in range(_BITS) if cells[:, bit, 2:-2].mean() > 127)


def make_pictures(folder: Path) -> None:
    """Write what every picture is made of into the folder of orders: to render it anew takes each process too long."""
    rendered = [cv2.resize(render(SEED, n).image, SIZE_PX, interpolation=cv2.INTER_AREA) for n in range(PICTURES)]
    chance = np.random.default_rng(SEED)
    noise = [chance.normal(40 * (n + 1), 15, (SIZE_PX[1], SIZE_PX[0], 1)).clip(0, 255) for n in range(NOISES)]
    np.save(
        folder / "pictures.npy", np.stack([*rendered, *(np.repeat(each, 3, axis=2) for each in noise)]).astype("u1")
    )


@cache
def _bases() -> NDArray[np.uint8]:
    """Return what `make_pictures` wrote: (N, H, W, 3) uint8."""
    return np.asarray(np.load(Path(os.environ[ORDERS]) / "pictures.npy"), np.uint8)


# ---- the camera


class CampaignSettings(DeviceSettings):
    """`kind = "campaign"`; it runs free at `fps`."""


class _NoFeatures:
    def names(self) -> Sequence[str]:
        return ("AcquisitionFrameRate",)

    def read(self, name: str) -> Value | None:
        return None

    def write(self, name: str, value: Value) -> None:
        return None


class CampaignDevice:
    """Delivers pictures at a steady rate, numbered from `start`; a fault befalls what comes next."""

    def __init__(self, rate_hz: float, start: int) -> None:
        self.features: Features = _NoFeatures()
        self.largest_id: int | None = None
        self._period_s, self._next = 1 / rate_hz, start
        self._due_s = time.monotonic()
        self._ready: deque[Delivery] = deque()
        self._last: Delivery | None = None

    def start(self) -> None:
        _bases()
        self._due_s = time.monotonic()

    def trigger(self) -> None:
        return None

    def fetch(self, timeout_s: float) -> Delivery | None:
        if not self._ready and not self._expose(timeout_s):
            return None
        self._last = self._ready.popleft()
        return self._last

    def close(self) -> None:
        self._ready.clear()

    def _expose(self, timeout_s: float) -> bool:
        delay_s = self._due_s - time.monotonic()
        _sleep(max(0.0, min(delay_s, timeout_s)))
        if delay_s > timeout_s:
            return False
        self._due_s = max(self._due_s + self._period_s, time.monotonic() - self._period_s)
        self._befall(taken("camera"))
        return bool(self._ready)

    def _befall(self, fault: str | None) -> None:
        match fault:
            case "truncated":
                self._ready.append(Delivery(self._count() + 1, None, None, "arrived truncated"))
            case "repeated" if self._last is not None:
                self._ready.extend((self._last, self._made(self._count())))
            case "swapped":
                first, second = self._made(self._count()), self._made(self._count())
                self._ready.extend((second, first))
            case "late":
                self._due_s = time.monotonic() + _LATE_S
            case "skipped":
                self._next += _SKIPPED
                self._ready.append(self._made(self._count()))
            case "lost":
                raise CameraLost("camera 'campaign': unplugged")
            case _:
                self._ready.append(self._made(self._count()))

    def _count(self) -> int:
        self._next += 1
        return self._next - 1

    def _made(self, number: int) -> Delivery:
        return Delivery(number + 1, None, picture(number))


class _CampaignCameras:
    Settings: ClassVar[type[CampaignSettings]] = CampaignSettings

    def __call__(self, settings: CampaignSettings, start: int = 0) -> DeviceCamera:
        rate_hz = settings.features.get("rate_hz", 20.0)
        bare = settings.model_copy(update={"features": {}})
        return DeviceCamera(bare, lambda _: CampaignDevice(float(rate_hz), start), start)


campaign_camera = _CampaignCameras()


# ---- the network


class FaultyRuntime:
    """ONNX Runtime, until it is told otherwise."""

    def __init__(self, model: Path, settings: RuntimeSettings) -> None:
        # Loaded by the vision process alone, which is known by it.
        self._runtime = load_runtime(model, settings.model_copy(update={"kind": "onnxruntime"}))

    def run(self, batch: Batch) -> Outputs:
        match taken("network"):
            case "hang":
                _sleep(3600)
            case "raise":
                raise RuntimeFault("the network raised, as ordered")
            case "crash":
                raise ZeroDivisionError("what nobody foresaw, as ordered")
            case "nan":
                return {name: np.full_like(value, np.nan) for name, value in self._runtime.run(batch).items()}
        return self._runtime.run(batch)

    def describe(self) -> Mapping[str, str]:
        return self._runtime.describe()


if __name__ == "__main__":
    from inspector.cli import main

    sys.exit(main(["station", "run", *sys.argv[1:]]))
