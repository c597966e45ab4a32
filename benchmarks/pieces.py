"""A campaign in pieces: what each process of it found, kept beside its figures and added up.

Each piece has a station of its own. The plan goes on where the last piece ended, and every fault has its own seed, so
that it does not matter in how many pieces a campaign is run.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Figures = dict[str, float | int | str]
BOUND = "none_of_parts_is_at_most_percent"
ENDED = "pieces_ended_as_a_person_would"
"""The other pieces were stopped on the way; what they found until then counts."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of a campaign so far; `seed` and `only` make its plan."""

    seed: int
    only: tuple[str, ...]
    figures: tuple[Figures, ...] = ()

    @property
    def faults(self) -> int:
        """How many faults of the plan were done, those that did not come about among them."""
        return sum(int(each["faults"]) + int(each["faults_that_did_not_come_about"]) for each in self.figures)

    def plan(self, kinds: Sequence[str], faults: int) -> list[str]:
        """All kinds equally often, in an order that the seed shuffles anew each time; without those that were done."""
        chance, planned = random.Random(self.seed), list[str]()
        while len(planned) < faults:
            planned += chance.sample(list(kinds), len(kinds))
        return planned[self.faults : faults]

    def chance(self, fault: int) -> random.Random:
        """What chance is in a fault, by its number in this process."""
        return random.Random(f"{self.seed}/{self.faults + fault}")

    def with_piece(self, piece: Figures) -> Figures:
        """Return the figures of all pieces and of one that is under way."""
        return together([*self.figures, piece])


def together(pieces: Sequence[Mapping[str, float | int | str]]) -> Figures:
    """Counts are added up, of what is longest the longest is kept, words are put side by side."""
    sums: Figures = {"pieces": len(pieces)}
    for piece in pieces:
        for name, value in piece.items():
            sums[name] = _two(name, sums[name], value) if name in sums else value
    return {**sums, BOUND: round(at_most_percent(int(sums["parts"])), 4)}


def _two(name: str, one: float | int | str, other: float | int | str) -> float | int | str:
    if isinstance(one, str) or isinstance(other, str):
        return "; ".join(sorted({*str(one).split("; "), *str(other).split("; ")}))
    return max(one, other) if "longest" in name else one + other


def at_most_percent(parts: int) -> float:
    """Return the upper bound of a share of which none was seen in so many, with 95 % confidence."""
    return 100 * (1 - 0.05 ** (1 / parts)) if parts else 100.0


# ---- the file


def file_of(target: Path) -> Path:
    """Where the pieces of a campaign lie whose figures are in `target`."""
    return target.with_name(f"{target.stem}.pieces.json")


def read_pieces(target: Path, seed: int, only: Sequence[str]) -> Pieces:
    """Return what was done of a campaign, nothing where there is no file; end where it is of another plan."""
    file = file_of(target)
    if not file.exists():
        return Pieces(seed, tuple(only))
    kept = json.loads(file.read_text())
    if (kept["seed"], kept["only"]) != (seed, list(only)):
        words = f"seed {kept['seed']}, kinds {', '.join(kept['only']) or 'all'}"
        raise SystemExit(f"{file}: a campaign of {words}; expected the same, or another --json FILE")
    return Pieces(seed, tuple(only), tuple(kept["pieces"]))


def keep_pieces(target: Path, pieces: Pieces, piece: Figures) -> None:
    """Write the pieces and one that is under way, whole or not at all."""
    file = file_of(target)
    new = file.with_name(f"{file.name}.new")
    kept = {"seed": pieces.seed, "only": list(pieces.only), "pieces": [*pieces.figures, piece]}
    new.write_text(json.dumps(kept, indent=1) + "\n")
    new.replace(file)
