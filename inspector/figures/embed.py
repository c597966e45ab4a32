"""Embedding: how well pairs of the same variant separate from pairs of different ones, and how parts are identified.

Pairs of one group show the same physical thing and are left out. `auroc` is over all other pairs; `auroc_unseen` over
those whose variants the network was not trained on, which is what enrolment without retraining rests on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector import metrics
from inspector.bundle import Manifest
from inspector.figures import Figures, JudgedPart, row
from inspector.risk import Rate
from inspector.values import Outcome

MOST_PARTS = 3000
"""Of more parts, evenly spaced ones are paired: 4.5 million pairs say enough."""
Floats = NDArray[np.float64]


def figures(parts: Sequence[JudgedPart], manifest: Manifest) -> Figures:
    """Return auroc, auroc_seen and auroc_unseen with their numbers of parts and pairs; identified, stopped.

    `identified`: parts of a known variant whose most probable variant is right and that are not taken for strangers.
    `stopped`: parts that are not what they should be (another variant than expected, or none) and do not pass. An
    AUROC is None without both kinds of pairs.
    """
    some = parts[:: -(-len(parts) // MOST_PARTS)]
    seen = [part for part in some if part.sample.label in manifest.classes]
    unseen = [part for part in some if part.sample.label not in manifest.classes]
    return {
        **_separation("", some),
        **_separation("_seen", seen),
        **_separation("_unseen", unseen),
        "unseen": sorted({part.sample.label for part in unseen}),
        "identified": _identified(parts),
        "stopped": _stopped(parts),
    }


def lines(figures: Figures) -> list[str]:
    names = ("", "_seen", "_unseen")
    shown = [row(f"auroc{name}", figures[f"auroc{name}"], f"{figures[f'pairs{name}']} pairs") for name in names]
    for name in ("identified", "stopped"):
        rate = figures[name]
        shown.append(f"{name:12} {rate['text'] if isinstance(rate, dict) else 'undefined: no such parts'}")
    return shown


def pairs(embeddings: Floats, labels: Sequence[str], groups: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return cosine (P,) and whether the variant is the same (P,), of all pairs of unlike groups. Unit (N, D)."""
    first, second = np.triu_indices(len(embeddings), 1)
    names, homes = np.array(labels), np.array(groups)
    apart = homes[first] != homes[second]
    first, second = first[apart], second[apart]
    return (embeddings @ embeddings.T)[first, second], names[first] == names[second]


def _separation(name: str, parts: Sequence[JudgedPart]) -> Figures:
    if not parts:  # no variant of this kind on these pictures
        return {f"auroc{name}": None, f"n{name}_parts": 0, f"pairs{name}": 0}
    embeddings = np.array([part.prediction.scores for part in parts])
    labels, groups = [part.sample.label for part in parts], [part.sample.group for part in parts]
    similarity, same = pairs(embeddings, labels, groups)
    both = 0 < int(same.sum()) < len(same)
    auroc = metrics.auroc(similarity, same) if both else None
    return {f"auroc{name}": auroc, f"n{name}_parts": len(parts), f"pairs{name}": len(same)}


def _identified(parts: Sequence[JudgedPart]) -> Figures | None:
    known = [part for part in parts if not part.is_defect]
    right = [part.prediction.label == part.sample.label and part.verdict.outcome is Outcome.PASS for part in known]
    return _rate(len(known) - sum(right), len(known))


def _stopped(parts: Sequence[JudgedPart]) -> Figures | None:
    strangers = [part for part in parts if part.is_defect]
    return _rate(sum(part.verdict.outcome is Outcome.PASS for part in strangers), len(strangers))


def _rate(wrong: int, n: int) -> Figures | None:
    return {"count": n - wrong, "n": n, "text": f"{n - wrong} of {n}; not: {Rate(wrong, n).text()}"} if n else None
