"""How many parts of the line a labelled one stands for: 1 / the probability with which such a part is labelled.

Persons see every part that was stopped and few that passed, so labels are no random sample of the line. Each is weighed
as Horvitz and Thompson (JASA 47, 1952) do. A pass that was drawn for audit has the probability that it was drawn with.
Of stopped parts all could be labelled; where some are not yet, the labelled ones are taken as a random share of those
with the same outcome. A pass that somebody picked without a draw stands for itself alone: nothing is known of its like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from db.labelled import LabelledPart
from db.material.manifest import Origin
from inspector.values import Outcome

Inclusion = tuple[Origin, float]


def inclusions(parts: Iterable[LabelledPart], inspected: Mapping[Outcome, int]) -> list[Inclusion]:
    """Return why each labelled part was seen, and the probability of that, given all parts by outcome."""
    parts = list(parts)
    labelled = Counter(part.outcome for part in parts)
    return [_inclusion(part, labelled[part.outcome] / inspected[part.outcome]) for part in parts]


def _inclusion(part: LabelledPart, labelled_share: float) -> Inclusion:
    if part.outcome is not Outcome.PASS:
        return "stopped", labelled_share
    return ("picked pass", 1.0) if part.drawn is None else ("audited pass", part.drawn)
