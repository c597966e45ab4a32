"""What subscribers heard, held against the line's order: every part, once but for repeats of its id, none overtaken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass
class Hearing:
    """One subscriber's account; `ids` grows in another thread."""

    ids: Sequence[str]
    repeats: int = 0
    out_of_order: int = 0
    late: int = 0
    """Parts that it did not have when it was asked."""
    _place: dict[str, int] = field(default_factory=dict)
    _read: int = 0
    _reached: int = -1
    _repeats_held: int = 0

    def has_heard(self, expected: Sequence[str]) -> bool:
        self._read_on()
        return all(part in self._place for part in expected)

    def hold_against(self, expected: Sequence[str]) -> dict[str, int]:
        """Count what is wrong with the parts behind those of the last call; return it, with the repeats since then."""
        self._read_on()
        repeated, self._repeats_held = self.repeats - self._repeats_held, self.repeats
        late = out_of_order = 0
        for place in (self._place.get(part) for part in expected):
            if place is None:
                late += 1
            else:
                out_of_order += place < self._reached
                self._reached = max(self._reached, place)
        self.late, self.out_of_order = self.late + late, self.out_of_order + out_of_order
        return {"missing": late, "out_of_order": out_of_order, "repeated": repeated}

    def never(self, expected: Sequence[str]) -> int:
        self._read_on()
        return sum(part not in self._place for part in expected)

    def unknown(self, ledger: Set[str]) -> int:
        """Parts that were heard of and are not in the ledger."""
        self._read_on()
        return len(self._place.keys() - ledger)

    def _read_on(self) -> None:
        for part in self.ids[self._read :]:
            self._read += 1
            if part in self._place:
                self.repeats += 1
            else:
                self._place[part] = len(self._place)


@dataclass(frozen=True, slots=True)
class Written:
    """A part as a controller was told of it."""

    part_id: str
    let_go: bool
    reason: int = 0


def acted(written: Sequence[Written], ledger: Sequence[str]) -> dict[str, int | str]:
    """What a controller was told, which is told at once or never: no part twice, those let go in the line's order.

    A part that is diverted may be told of after a later one: nobody inspected it, and its deadline came later than the
    verdict on that one. Such parts are counted by the reason that they were given.
    """
    place = {part: number for number, part in enumerate(ledger)}
    known = [each for each in written if each.part_id in place]
    let_go = [place[each.part_id] for each in known if each.let_go]
    overtaken = _overtaken(known, place)
    return {
        "doubled": len(written) - len({each.part_id for each in written}),
        "let_go_out_of_order": sum(after < before for before, after in pairwise(let_go)),
        "unknown": len(written) - len(known),
        "withheld": len(place.keys() - {each.part_id for each in written}),
        "diverted_after_a_later_part": sum(overtaken.values()),
        "reasons_of_those": ", ".join(f"{reason}: {count}" for reason, count in sorted(overtaken.items())) or "none",
    }


def _overtaken(written: Sequence[Written], place: Mapping[str, int]) -> Counter[int]:
    """Parts that were diverted after one that was opened later, by their reason."""
    overtaken: Counter[int] = Counter()
    furthest = -1
    for each in written:
        overtaken[each.reason] += place[each.part_id] < furthest and not each.let_go
        furthest = max(furthest, place[each.part_id])
    return +overtaken
