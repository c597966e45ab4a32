"""The one deep entry point: frames of a part in, its verdict out.

The station, `inspector evaluate`, `inspector predict`, back-tests and the desktop's what-if all call it unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from inspector.bundle import Bundle
from inspector.errors import BundleError, RuntimeFault, UnreadableImage
from inspector.model import Model, load_model
from inspector.preprocess import preprocess, read_image, require_8_bit
from inspector.quality import assess
from inspector.recipe import Recipe
from inspector.values import Frame, Image, PartResult, Prediction, Quality, Verdict, ViewInspection
from inspector.verdict import combine, decide, not_inspected

_GOLDEN_TOLERANCE = 0.05
"""Largest difference of a golden sample's probability: int8 kernels of other processors round differently."""


class Inspector:
    """A bundle and a recipe, ready to judge parts. Not thread-safe: one per inspecting thread."""

    def __init__(self, bundle: Bundle, recipe: Recipe | None = None, model: Model | None = None) -> None:
        self.bundle = bundle
        self.recipe = recipe or Recipe()
        self.policy = self.recipe.policy or bundle.manifest.limits
        self._model = model or load_model(bundle, self.recipe.precision, self.recipe.runtime)

    def inspect(self, frames: Sequence[Frame]) -> PartResult:
        """Judge one part from its frames, one per view. Never raises for a bad picture or a failing network.

        A picture unfit to be judged gives REVIEW, a network that raises or answers NaN gives NOT_INSPECTED.
        """
        views = tuple(self._inspect_view(frame) for frame in frames)
        return PartResult(combine([view.verdict for view in views]), views)

    def describe(self) -> dict[str, str]:
        """Return what runs where: runtime, device, threads, precision."""
        return dict(self._model.describe())

    def predict_preprocessed(self, images: Sequence[Image]) -> list[Prediction]:
        """Predict pictures that are preprocessed already, each of the bundle's input size; raise RuntimeFault."""
        return self._model.predict(images)

    def self_test(self) -> int:
        """Inspect the bundle's golden samples and return their number; raise BundleError for the first that differs."""
        for sample in self.bundle.golden:
            expected = sample.expected.get(self.recipe.precision)
            if expected is None:
                continue
            path = self.bundle.path / "golden" / sample.file
            prediction = self._model.predict([preprocess(read_image(path), self.bundle.manifest.input)])[0]
            outcome = decide(_UNSEEN, prediction, self.bundle.manifest.limits).outcome
            difference = abs(prediction.defect_probability - expected.defect_probability)
            if outcome is not expected.outcome or difference > _GOLDEN_TOLERANCE:
                raise BundleError(
                    f"{path}: golden self-test: {outcome} at {prediction.defect_probability:.4f}, expected "
                    f"{expected.outcome} at {expected.defect_probability:.4f}"
                )
        return len(self.bundle.golden)

    def _inspect_view(self, frame: Frame) -> ViewInspection:
        try:
            require_8_bit(frame.image)
        except UnreadableImage as error:
            verdict = not_inspected(f"unreadable frame: {error}")
            return ViewInspection(frame.camera, frame.sequence, frame.source, _UNSEEN, None, verdict)
        started = time.perf_counter()
        quality = assess(frame, self.recipe.quality)
        assessed = time.perf_counter()
        prediction, verdict, preprocessed = self._judge(frame, quality)
        inferred = time.perf_counter()
        timings = {
            "assess": (assessed - started) * 1e3,
            "preprocess": (preprocessed - assessed) * 1e3,
            "infer": (inferred - preprocessed) * 1e3,
        }
        return ViewInspection(frame.camera, frame.sequence, frame.source, quality, prediction, verdict, timings)

    def _judge(self, frame: Frame, quality: Quality) -> tuple[Prediction | None, Verdict, float]:
        preprocessed = time.perf_counter()
        try:
            picture = preprocess(frame.image, self.bundle.manifest.input, self.recipe.roi)
            preprocessed = time.perf_counter()
            prediction = self._model.predict([picture])[0]
        except UnreadableImage as error:
            return None, not_inspected(f"unreadable frame: {error}"), preprocessed
        except RuntimeFault as error:
            return None, not_inspected(f"runtime: {error}"), preprocessed
        return prediction, decide(quality, prediction, self.policy), preprocessed


_UNSEEN = Quality(focus=0.0, brightness=0.0, dark_share=0.0, saturated_share=0.0)
"""No figures: golden samples are preprocessed pictures, and an unreadable frame has none."""
