"""Embedding: whether a part is the variant that the recipe expects, another one that is enrolled, or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Manifest
from inspector.calibration import Calibration, Platt
from inspector.errors import BundleError
from inspector.heads import output
from inspector.matching import References, as_references, similarities, unit, variant_probabilities
from inspector.preprocess import Placement
from inspector.runtimes import Outputs
from inspector.values import Prediction


class EmbedHead:
    """Reads `embedding` (N, D). Knows the variants of the training set until others are enrolled.

    A prediction's `scores` are the embedding; its class probabilities are those of the variants, in `variants`' order;
    its novelty is the probability that the part is none of them; and its defect probability the one that it is not the
    expected variant (without one: that it is none).
    """

    def __init__(
        self,
        manifest: Manifest,
        calibration: Calibration,
        references: References | None = None,
        expected: str | None = None,
    ) -> None:
        self.manifest, self.calibration, self.expected = manifest, calibration, expected
        self.references = as_references(calibration.references) if references is None else references
        self.variants = tuple(self.references)
        self.platt = _platt(calibration)

    def enrolled(self, references: References, expected: str | None) -> EmbedHead:
        """Return a head of the same network that knows these variants and no other."""
        return EmbedHead(self.manifest, self.calibration, references, expected)

    def predict(self, outputs: Outputs, placements: Sequence[Placement]) -> list[Prediction]:
        length = next(iter(self.references.values())).shape[1]
        embeddings = unit(output(outputs, "embedding", (length,)))
        probabilities = variant_probabilities(similarities(embeddings, self.references), self.platt)
        return [self._prediction(*row) for row in zip(embeddings, probabilities, strict=True)]

    def _prediction(self, embedding: NDArray[np.float64], probabilities: NDArray[np.float64]) -> Prediction:
        variants, none = probabilities[:-1], float(probabilities[-1])
        match = float(variants[self.variants.index(self.expected)]) if self.expected else 1.0 - none
        return Prediction(
            label=self.variants[int(variants.argmax())],
            class_probabilities=tuple(variants.tolist()),
            defect_probability=min(max(1.0 - match, 0.0), 1.0),
            scores=tuple(embedding.tolist()),
            novelty=none,
            expected=self.expected,
        )


def _platt(calibration: Calibration) -> Platt:
    if calibration.platt is None or not calibration.references:
        raise BundleError("calibration.json: an embedding needs `platt` and `references`")
    return calibration.platt
