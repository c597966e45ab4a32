from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from inspector.bundle import load_bundle, write_bundle
from inspector.inspection import Inspector
from inspector.preprocess import Roi
from inspector.recipe import Recipe
from inspector.values import Frame, Outcome
from inspector.verdict import Policy
from tests.conftest import brightness_network, bundle_files, manifest

MakeImage = Callable[[int, int], np.ndarray]
DTYPES = ["uint8", "uint16", "int8", "int32", "float32", "float64", "bool", "complex64", "S3", "M8[s]"]


def frame(image: np.ndarray, sequence: int = 0) -> Frame:
    return Frame(image, "camera-1", sequence, datetime.now(UTC), f"part-{sequence}.png")


@pytest.fixture(scope="module")
def inspector(bundle_path: Path) -> Inspector:
    return Inspector(load_bundle(bundle_path))


@pytest.fixture(scope="module")
def by_fit(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory, inspector: Inspector) -> dict[str, Inspector]:
    spec = inspector.bundle.manifest.input.model_copy(update={"fit": "letterbox"})
    out = tmp_path_factory.mktemp("letterbox")
    boxed = write_bundle(out, manifest(input=spec), bundle_files(brightness_network()))
    cropped = Recipe(roi=Roi(x=3, y=5, width=20, height=9))
    return {
        "stretch": inspector,
        "letterbox": Inspector(load_bundle(boxed)),
        "region": Inspector(load_bundle(boxed), cropped),
    }


@pytest.mark.parametrize(
    ("level", "expected"), [(40, Outcome.REJECT), (128, Outcome.REVIEW), (215, Outcome.PASS)], ids=str
)
def test_a_part_gets_the_verdict_of_its_brightness(
    inspector: Inspector, part_image: MakeImage, level: int, expected: Outcome
) -> None:
    part = inspector.inspect([frame(part_image(level, 0), 7)])
    assert part.verdict.outcome is expected
    view = part.views[0]
    assert (view.camera, view.sequence, view.source, view.verdict) == ("camera-1", 7, "part-7.png", part.verdict)
    assert set(view.timings_ms) == {"assess", "preprocess", "infer"}
    assert all(duration >= 0 for duration in view.timings_ms.values())


def test_inspection_is_repeatable_to_the_last_digit(inspector: Inspector, part_image: MakeImage) -> None:
    first, second = (inspector.inspect([frame(part_image(130, 3))]).verdict for _ in range(2))
    assert first == second


def test_a_part_of_several_views_has_the_verdict_of_the_worst(inspector: Inspector, part_image: MakeImage) -> None:
    part = inspector.inspect([frame(part_image(level, 0), n) for n, level in enumerate((215, 40, 220))])
    assert part.verdict.outcome is Outcome.REJECT
    assert [view.verdict.outcome for view in part.views] == [Outcome.PASS, Outcome.REJECT, Outcome.PASS]


def test_an_unusable_frame_goes_to_review_with_its_prediction(inspector: Inspector) -> None:
    part = inspector.inspect([frame(np.full((96, 128, 3), 215, np.uint8))])
    assert part.verdict.outcome is Outcome.REVIEW
    assert part.verdict.reasons == ("focus 0.0 below 1",)
    assert part.views[0].prediction is not None


def test_the_recipes_policy_goes_before_the_bundles(bundle_path: Path, part_image: MakeImage) -> None:
    strict = Inspector(load_bundle(bundle_path), Recipe(policy=Policy(pass_below=0, reject_above=0)))
    assert strict.inspect([frame(part_image(215, 0))]).verdict.outcome is Outcome.REJECT


def test_only_the_region_of_interest_is_judged(bundle_path: Path, part_image: MakeImage) -> None:
    image = part_image(40, 0)
    image[10:60, 20:90] = part_image(215, 1)[10:60, 20:90]
    recipe = Recipe(roi=Roi(x=20, y=10, width=70, height=50))
    assert Inspector(load_bundle(bundle_path), recipe).inspect([frame(image)]).verdict.outcome is Outcome.PASS


def test_a_region_outside_the_frame_is_no_inspection(bundle_path: Path, part_image: MakeImage) -> None:
    recipe = Recipe(roi=Roi(x=5000, y=0, width=70, height=50))
    verdict = Inspector(load_bundle(bundle_path), recipe).inspect([frame(part_image(215, 1))]).verdict
    assert verdict.outcome is Outcome.NOT_INSPECTED
    assert "lies outside the 128x96 frame" in verdict.reasons[0]


@given(
    image=st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=12))
    ),
    fit=st.sampled_from(["stretch", "letterbox", "region"]),
)
def test_no_array_whatever_raises_and_none_but_a_picture_is_passed(
    by_fit: dict[str, Inspector], image: np.ndarray, fit: str
) -> None:
    verdict = by_fit[fit].inspect([frame(image)]).verdict
    is_picture = (
        image.dtype == np.uint8
        and image.size > 0
        and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3)))
    )
    if not is_picture:
        assert verdict.outcome is Outcome.NOT_INSPECTED
    assert verdict.outcome is Outcome.PASS or verdict.reasons


@given(
    shape=st.tuples(st.integers(1, 2000), st.integers(1, 40), st.sampled_from([1, 3])),
    turned=st.booleans(),
    fit=st.sampled_from(["stretch", "letterbox", "region"]),
)
def test_a_frame_of_any_proportions_gets_a_verdict(
    by_fit: dict[str, Inspector], shape: tuple[int, int, int], turned: bool, fit: str
) -> None:
    image = np.full(shape, 200, np.uint8)
    verdict = by_fit[fit].inspect([frame(image.swapaxes(0, 1) if turned else image)]).verdict
    assert verdict.outcome in (Outcome.REVIEW, Outcome.NOT_INSPECTED), "even grey is out of focus"


def test_a_network_that_answers_nan_inspects_nothing(tmp_path: Path, part_image: MakeImage) -> None:
    bundle = write_bundle(tmp_path, manifest(), bundle_files(brightness_network(float("nan"))))
    part = Inspector(load_bundle(bundle)).inspect([frame(part_image(215, 0))])
    assert part.verdict.outcome is Outcome.NOT_INSPECTED
    assert part.verdict.reasons == ("runtime: network gave logits that are not numbers",)
    assert part.views[0].prediction is None


def test_a_network_that_raises_inspects_nothing(tmp_path: Path, part_image: MakeImage) -> None:
    spec = manifest().input.model_copy(update={"width": 48})
    bundle = write_bundle(tmp_path, manifest(input=spec), bundle_files(brightness_network()))
    part = Inspector(load_bundle(bundle)).inspect([frame(part_image(215, 0))])
    assert part.verdict.outcome is Outcome.NOT_INSPECTED
    assert part.verdict.reasons[0].startswith("runtime: ONNX Runtime: ")
    assert "\n" not in part.verdict.reasons[0]


def test_a_frame_is_assessed_once_by_whoever_comes_first(inspector: Inspector, part_image: MakeImage) -> None:
    shown = frame(part_image(215, 0))
    later = inspector.prepare_pictures(shown)
    assert later.assessment.took_ms == 0
    view = inspector.judge([later]).views[0]
    assert view.quality == inspector.prepare(shown).assessment.quality()
    assert view.timings_ms["assess"] == later.assessment.took_ms > 0
    assert later.assessment.quality() is view.quality
