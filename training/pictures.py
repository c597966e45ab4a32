"""Pictures as training sees them: decoded and preprocessed once, then kept in memory as uint8."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspector.dataset import Sample
from inspector.errors import DatasetError
from inspector.preprocess import InputSpec, preprocess, read_image
from training.recipe import InputRecipe

MASK_SHARE = 0.12
"""A pixel of the fitted mask counts as defective where at least this share of it was; keeps hairline cracks."""
LARGEST_PX, SMALLEST_PX, STEP_PX = 320, 96, 32
LOOKED_AT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The pictures of one part, in the order of its samples."""

    samples: tuple[Sample, ...]
    images: Tensor
    """(N, 3, H, W) uint8 BGR."""
    masks: Tensor
    """(N, H, W) uint8, 1 is defective."""
    has_mask: Tensor
    """(N,) float32: 1 where the mask is known, which it is for every good part."""
    labels: Tensor
    """(N,) int64, positions in the classes."""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(sample.group for sample in self.samples)

    def is_defect(self, good_columns: Sequence[int]) -> NDArray[np.bool_]:
        """(N,) truth."""
        return ~np.isin(self.labels.numpy(), list(good_columns))

    def nhwc(self) -> NDArray[np.uint8]:
        """(N, H, W, 3) uint8 BGR, as the exported graph takes it."""
        return np.ascontiguousarray(self.images.permute(0, 2, 3, 1).numpy())


def choose_input(samples: Sequence[Sample], recipe: InputRecipe) -> InputSpec:
    """The input's size as the recipe says; what it leaves open is a square near the longer side of the pictures.

    Larger than the pictures adds nothing; above 320 px a step on a processor becomes too slow. Padding is grey.
    """
    some = samples[:: max(1, len(samples) // LOOKED_AT)]
    longer = float(np.median([max(read_image(sample.path).shape[:2]) for sample in some]))
    side = int(min(LARGEST_PX, max(SMALLEST_PX, -(-longer // STEP_PX) * STEP_PX)))
    return InputSpec(height=recipe.height or side, width=recipe.width or side, fit=recipe.fit)


def load_pictures(samples: Sequence[Sample], classes: Sequence[str], good: Sequence[str], spec: InputSpec) -> Pictures:
    """Read every image (and mask), reporting every unreadable one at once."""
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="load-pictures") as pool:
        images = list(pool.map(lambda sample: preprocess(read_image(sample.path), spec), samples))
        masks = list(pool.map(lambda sample: _mask(sample, spec), samples))
    known = [sample.label in good or bool(mask.any()) for sample, mask in zip(samples, masks, strict=True)]
    return Pictures(
        samples=tuple(samples),
        images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(),
        masks=torch.from_numpy(np.stack(masks)),
        has_mask=torch.tensor(known, dtype=torch.float32),
        labels=torch.tensor([classes.index(sample.label) for sample in samples]),
    )


def _mask(sample: Sample, spec: InputSpec) -> NDArray[np.uint8]:
    """(H, W) uint8 of 0 and 1; all 0 where the index names no mask."""
    if sample.mask_path is None:
        return np.zeros((spec.height, spec.width), np.uint8)
    mask = read_image(sample.mask_path)
    image = read_image(sample.path)
    if mask.shape != image.shape:
        raise DatasetError(f"{sample.mask_path}: expected the size of its image, {image.shape[1]} x {image.shape[0]}")
    fitted = preprocess(mask, spec.model_copy(update={"pad_value": 0}))
    return (fitted[:, :, 0] > 255 * MASK_SHARE).astype(np.uint8)
