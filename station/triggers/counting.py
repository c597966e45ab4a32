"""A source's own count against what came: what was missed, what came twice."""

from __future__ import annotations

from dataclasses import dataclass

MOST_MISSED = 1000
"""A count that jumps further is no count of parts; it is an alarm and makes no rows."""
_REPEATS_WITHIN = 16


@dataclass(frozen=True, slots=True)
class Counted:
    """What a trigger's count says beside that a part is here."""

    missed: int = 0
    """Triggers before this one that never came."""
    repeated: bool = False
    """This trigger came before."""
    fault: str | None = None
    """What is strange about the count."""


class Counting:
    """Follows one source's count. Without `begin`, the first one is taken as it is."""

    def __init__(self) -> None:
        self._last: int | None = None

    def begin(self, count: int) -> None:
        """Take the source's count before its first trigger; one that is known already stays."""
        if self._last is None:
            self._last = count

    def take(self, count: int | None) -> Counted:
        if count is None:
            return Counted()
        last = self._last
        if last is not None and self._is_repeated(count, last):
            return Counted(repeated=True)
        self._last = count
        if last is None or count == last + 1:
            return Counted()
        if count <= last:
            return Counted(fault=f"the source's count began anew: {count} after {last}")
        missed = count - last - 1
        if missed > MOST_MISSED:
            return Counted(fault=f"the source's count jumped from {last} to {count}; no rows are made for so many")
        return Counted(missed=missed)

    @staticmethod
    def _is_repeated(count: int, last: int) -> bool:
        return count == last or (count > 1 and last - _REPEATS_WITHIN <= count < last)
