"""A bundle's network made ready: pictures in, calibrated predictions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inspector.bundle import Bundle, Precision
from inspector.errors import EnrolmentError, RuntimeFault
from inspector.heads import Head, load_head
from inspector.heads.embed import EmbedHead
from inspector.matching import References
from inspector.preprocess import Placement
from inspector.runtimes import Runtime, RuntimeSettings, load_runtime
from inspector.values import Image, Prediction

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Model:
    """A network on its runtime with the head that reads it."""

    runtime: Runtime
    head: Head
    precision: Precision

    def predict(self, images: Sequence[Image], placements: Sequence[Placement] | None = None) -> list[Prediction]:
        """Predict a batch of preprocessed pictures, each (H, W, 3) uint8 BGR of the bundle's input size.

        Networks that compare with a golden template take (H, W, 6). `placements` say where each picture lies in its
        frame; without them findings are in the input's pixels.
        """
        batch = images[0][None] if len(images) == 1 else np.stack(images)  # one picture is not copied
        if placements is None:
            placements = [Placement(batch.shape[2], batch.shape[1], 0, 0, 1, 1)] * len(batch)
        outputs = self.runtime.run(batch)
        if short := [name for name, values in outputs.items() if len(values) != len(batch)]:
            raise RuntimeFault(f"network gave {len(outputs[short[0]])} {short[0]} for {len(batch)} pictures")
        return self.head.predict(outputs, placements)

    def knowing(self, references: References | None, expected: str | None) -> Model:
        """Return this network with other enrolled variants, or its own, and the one to expect.

        Raises:
            EnrolmentError: it makes no embeddings, or the expected variant is not among those known.
        """
        if not isinstance(self.head, EmbedHead):
            raise EnrolmentError("recipe: enrolment, expected: only a bundle of task embed knows variants")
        head = self.head if references is None else self.head.enrolled(references, None)
        if expected is not None and expected not in head.variants:
            raise EnrolmentError(f"recipe: expected: no variant {expected!r}; known: {', '.join(head.variants)}")
        return replace(self, head=head.enrolled(head.references, expected))

    def names(self) -> tuple[str, ...] | None:
        """Return what the class probabilities stand for, where that is not the manifest's classes."""
        return self.head.variants if isinstance(self.head, EmbedHead) else None

    def describe(self) -> Mapping[str, str]:
        return {**self.runtime.describe(), "precision": self.precision}


def load_model(bundle: Bundle, precision: Precision = "cpu-int8", settings: RuntimeSettings | None = None) -> Model:
    """Load a bundle's network at a precision; raise BundleError for a precision that it lacks.

    Where the precision is given there is nothing to choose: `auto` is then the reference, ONNX Runtime.
    """
    if settings is not None and settings.kind == AUTO:
        settings = RuntimeSettings(threads=settings.threads)
    head = load_head(bundle.manifest, bundle.calibration(precision))
    runtime = load_runtime(bundle.model_path(precision), settings or RuntimeSettings())
    return Model(runtime, head, precision)
