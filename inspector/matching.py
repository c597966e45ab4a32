"""Which enrolled variant a part is, if any: from unit embeddings to probabilities.

The similarity of a part to a variant is the mean cosine to the variant's references. Platt scaling, fitted on parts
against references of the same and, as often, of a different variant, makes of it the log odds of "same" at even odds.
Those odds, and odds of one for "none of them", are shared out by Bayes' rule: with one variant enrolled its probability
is the calibrated match probability; with more, they compete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.calibration import Platt, softmax

Floats = NDArray[np.float64]
References = Mapping[str, Floats]
"""(R, D) of unit length for each variant."""


def as_references(variants: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Floats]:
    """Return each variant's embeddings (R, D), brought to unit length again after rounding."""
    return {name: unit(np.array(rows, np.float64)) for name, rows in variants.items()}


def unit(embeddings: Floats) -> Floats:
    """Return embeddings (N, D) divided by their length; one of length 0 stays, and is like nothing."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(lengths > 0, lengths, 1.0))


def similarities(embeddings: Floats, references: References) -> Floats:
    """Return (N, V) mean cosine, -1..1, of embeddings (N, D) to each variant's references, in their order."""
    return np.stack([(embeddings @ rows.T).mean(axis=1) for rows in references.values()], axis=1)


def variant_probabilities(similarity: Floats, platt: Platt) -> Floats:
    """Return (N, V + 1) of similarities (N, V): the probability of each variant, and last that of none."""
    log_odds = platt.slope * similarity + platt.intercept
    return softmax(np.concatenate([log_odds, np.zeros((len(log_odds), 1))], axis=1))
