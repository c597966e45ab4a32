"""Everything a segmenter's run works on: four parts of one data set, preprocessed alike, with masks to the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.dataset import Dataset
from inspector.errors import DatasetError
from inspector.preprocess import InputSpec, preprocess, read_image
from inspector.samples import Sample
from inspector.truth import has_mask, read_mask
from training.pictures import Pictures
from training.segment.recipe import DecoderRecipe, SegmentRecipe
from training.splits import Parts, cut_parts
from training.viewed import Viewed, view

STEP_PX = 32
SMALLEST_PX = 96
LOOKED_AT = 64
SMALL = 0.05
"""Share of the defects that may be smaller on the input than the recipe wants."""
STRIPES = 1.5
"""Pictures whose longer side is at least this many times the shorter one, all the same way, keep their proportions."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentMaterial:
    """Only `fit` is trained on; see `training.splits.Parts`."""

    parts: Parts
    spec: InputSpec
    labels: tuple[str, ...]
    """Of the samples, sorted."""
    good: tuple[str, ...]
    fit: Pictures
    selection: Pictures
    calibration: Pictures
    held: Viewed
    """The calibration part as the station sees it."""
    validation: Viewed

    @property
    def kinds(self) -> tuple[str, ...]:
        """Labels of defects: what a finding can be."""
        return tuple(label for label in self.labels if label not in self.good)

    @property
    def kind_columns(self) -> tuple[int, ...]:
        return tuple(self.labels.index(label) for label in self.kinds)

    @property
    def good_columns(self) -> tuple[int, ...]:
        return tuple(self.labels.index(label) for label in self.good)

    def summary(self) -> str:
        counts = ", ".join(f"{name} {len(samples)}" for name, samples in self.parts.named().items())
        masks = int(self.fit.masks.flatten(1).any(1).sum())
        size = f"{self.spec.width} x {self.spec.height} px"
        return f"kinds: {', '.join(self.kinds)}; images: {counts}; {masks} masks to fit on; input {size}"


def load_segment_material(dataset: Dataset, recipe: SegmentRecipe, seed: int) -> SegmentMaterial:
    """Cut the parts and bring their pictures and masks into memory; raise DatasetError where no mask teaches."""
    parts = cut_parts(dataset, recipe.parts, seed)
    labels = tuple(sorted({sample.label for sample in parts.fit}))
    good = tuple(label for label in labels if label in dataset.good)
    spec = choose_segment_input(parts.fit, recipe)
    fitting = load_masked(parts.fit, labels, good, spec)
    if not fitting.masks.any():
        raise DatasetError(f"{dataset.folder}: mask_path: expected masks of defects in train, found none")
    return SegmentMaterial(
        parts=parts,
        spec=spec,
        labels=labels,
        good=good,
        fit=fitting,
        selection=load_masked(parts.selection, labels, good, spec),
        calibration=load_masked(parts.calibration, labels, good, spec),
        held=view(parts.calibration, spec),
        validation=view(parts.validation, spec),
    )


def choose_segment_input(samples: Sequence[Sample], recipe: SegmentRecipe) -> InputSpec:
    """The input's size as the recipe says; what it leaves open has the pictures' own size, or what defects need.

    Pictures of different proportions are brought to a square, so that they can be turned by quarters.
    """
    some = samples[:: max(1, len(samples) // LOOKED_AT)]
    height, width = proportions(np.array([read_image(sample.path).shape[:2] for sample in some], float))
    shrink = min(1.0, (needed_px(samples, recipe.decoder) / (height * width)) ** 0.5)
    sides = [max(SMALLEST_PX, round(side * shrink / STEP_PX) * STEP_PX) for side in (height, width)]
    return InputSpec(height=recipe.input.height or sides[0], width=recipe.input.width or sides[1], fit=recipe.input.fit)


def needed_px(samples: Sequence[Sample], recipe: DecoderRecipe) -> float:
    """Px of an input on which all but the smallest twentieth of the defects have `defect_px`, within the limits."""
    masked = [sample for sample in samples if has_mask(sample)]
    shares = [float(read_mask(sample).mean()) for sample in masked[:: max(1, len(masked) // LOOKED_AT)]]
    small = np.quantile([share for share in shares if share > 0] or [1.0], SMALL)
    return float(np.clip(recipe.defect_px / small, recipe.least_px, max(recipe.least_px, recipe.most_px)))


def proportions(sizes: NDArray[np.float64]) -> tuple[float, float]:
    """Median height and width of pictures (N, 2) that are all alike oblong; else twice their median longer side."""
    oblong = np.log(sizes[:, 1] / sizes[:, 0])
    low, high = np.quantile(oblong, [0.1, 0.9])
    if min(abs(low), abs(high)) >= np.log(STRIPES) and low * high > 0:
        return float(np.median(sizes[:, 0])), float(np.median(sizes[:, 1]))
    side = float(np.median(sizes.max(axis=1)))
    return side, side


def load_masked(samples: Sequence[Sample], classes: Sequence[str], good: Sequence[str], spec: InputSpec) -> Pictures:
    """Read every image and mask. A defective part without a mask, or with an empty one, teaches no pixels."""
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="load-masked") as pool:
        pairs = list(pool.map(lambda sample: _load(sample, spec), samples))
    known = [sample.label in good or bool(mask.any()) for sample, (_, mask) in zip(samples, pairs, strict=True)]
    return Pictures(
        samples=tuple(samples),
        images=torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2).contiguous(),
        masks=torch.from_numpy(np.stack([mask for _, mask in pairs])),
        has_mask=torch.tensor(known, dtype=torch.float32),
        labels=torch.tensor([classes.index(sample.label) for sample in samples]),
    )


def _load(sample: Sample, spec: InputSpec) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Picture (H, W, 3) and mask (H, W) of 0 and 1 at the input's size: 1 where most of the pixel is defective."""
    image = read_image(sample.path)
    picture = preprocess(image, spec)
    if not has_mask(sample):
        return picture, np.zeros(picture.shape[:2], np.uint8)
    drawn = read_mask(sample, (image.shape[0], image.shape[1])).astype(np.uint8) * 255
    fitted = preprocess(drawn, spec.model_copy(update={"pad_value": 0}))
    return picture, (fitted[:, :, 0] > 127).astype(np.uint8)
