"""When a frame was exposed, on this machine's clocks, from the time stamp of a camera whose clock is its own."""

from __future__ import annotations

from collections import deque

_SAMPLES = 64
_WINDOW_NS = 60 * 10**9
"""Clocks of cameras wander by some 50 ppm: 3 ms in a minute."""


class DeviceClock:
    """Learns the offset between a device's clock and the monotonic one from the quickest of the last frames.

    A frame cannot arrive before it was exposed, so the least difference seen is the offset plus the shortest delay
    there is; what a frame took longer than that is how late it came. A device clock that leaps makes frames look late
    (never early) until `_SAMPLES` frames or a minute later.
    """

    def __init__(self) -> None:
        self._differences: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)

    def exposed_ns(self, device_ns: int | None, arrived_ns: int) -> int:
        """Return the exposure in time.monotonic_ns(); a device without time stamps (None or 0) exposed on arrival."""
        if not device_ns:
            return arrived_ns
        while self._differences and self._differences[0][0] < arrived_ns - _WINDOW_NS:
            self._differences.popleft()
        difference = arrived_ns - device_ns
        self._differences.append((arrived_ns, difference))
        return device_ns + min(difference for _, difference in self._differences)
