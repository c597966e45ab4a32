"""Pictures as the station would see them, each with its place in its frame."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.dataset import Sample
from inspector.errors import DatasetError
from inspector.preprocess import InputSpec, Placement, placement, preprocess, read_image


@dataclass(frozen=True, slots=True, eq=False)
class Viewed:
    """The pictures of one part of the data set, in the order of its samples."""

    samples: tuple[Sample, ...]
    images: NDArray[np.uint8]
    """(N, H, W, 3) BGR, or (N, H, W, 6) with the golden template behind the picture."""
    placements: tuple[Placement, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def is_defect(self, good: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) truth."""
        return np.array([sample.label not in good for sample in self.samples], dtype=bool)


def view(samples: Sequence[Sample], spec: InputSpec, good: Sequence[str] = (), *, template: bool = False) -> Viewed:
    """Read and preprocess; a good part without a golden template is its own. Raises UnreadableImage, DatasetError."""
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="view") as pool:
        looks = list(pool.map(lambda sample: _look(sample, spec, good, template=template), samples))
    return Viewed(tuple(samples), np.stack([image for image, _ in looks]), tuple(place for _, place in looks))


def _look(
    sample: Sample, spec: InputSpec, good: Sequence[str], *, template: bool
) -> tuple[NDArray[np.uint8], Placement]:
    frame = read_image(sample.path)
    picture = preprocess(frame, spec)
    if template:
        picture = np.concatenate([picture, preprocess(read_image(template_path(sample, good)), spec)], axis=2)
    return picture, placement(frame.shape, spec)


def template_path(sample: Sample, good: Sequence[str]) -> Path:
    """Return where the sample's golden template lies; raise DatasetError where it needs one and has none."""
    if sample.template_path is None and sample.label not in good:
        raise DatasetError(f"{sample.path}: template_path: expected a golden template, which the network compares with")
    return sample.template_path or sample.path
