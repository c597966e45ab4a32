"""When a peer that failed is tried again: at once a few times, then with growing pauses, for ever.

closed --`failures` faults in a row--> open --pause over--> half open --one success--> closed
                                        ^                      |
                                        +---one fault, pause doubled
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Breaker:
    """A value: each method returns the next one. Times are of one monotonic clock, in seconds."""

    failures: int
    pause_s: float
    longest_pause_s: float
    faults: int = 0
    """In a row."""
    try_at_s: float = 0.0

    @property
    def is_closed(self) -> bool:
        return self.faults < self.failures

    def wait_s(self, now_s: float) -> float:
        """How long from now the peer is left alone."""
        return max(0.0, self.try_at_s - now_s)

    def failed(self, now_s: float) -> Breaker:
        faults = self.faults + 1
        return replace(self, faults=faults, try_at_s=now_s + self._pause_after(faults))

    def succeeded(self) -> Breaker:
        return self if not self.faults else replace(self, faults=0, try_at_s=0.0)

    def _pause_after(self, faults: int) -> float:
        if faults < self.failures:
            return min(0.1, self.pause_s)
        doublings = min(faults - self.failures, 32)
        return min(self.longest_pause_s, self.pause_s * 2.0**doublings)
