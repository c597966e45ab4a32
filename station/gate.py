"""Which part is at the reject gate, and may it go? It diverts unless a part is there that was judged PASS in time.

A part at the camera at position x reaches the gate at x + distance: position is time on a belt of steady speed, encoder
counts otherwise. It occupies a window around that place. The gate lets go where a window of a PASS lies and no other
part's window. Windows of neighbours that both pass merge, so the gate does not chatter between them.

    expected --PASS before its window begins--> lets go
        |----anything else, or nothing, or too late----> diverts
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from uuid import UUID


@dataclass(frozen=True, slots=True)
class GateGeometry:
    """Where the gate is, and how much of the line a part occupies there: all in units of position."""

    distance: float
    before: float
    after: float

    def window(self, part_id: UUID, position: float) -> GateWindow:
        middle = position + self.distance
        return GateWindow(part_id, middle - self.before, middle + self.after)


@dataclass(frozen=True, slots=True)
class GateWindow:
    """When one part is at the gate, both ends included."""

    part_id: UUID
    begin: float
    end: float
    passes: bool = False

    def holds(self, position: float) -> bool:
        return self.begin <= position <= self.end


@dataclass(frozen=True, slots=True)
class GateSchedule:
    """The parts between camera and gate. A value: each method returns the next one."""

    geometry: GateGeometry
    windows: tuple[GateWindow, ...] = ()

    def expect(self, part_id: UUID, position: float) -> GateSchedule:
        """A part was at the camera at `position`."""
        return replace(self, windows=(*self.windows, self.geometry.window(part_id, position)))

    def judge(self, part_id: UUID, passes: bool, position: float) -> GateSchedule:
        """A verdict came at `position`; one whose part has reached the gate comes too late and changes nothing."""
        windows = tuple(
            replace(window, passes=passes and position < window.begin) if window.part_id == part_id else window
            for window in self.windows
        )
        return replace(self, windows=windows)

    def lets_go(self, position: float) -> bool:
        there = [window for window in self.windows if window.holds(position)]
        return bool(there) and all(window.passes for window in there)

    def forget(self, position: float) -> GateSchedule:
        """Drop the parts that are past the gate."""
        return replace(self, windows=tuple(window for window in self.windows if window.end >= position))

    def blind(self) -> GateSchedule:
        """Nobody knows where the parts are: all of them are diverted."""
        return replace(self, windows=())


_TURN = 2**32


@dataclass(frozen=True, slots=True)
class EncoderTrack:
    """Where the belt was when, from readings of a 32-bit counter that wraps around."""

    longest_gap_ns: int
    """Readings are kept for so long, and tell of moments that lie no further from them."""
    readings: tuple[tuple[int, int], ...] = ()
    """(time.monotonic_ns(), counts without wrapping), in the order of time."""

    def read(self, at_ns: int, counts: int) -> EncoderTrack:
        """Add a reading of the counter."""
        if not self.readings:
            return replace(self, readings=((at_ns, counts),))
        before = self.readings[-1][1]
        step = (counts - before + _TURN // 2) % _TURN - _TURN // 2
        recent = tuple(reading for reading in self.readings if at_ns - reading[0] <= self.longest_gap_ns)
        return replace(self, readings=(*recent, (at_ns, before + step)))

    def at(self, ns: int) -> float | None:
        """Return the position at a moment among the readings or near them; None where they do not tell."""
        if len(self.readings) < 2:
            return None
        first, last = self.readings[0], self.readings[-1]
        if not first[0] - self.longest_gap_ns <= ns <= last[0] + self.longest_gap_ns:
            return None
        for earlier, later in pairwise(self.readings):
            if earlier[0] <= ns <= later[0]:
                return _on_line(earlier, later, ns)
        return _on_line(first, last, ns)


def _on_line(earlier: tuple[int, int], later: tuple[int, int], ns: int) -> float:
    (from_ns, start), (to_ns, end) = earlier, later
    return end + (end - start) * (ns - to_ns) / max(1, to_ns - from_ns)
