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
from inspector.preprocess import InputSpec, preprocess, read_image
from inspector.truth import has_mask, read_mask
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
    """Read every picture and what is known of its defects; raise UnreadableImage, DatasetError naming the file."""
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="load-pictures") as pool:
        pairs = list(pool.map(lambda sample: _load(sample, spec), samples))
    masks = [mask for _, mask in pairs]
    known = [sample.label in good or bool(mask.any()) for sample, mask in zip(samples, masks, strict=True)]
    return Pictures(
        samples=tuple(samples),
        images=torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2).contiguous(),
        masks=torch.from_numpy(np.stack(masks)),
        has_mask=torch.tensor(known, dtype=torch.float32),
        labels=torch.tensor([classes.index(sample.label) for sample in samples]),
    )


def _load(sample: Sample, spec: InputSpec) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Picture (H, W, 3) and mask (H, W) of 0 and 1 at the input's size; all 0 where nothing is known pixel by pixel."""
    image = read_image(sample.path)
    picture = preprocess(image, spec)
    if not has_mask(sample):
        return picture, np.zeros(picture.shape[:2], np.uint8)
    drawn = read_mask(sample, (image.shape[0], image.shape[1])).astype(np.uint8) * 255
    fitted = preprocess(drawn, spec.model_copy(update={"pad_value": 0}))
    return picture, (fitted[:, :, 0] > 255 * MASK_SHARE).astype(np.uint8)
