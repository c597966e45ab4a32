"""What is known of a sample, place by place: boxes and masks, read from whatever its annotation tool wrote.

Coordinates are px of the picture as `inspector.preprocess.read_image` returns it, that is, turned as its EXIF says:
draw boxes and masks on the picture as it is shown. A mask of another size is refused, and so is a box that reaches
more than 2 px over an edge (less is cut off: tools round), which is what a picture turned later looks like. The
names of boxes are those of their file, whatever the sample's own label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.errors import DatasetError
from inspector.marks import Mark, Marks, refuse
from inspector.preprocess import read_image
from inspector.readers import coco, corners, labelme, voc, yolo
from inspector.samples import Sample

SLACK_PX = 2.0
"""A box may reach this far over the edge of its picture; it is cut there."""
FORMS = ".xml (Pascal VOC), .json (labelme or COCO) or .txt (YOLO, or `x1 y1 x2 y2 type`)"


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The boxes of one picture; none for a part without a defect."""

    labels: tuple[str, ...]
    xyxy: NDArray[np.float64]
    """(N, 4) x1, y1, x2, y2 in px of the picture; inside it, and x1 < x2, y1 < y2."""

    def __len__(self) -> int:
        return len(self.labels)


def read_boxes(sample: Sample, shape: tuple[int, int] | None = None) -> Boxes:
    """Return the boxes of a sample; none where it names no file of boxes.

    Args:
        sample: whose `boxes_path` is read. Polygons become the boxes around them.
        shape: (height, width, ...) of the decoded picture, if known: the boxes are held against it, and so is the
            size that the file states. Otherwise the file's word is taken; where it says nothing the picture is read.

    Raises:
        DatasetError: names the file and every row that is malformed, empty, inverted or outside the picture.
    """
    if sample.boxes_path is None:
        return Boxes((), np.zeros((0, 4)))
    marks, size = _sized_marks(sample, shape)
    refuse(sample.boxes_path, list(_box_faults(marks.marks, size)))
    edges = np.array([size[1], size[0], size[1], size[0]], dtype=np.float64)
    xyxy = np.array([mark.corners for mark in marks.marks], dtype=np.float64).reshape(-1, 4)
    return Boxes(tuple(mark.label for mark in marks.marks), np.clip(xyxy, 0, edges))


def read_mask(sample: Sample, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Return where a sample is defective, (H, W) as its picture; all False where nothing is known (`has_mask`).

    A mask file comes first; otherwise the polygons in the file of boxes are filled. In a mask of greys, more than
    127 is defective; one whose only values are 0 and 1 counts as 0 and 255; in a mask of colours (a palette, as
    segmentation tools write them) everything that is not black is.

    Args:
        sample: whose `mask_path`, or else `boxes_path`, is read.
        shape: (height, width, ...) of the decoded picture; None reads it.

    Raises:
        DatasetError: names the file: a mask of another size than the picture, of greys that are neither, or a
            polygon outside the picture.
        UnreadableImage: no picture, or not 8 bits deep.
    """
    size = _size(sample) if shape is None else (shape[0], shape[1])
    if sample.mask_path is not None:
        return _mask_in(sample.mask_path, size)
    mask = np.zeros(size, np.uint8)
    if sample.boxes_path is not None:
        marks, size = _sized_marks(sample, size)
        refuse(sample.boxes_path, list(_box_faults(marks.marks, size)))
        for mark in marks.marks:
            _draw(mark, mask)
    return mask.astype(np.bool_)


def has_mask(sample: Sample) -> bool:
    """Tell whether a sample's defects are known pixel by pixel: a mask file, or outlines and not mere boxes."""
    if sample.mask_path is not None:
        return True
    if sample.boxes_path is None or sample.boxes_path.suffix.lower() == ".xml":
        return False
    marks = read_marks(sample)
    return bool(marks.marks) and all(mark.has_area for mark in marks.marks)


def read_marks(sample: Sample, size: tuple[int, int] | None = None) -> Marks:
    """Return what the file of boxes says, unchecked against the picture; empty where the sample names none.

    `size` (height, width) is what YOLO's shares are of; None reads the picture for it.
    """
    path = sample.boxes_path
    if path is None:
        return Marks(())
    match path.suffix.lower():
        case ".xml":
            return voc.read_marks(path)
        case ".txt" if sample.box_labels:
            return yolo.read_marks(path, sample.box_labels, size or _size(sample))
        case ".txt":
            return corners.read_marks(path)
        case ".json" if sample.boxes_key:
            return coco.read_marks(path, sample.boxes_key)
        case ".json":
            return labelme.read_marks(path, labelme.read_content(path))
    raise DatasetError(f"{path}: expected a file of boxes with suffix {FORMS}")


def _size(sample: Sample) -> tuple[int, int]:
    height, width = read_image(sample.path).shape[:2]
    return height, width


def _sized_marks(sample: Sample, shape: Sequence[int] | None) -> tuple[Marks, tuple[int, int]]:
    size = (shape[0], shape[1]) if shape is not None else None
    marks = read_marks(sample, size)
    if size and marks.size and marks.size != size:
        found = f"{marks.size[1]} x {marks.size[0]}"
        raise DatasetError(
            f"{sample.boxes_path}: expected the size of its picture, {size[1]} x {size[0]} px (as shown: turned as "
            f"its EXIF says), found {found}"
        )
    return marks, size or marks.size or _size(sample)


def _box_faults(marks: Sequence[Mark], size: tuple[int, int]) -> Iterator[str]:
    for mark in marks:
        x1, y1, x2, y2 = mark.corners
        shown = f"({x1:g}, {y1:g}, {x2:g}, {y2:g})"
        if not (x1 < x2 and y1 < y2):
            yield f"{mark.where}: expected a box with x1 < x2 and y1 < y2, found {shown}"
        elif not _is_inside(mark.corners, size):
            yield f"{mark.where}: expected a box inside the picture of {size[1]} x {size[0]} px, found {shown}"


def _is_inside(corners: tuple[float, float, float, float], size: tuple[int, int]) -> bool:
    """Inside but for the slack, and something is left once the slack is cut off."""
    x1, y1, x2, y2 = corners
    height, width = size
    reaches = min(x1, y1) >= -SLACK_PX and x2 <= width + SLACK_PX and y2 <= height + SLACK_PX
    return reaches and x1 < width and y1 < height and x2 > 0 and y2 > 0


def _mask_in(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    mask = read_image(path)
    if mask.shape[:2] != size:
        raise DatasetError(
            f"{path}: expected the size of its picture, {size[1]} x {size[0]} px (as shown: turned as its EXIF "
            f"says), found {mask.shape[1]} x {mask.shape[0]}"
        )
    brightest = mask.max(axis=2)
    if (brightest != mask.min(axis=2)).any():
        return np.asarray(brightest > 0)
    if int(brightest.max()) == 1:
        return np.asarray(brightest == 1)
    if 1 < int(brightest.max()) <= 127:
        values = ", ".join(str(value) for value in np.unique(brightest)[:6])
        raise DatasetError(f"{path}: expected a mask of 0 and 255 (or 0 and 1), found {values}")
    return np.asarray(brightest > 127)


def _draw(mark: Mark, mask: NDArray[np.uint8]) -> None:
    for outline in mark.outlines:
        cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    if mark.patch is not None:
        x, y = max(mark.patch_at[0], 0), max(mark.patch_at[1], 0)
        target = mask[y : y + mark.patch.shape[0], x : x + mark.patch.shape[1]]
        target |= mark.patch[: target.shape[0], : target.shape[1]].astype(np.uint8)
