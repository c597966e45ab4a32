"""Pictures with their true boxes as the network sees them, decoded once and kept in memory as uint8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.errors import DatasetError
from inspector.preprocess import read_image
from inspector.samples import Sample
from inspector.truth import Boxes, read_boxes
from training.detect.variation import Boxed, visible
from training.viewed import Viewed

STEP_PX = 32
SMALLEST_PX, LARGEST_PX = 96, 640
LOOKED_AT = 64
FINEST_CELLS, COARSEST_CELLS = 1.75, 8.0
STRIDES = (4, 8, 16, 32)
LEAST_IN_TILE = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class BoxedPictures:
    """The pictures of one part, in the order of its samples; all tiles in a row where frames are cut."""

    samples: tuple[Sample, ...]
    boxed: tuple[Boxed, ...]

    def __len__(self) -> int:
        return len(self.boxed)


def box_classes(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Labels of boxes in these samples, sorted; raise DatasetError where there is none."""
    labels = {label for sample in samples for label in read_boxes(sample).labels}
    if not labels:
        raise DatasetError("boxes_path: expected boxes in train, found none; a detector learns from boxes")
    return tuple(sorted(labels))


def choose_side(samples: Sequence[Sample]) -> int:
    """A square near the longer side of the pictures, at most 640 px; larger pictures are shrunk."""
    some = samples[:: max(1, len(samples) // LOOKED_AT)]
    longer = float(np.median([max(read_image(sample.path).shape[:2]) for sample in some]))
    return nearest_size(longer)


def nearest_size(length: float) -> int:
    """A side of the input near `length` px, one that the coarsest level divides."""
    return int(min(LARGEST_PX, max(SMALLEST_PX, -(-length // STEP_PX) * STEP_PX)))


def choose_strides(pictures: BoxedPictures) -> tuple[int, ...]:
    """Levels of the pyramid that these boxes need, at least two.

    The finest has 1.75 cells on the shorter side of all but the smallest twentieth of the boxes, the coarsest not
    more than eight cells on the longer side of all but the largest twentieth.
    """
    sides = np.concatenate([boxed.boxes[:, 2:] - boxed.boxes[:, :2] for boxed in pictures.boxed])
    shorter, longer = np.quantile(sides.min(axis=1), 0.05), np.quantile(sides.max(axis=1), 0.95)
    finest = max((s for s in STRIDES[:-1] if s * FINEST_CELLS <= shorter), default=STRIDES[0])
    enough = [stride for stride in STRIDES if stride * COARSEST_CELLS >= longer]
    coarsest = max(finest * 2, enough[0] if enough else STRIDES[-1])
    return tuple(stride for stride in STRIDES if finest <= stride <= coarsest)


def with_boxes(viewed: Viewed, classes: Sequence[str], good: Sequence[str]) -> BoxedPictures:
    """Lay the true boxes on pictures as the station sees them; raise DatasetError for boxes that cannot be learnt.

    Of a tile, a box of which less than `LEAST_IN_TILE` is in it is left out; it lies whole in the next one.
    """
    boxed = []
    for index, sample in enumerate(viewed.samples):
        places = viewed.places(index)
        truth = _truth(sample, (places[0].frame_height, places[0].frame_width), good)
        columns = _columns(truth, classes, sample)
        for pixels, place in zip(viewed.pictures(index), places, strict=True):
            corners = place.boxes_to_input(truth.xyxy).astype(np.float32)
            side = (pixels.shape[0], pixels.shape[1])
            boxed.append(Boxed(pixels, *visible(corners, columns, side, LEAST_IN_TILE)))
    return BoxedPictures(viewed.samples, tuple(boxed))


def _truth(sample: Sample, shape: tuple[int, int], good: Sequence[str]) -> Boxes:
    if sample.boxes_path is None and sample.label not in good:
        raise DatasetError(f"{sample.path}: boxes_path: expected a file of boxes for this defective part, found none")
    return read_boxes(sample, shape)


def _columns(truth: Boxes, classes: Sequence[str], sample: Sample) -> NDArray[np.int64]:
    if unknown := sorted(set(truth.labels) - set(classes)):
        expected = ", ".join(classes)
        raise DatasetError(f"{sample.boxes_path}: label: expected one of train ({expected}), found {unknown[0]}")
    return np.array([classes.index(label) for label in truth.labels], np.int64)
