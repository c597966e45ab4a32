"""The one deep entry point: frames of a part in, its verdict out.

The station, `inspector evaluate`, `inspector predict`, back-tests and the desktop's what-if all call it unchanged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from inspector.bundle import Bundle, GoldenSample
from inspector.enrolment import load_enrolment, require_fit
from inspector.errors import BundleError, RuntimeFault, UnreadableImage
from inspector.fallback import SteadyModel
from inspector.model import AUTO, Model, load_model
from inspector.post import Post
from inspector.preprocess import Placement, Roi, placement, preprocess, read_image, require_8_bit
from inspector.quality import assess
from inspector.recipe import Recipe
from inspector.rules import apply_rules
from inspector.tiling import merge, windows
from inspector.values import Frame, Image, Outcome, PartResult, Prediction, Quality, Verdict, ViewInspection
from inspector.verdict import combine, decide, not_inspected

GOLDEN_TOLERANCE = 0.05
"""Largest difference of a golden sample's probability: int8 kernels of other processors round differently."""
OTHER_LIBRARY_TOLERANCE = 0.12
"""The same for libraries other than ONNX Runtime, which recorded them: int8 sums are rounded in other places (0.30 of
a logit between ONNX Runtime and OpenVINO on the demo's bundle, 0.07 of a probability). The outcome must not change."""


