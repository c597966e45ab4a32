"""Every sample by itself: can its files be read, and do they fit each other?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.dataset import Dataset, Sample
from inspector.documents import read_bytes
from inspector.duplicates import SIDE, small_picture
from inspector.errors import DatasetError, UnreadableImage
from inspector.preprocess import decode_image, read_image
from inspector.truth import has_mask, read_boxes, read_mask
from inspector.values import Image
from training.dataset_check.remarks import Remark, fault, warning

USUAL_SHARE = 0.9
"""Where this share of the pictures has one size, another size is worth a word."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen of one sample. Size is (0, 0) and `small` is flat where the picture cannot be read."""

    sample: Sample
    size: tuple[int, int]
    """Height, width of the picture as shown, px."""
    digest: str
    small: NDArray[np.float32]
    """(1024,): see `inspector.duplicates.small_picture`."""
    boxes: tuple[str, ...]
    """Label of every box."""
    remarks: tuple[Remark, ...]


def look_at_all(dataset: Dataset, progress: Callable[[int], None]) -> list[Look]:
    """Look at every sample of every split; a file that cannot be read becomes a remark, not an error."""
    looks = []
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="dataset-check") as pool:
        for number, seen in enumerate(pool.map(lambda row: look_at(row, dataset), dataset.rows), start=1):
            looks.append(seen)
            progress(number)
    return looks


def look_at(sample: Sample, dataset: Dataset) -> Look:
    """Read the picture, its boxes, its mask and its template."""
    try:
        encoded = read_bytes(sample.path, UnreadableImage)
        image = decode_image(encoded, sample.name)
    except UnreadableImage as error:
        text = _without(str(error), dataset.folder)
        return Look(
            sample, (0, 0), "", np.zeros(SIDE * SIDE, np.float32), (), (fault("unreadable", text, sample.name),)
        )
    boxes, remarks = _boxes(sample, image, dataset)
    remarks = (*remarks, *_mask(sample, image, dataset), *_template(sample, image), *_stated(sample, image))
    if (sample.mask_path or sample.boxes_path) and _is_turned(encoded, image):
        remarks = (*remarks, warning("turned", TURNED, sample.name))
    digest = sha256(encoded).hexdigest()
    return Look(sample, _size(image), digest, small_picture(image), boxes, remarks)


TURNED = "turned by its EXIF: expected boxes and masks drawn on the picture as shown; look at the contact sheet"


def _size(image: Image) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _without(text: str, folder: Path) -> str:
    """Name files as the data set does, without the folder before them."""
    return text.replace(f"{folder}/", "").replace("\n  ", " ")


def _boxes(sample: Sample, image: Image, dataset: Dataset) -> tuple[tuple[str, ...], tuple[Remark, ...]]:
    try:
        labels = read_boxes(sample, _size(image)).labels
    except (DatasetError, UnreadableImage) as error:
        return (), (fault("boxes", _without(str(error), dataset.folder), sample.name),)
    if sample.boxes_path and not labels and dataset.is_defect(sample.label):
        return (), (warning("boxes", f"label {sample.label}: expected a box, found an empty file", sample.name),)
    return labels, ()


def _mask(sample: Sample, image: Image, dataset: Dataset) -> Iterator[Remark]:
    """Boxes were looked at before, so that only a mask file can be at fault here."""
    if sample.mask_path is None:
        return
    try:
        marked = bool(read_mask(sample, _size(image)).any())
    except (DatasetError, UnreadableImage) as error:
        yield fault("mask", _without(str(error), dataset.folder), sample.name)
        return
    if marked != dataset.is_defect(sample.label):
        found = "a marked pixel" if marked else "an empty mask"
        yield warning("mask", f"label {sample.label}: found {found}", sample.name)


def _template(sample: Sample, image: Image) -> Iterator[Remark]:
    if sample.template_path is None:
        return
    try:
        size = _size(read_image(sample.template_path))
    except UnreadableImage as error:
        yield fault("unreadable", str(error), sample.name)
        return
    if size != _size(image):
        expected = f"{image.shape[1]} x {image.shape[0]}"
        yield fault("size", f"template: expected the picture's {expected} px, found {size[1]} x {size[0]}", sample.name)


def _stated(sample: Sample, image: Image) -> Iterator[Remark]:
    """Hold the columns `width` and `height` against the picture, where the index has them."""
    stated = (sample.extra.get("height", ""), sample.extra.get("width", ""))
    if all(stated) and stated != (str(image.shape[0]), str(image.shape[1])):
        found = f"{image.shape[1]} x {image.shape[0]}"
        yield fault("size", f"index: expected {stated[1]} x {stated[0]} px, found {found}", sample.name)


def _is_turned(encoded: bytes, image: Image) -> bool:
    """Tell whether the picture is shown otherwise than it is stored."""
    if b"Exif" not in encoded[:65536] and b"eXIf" not in encoded:
        return False
    stored = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return stored is not None and not np.array_equal(stored, image)


def odd_sizes(looks: Sequence[Look]) -> Iterator[Remark]:
    """Yield the pictures whose size is not that of nearly all."""
    sizes = Counter(seen.size for seen in looks if seen.size[0])
    if not sizes:
        return
    usual, count = sizes.most_common(1)[0]
    odd = [seen.sample.name for seen in looks if seen.size[0] and seen.size != usual]
    if odd and count >= USUAL_SHARE * sizes.total():
        yield warning("size", f"{len(odd)} pictures are not {usual[1]} x {usual[0]} px like the others", *odd)


def unmasked(dataset: Dataset, looks: Sequence[Look]) -> Iterator[Remark]:
    """Yield the defective pictures without a mask, where most have one."""
    sound = [seen.sample for seen in looks if seen.size[0] and not seen.remarks]
    defective = [sample for sample in sound if dataset.is_defect(sample.label)]
    without = [sample.name for sample in defective if not has_mask(sample)]
    if without and len(without) < len(defective) / 2:
        text = f"{len(without)} of {len(defective)} defective pictures have no mask; expected one, as the others have"
        yield warning("mask", text, *without)