class Assessment:
    """A frame's quality, found once: by the thread that prepares, or by the first that asks."""

    __slots__ = ("_find", "_lock", "_quality", "took_ms")

    def __init__(self, find: Callable[[], Quality]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._quality: Quality | None = None
        self.took_ms = 0.0
        """What finding it took, of a monotonic clock; 0 before."""

    def quality(self) -> Quality:
        """Return it; where another thread is finding it just now, wait. Any thread may call this."""
        with self._lock:
            if self._quality is None:
                started = time.perf_counter()
                self._quality = self._find()
                self.took_ms = (time.perf_counter() - started) * 1e3
            return self._quality


@dataclass(frozen=True, slots=True, eq=False)
class PreparedView:
    """A frame made ready for the network; without a picture, `fault` says why."""

    frame: Frame
    assessment: Assessment
    pictures: tuple[Image, ...]
    """Each (H, W, 3) uint8 BGR of the bundle's input size, (H, W, 6) with the golden template; one but for tiles."""
    placements: tuple[Placement, ...]
    fault: str | None
    timings_ms: Mapping[str, float]
    tiles: tuple[Roi, ...] = ()
    """Which part of the frame each picture shows, where the frame was cut."""


class Inspector:
    """A bundle and a recipe, ready to judge parts. Not thread-safe: one per inspecting thread."""

    def __init__(
        self, bundle: Bundle, recipe: Recipe | None = None, model: Model | None = None, post: Post | None = None
    ) -> None:
        self.bundle = bundle
        self.recipe = recipe or Recipe()
        self.policy = self.recipe.policy or bundle.manifest.limits
        self._own_model: Model | SteadyModel = model or self._ready(post)
        self._model = _with_variants(self._own_model, bundle, self.recipe)
        self._template = read_image(self.recipe.template) if self.recipe.template else None

    def _ready(self, post: Post | None) -> Model | SteadyModel:
        """Load the network; for `auto`, the recipe becomes the one that says what was chosen."""
        if self.recipe.runtime.kind != AUTO and post is None:
            return load_model(self.bundle, self.recipe.precision, self.recipe.runtime)
        # Choosing measures with inspectors of its own, so it can only be imported when it is asked for.
        from inspector.choice import ready_model

        model, self.recipe = ready_model(self.bundle, self.recipe, post)
        return model

    @property
    def faults(self) -> Sequence[str]:
        """Runtimes that failed since the start and what took over, in that order."""
        return self._model.faults if isinstance(self._model, SteadyModel) else ()

    def inspect(self, frames: Sequence[Frame]) -> PartResult:
        """Judge one part from its frames, one per view. Never raises for a bad picture or a failing network.

        A picture unfit to be judged gives REVIEW; an unreadable one, or a network that raises or answers NaN, gives
        NOT_INSPECTED. The same as `judge` of what `prepare` makes of each frame.
        """
        return self.judge([self.prepare(frame) for frame in frames])

    def prepare(self, frame: Frame) -> PreparedView:
        """Preprocess and assess a frame. Any thread may call it, also while another judges."""
        view = self.prepare_pictures(frame)
        view.assessment.quality()
        return view

    def prepare_pictures(self, frame: Frame) -> PreparedView:
        """Preprocess a frame. Its quality is wanted once the network has answered, and is found when asked for."""
        started = time.perf_counter()
        try:
            require_8_bit(frame.image)
            tiles = self._tiles(frame)
            regions = tiles or (self.recipe.roi,)
            pictures = tuple(self._picture(frame, region) for region in regions)
        except UnreadableImage as error:
            return PreparedView(frame, Assessment(lambda: _UNSEEN), (), (), f"unreadable frame: {error}", {})
        timings = {"preprocess": (time.perf_counter() - started) * 1e3}
        spec = self.bundle.manifest.input
        placements = tuple(placement(frame.image.shape, spec, region) for region in regions)
        assessment = Assessment(partial(assess, frame, self.recipe.quality))
        return PreparedView(frame, assessment, pictures, placements, None, timings, tiles)

    def _tiles(self, frame: Frame) -> tuple[Roi, ...]:
        tiles = self.bundle.manifest.tiles
        return windows(frame.image.shape, tiles, self.recipe.roi) if tiles else ()

    def _picture(self, frame: Frame, region: Roi | None) -> Image:
        compared = (self._template_of(frame),) if self.bundle.manifest.template else ()
        return self._fitted((frame.image, *compared), region)

    def _template_of(self, frame: Frame) -> Image:
        template = self._template if frame.template is None else frame.template
        if template is None:
            raise UnreadableImage("no golden template; expected one with the frame or `template` in the recipe")
        if template.shape[:2] != frame.image.shape[:2]:
            raise UnreadableImage(
                f"golden template is {template.shape[1]}x{template.shape[0]} px; expected the frame's "
                f"{frame.image.shape[1]}x{frame.image.shape[0]}"
            )
        return template

    def judge(self, views: Sequence[PreparedView]) -> PartResult:
        """Infer, calibrate, decide and combine. Only one thread at a time.

        Several views run through the network together, which is cheaper; where that fails, one by one, so that a view
        which the network does not take costs the others nothing.
        """
        started = time.perf_counter()
        together = self._predict_together(views) if len(views) > 1 else None
        share_ms = (time.perf_counter() - started) * 1e3 / len(views) if together else 0.0
        judged = tuple(self._judge_view(view, together, share_ms) for view in views)
        return PartResult(combine([view.verdict for view in judged]), judged)

    def _predict_together(self, views: Sequence[PreparedView]) -> Iterator[list[Prediction]] | None:
        """Return the predictions of each view that has pictures, in their order; None where the network failed."""
        seen = [view for view in views if view.pictures]
        pictures = [picture for view in seen for picture in view.pictures]
        if not pictures:
            return None
        try:
            predictions = iter(self._model.predict(pictures, [place for view in seen for place in view.placements]))
        except RuntimeFault:
            return None
        return iter([list(islice(predictions, len(view.pictures))) for view in seen])

    @property
    def names(self) -> tuple[str, ...]:
        """What the class probabilities stand for: the bundle's classes, or the enrolled variants."""
        return self._model.names() or self.bundle.manifest.classes

    def is_defect(self, label: str) -> bool:
        """Should a part of this label be stopped? One that is not good; where variants are told apart, a wrong one."""
        if self.bundle.manifest.task == "embed":
            return label != self.recipe.expected if self.recipe.expected else label not in self.names
        return label not in self.bundle.manifest.good

    def describe(self) -> dict[str, str]:
        """Return what runs where: runtime, device, threads, precision."""
        return dict(self._model.describe())

    def warm_up(self) -> None:
        """Run the network once, so that the first part does not pay for lazy allocation; raise RuntimeFault."""
        spec = self.bundle.manifest.input
        self._model.predict(
            [np.full((spec.height, spec.width, 6 if self.bundle.manifest.template else 3), 128, np.uint8)]
        )

    def self_test(self) -> int:
        """Inspect the golden samples recorded at this precision and return their number.

        Raises:
            BundleError: the first sample that differs from what was recorded.
        """
        samples = self.golden_samples()
        for sample in samples:
            self.prove(sample)
        return len(samples)

    def golden_samples(self) -> tuple[GoldenSample, ...]:
        """Return the golden samples recorded at this precision."""
        return tuple(sample for sample in self.bundle.golden if self.recipe.precision in sample.expected)

    def prove(self, sample: GoldenSample) -> None:
        """Inspect one golden sample; raise BundleError where it differs from what was recorded, RuntimeFault."""
        by_recorder = self.recipe.runtime.kind == "onnxruntime"
        tolerance = GOLDEN_TOLERANCE if by_recorder else OTHER_LIBRARY_TOLERANCE
        outcome, probability = self._golden_outcome(sample)
        expected = sample.expected[self.recipe.precision]
        if outcome is not expected.outcome or abs(probability - expected.defect_probability) > tolerance:
            raise BundleError(
                f"{self.bundle.path / 'golden' / sample.file}: golden self-test: {outcome} at {probability:.4f}, "
                f"expected {expected.outcome} at {expected.defect_probability:.4f}, "
                f"on {self.describe()['runtime']} at {self.recipe.precision}"
            )

    def golden_outcomes(self) -> list[tuple[GoldenSample, Outcome, float]]:
        """Judge the golden samples recorded at this precision: outcome and defect probability; raise RuntimeFault."""
        return [(sample, *self._golden_outcome(sample)) for sample in self.golden_samples()]

    def _golden_outcome(self, sample: GoldenSample) -> tuple[Outcome, float]:
        return self.outcome_of_golden(self.bundle.path / "golden" / sample.file)

    def outcome_of_golden(self, picture: Path) -> tuple[Outcome, float]:
        """Judge a golden picture, of this bundle or of another that sees the same; raise RuntimeFault."""
        prediction = self._predict_golden(picture)
        return decide(_UNSEEN, prediction, self.bundle.manifest.limits).outcome, prediction.defect_probability

    def _predict_golden(self, path: Path) -> Prediction:
        """A golden sample holds the template below the picture where the network compares; a frame where it is cut."""
        stored, tiles = read_image(path), self.bundle.manifest.tiles
        middle = len(stored) // 2
        halves = (stored[:middle], stored[middle:]) if self.bundle.manifest.template else (stored,)
        regions = windows(halves[0].shape, tiles) if tiles else ()
        predictions = self._own_model.predict([self._fitted(halves, region) for region in regions or (None,)])
        return merge(predictions, regions) if regions else predictions[0]

    def _fitted(self, pictures: Sequence[Image], region: Roi | None) -> Image:
        fitted = [preprocess(picture, self.bundle.manifest.input, region) for picture in pictures]
        return fitted[0] if len(fitted) == 1 else np.concatenate(fitted, axis=2)

    def _judge_view(
        self, view: PreparedView, together: Iterator[list[Prediction]] | None, share_ms: float
    ) -> ViewInspection:
        started = time.perf_counter()
        prediction, verdict = self._predict(view, together)
        quality, frame = view.assessment.quality(), view.frame
        timings = {"assess": view.assessment.took_ms, **view.timings_ms} if view.pictures else {}
        timings["infer"] = share_ms + (time.perf_counter() - started) * 1e3
        return ViewInspection(frame.camera, frame.sequence, frame.source, quality, prediction, verdict, timings)

    def _predict(
        self, view: PreparedView, together: Iterator[list[Prediction]] | None
    ) -> tuple[Prediction | None, Verdict]:
        if not view.pictures:
            return None, not_inspected(view.fault or "no picture")
        try:
            predictions = next(together) if together else self._model.predict(view.pictures, view.placements)
        except RuntimeFault as error:
            return None, not_inspected(f"runtime: {error}")
        prediction = merge(predictions, view.tiles) if view.tiles else predictions[0]
        quality = view.assessment.quality()
        verdict = decide(quality, prediction, self.policy)
        rules, mm_per_px = self.recipe.rules, self.recipe.mm_per_px
        return prediction, apply_rules(verdict, quality, prediction.findings, rules, mm_per_px)


def _with_variants(model: Model | SteadyModel, bundle: Bundle, recipe: Recipe) -> Model | SteadyModel:
    if recipe.enrolment is None and recipe.expected is None:
        return model
    if recipe.enrolment is None:
        return model.knowing(None, recipe.expected)
    enrolment = load_enrolment(recipe.enrolment)
    require_fit(recipe.enrolment, enrolment, bundle, recipe.precision, recipe.roi)
    return model.knowing(enrolment.references(), recipe.expected)


_UNSEEN = Quality(focus=0.0, brightness=0.0, dark_share=0.0, saturated_share=0.0)
"""No figures: golden samples are preprocessed pictures, and an unreadable frame has none."""
