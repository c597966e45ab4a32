"""COCO instances: one JSON file of boxes, polygons and run lengths for many pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from inspector.documents import read_json
from inspector.errors import DatasetError
from inspector.marks import Mark, Marks, around, refuse
from inspector.readers.layout import Listing, classes_of, inside, label_of, split_in
from inspector.samples import Sample, Split


class _Entry(BaseModel):
    """What COCO holds besides (licences, dates, areas) is not needed."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Picture(_Entry):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        return (self.height, self.width) if self.height and self.width else None


class Category(_Entry):
    id: int
    name: str


class RunLengths(_Entry):
    """Pixels by columns: so many outside, so many inside, and so on; as numbers, or as their text form."""

    size: tuple[int, int]
    counts: tuple[int, ...] | str


class Annotation(_Entry):
    id: int | str = ""
    image_id: int | str
    category_id: int
    bbox: tuple[float, float, float, float] | None = None
    segmentation: tuple[tuple[float, ...], ...] | RunLengths | None = None


class Instances(_Entry):
    """A COCO file."""

    images: tuple[Picture, ...]
    annotations: tuple[Annotation, ...] = ()
    categories: tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A COCO file by `file_name`."""

    path: Path
    labels: tuple[str, ...]
    pictures: Mapping[str, Marks]


def read_marks(path: Path, file_name: str) -> Marks:
    """Return the marks of one picture; the file is read once and kept until it changes."""
    pictures = read_catalogue(path).pictures
    if file_name not in pictures:
        raise DatasetError(f"{path}: images: expected a file_name {file_name!r}; it has none")
    return pictures[file_name]


def read_catalogue(path: Path) -> Catalogue:
    """Return every picture of a COCO file with its marks.

    Raises:
        DatasetError: no COCO file, or annotations whose picture, class, box or outline cannot be; all are named.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    return _read_catalogue(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read_catalogue(path: Path, modified_ns: int, size: int) -> Catalogue:
    instances = read_json(path, Instances, DatasetError)
    labels = {category.id: category.name for category in instances.categories}
    sizes = {picture.id: picture.size for picture in instances.images}
    marks: dict[int | str, list[Mark]] = {picture.id: [] for picture in instances.images}
    faults = _picture_faults(instances)
    for number, annotation in enumerate(instances.annotations, start=1):
        where = f"annotation {annotation.id or number}"
        if fault := _fault(annotation, sizes, labels):
            faults.append(f"{where}: {fault}")
        else:
            marks[annotation.image_id].append(_mark(where, labels[annotation.category_id], annotation))
    refuse(path, faults)
    pictures = {picture.file_name: Marks(tuple(marks[picture.id]), picture.size) for picture in instances.images}
    return Catalogue(path, tuple(labels.values()), pictures)


def _picture_faults(instances: Instances) -> list[str]:
    names: set[str] = set()
    ids: set[int | str] = set()
    faults = []
    for number, picture in enumerate(instances.images, start=1):
        if picture.file_name in names or picture.id in ids:
            faults.append(f"image {number}: expected every id and file_name once, found {picture.file_name!r} again")
        names.add(picture.file_name)
        ids.add(picture.id)
    return faults


Sizes = Mapping[int | str, tuple[int, int] | None]


def _fault(annotation: Annotation, sizes: Sizes, labels: Mapping[int, str]) -> str | None:
    if annotation.image_id not in sizes:
        return f"image_id: expected the id of an image, found {annotation.image_id!r}"
    if annotation.category_id not in labels:
        return f"category_id: expected the id of a category, found {annotation.category_id}"
    if annotation.bbox is None and not annotation.segmentation:
        return "bbox: expected x, y, width, height, found nothing"
    return _outline_fault(annotation.segmentation, sizes[annotation.image_id])


def _outline_fault(
    outline: tuple[tuple[float, ...], ...] | RunLengths | None, size: tuple[int, int] | None
) -> str | None:
    if isinstance(outline, tuple) and any(len(polygon) < 6 or len(polygon) % 2 for polygon in outline):
        return "segmentation: expected x and y of at least three points"
    if isinstance(outline, RunLengths) and not (_fills(outline) and outline.size == (size or outline.size)):
        rows, columns = size or outline.size
        return f"segmentation: expected run lengths of {rows} x {columns} px (height, width)"
    return None


def _mark(where: str, label: str, annotation: Annotation) -> Mark:
    outline = annotation.segmentation
    patch = _patch(outline) if isinstance(outline, RunLengths) else None
    polygons = outline if isinstance(outline, tuple) else ()
    outlines = tuple(np.array(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons)
    return Mark(where, label, _corners(annotation, outlines, patch), outlines, patch)


def _corners(
    annotation: Annotation, outlines: tuple[NDArray[np.float64], ...], patch: NDArray[np.bool_] | None
) -> tuple[float, float, float, float]:
    if annotation.bbox is not None:
        x, y, width, height = annotation.bbox
        return x, y, x + width, y + height
    if patch is None:
        return around(np.concatenate(outlines))
    rows, columns = np.nonzero(patch)
    if not len(rows):
        return 0, 0, 0, 0
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)


def _counts(lengths: RunLengths) -> list[int]:
    return decode_text(lengths.counts) if isinstance(lengths.counts, str) else list(lengths.counts)


def _fills(lengths: RunLengths) -> bool:
    counts = _counts(lengths)
    return min(counts, default=-1) >= 0 and sum(counts) == lengths.size[0] * lengths.size[1]


def _patch(lengths: RunLengths) -> NDArray[np.bool_]:
    counts = _counts(lengths)
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(lengths.size[1], lengths.size[0]).T


def decode_text(text: str) -> list[int]:
    """Return the run lengths in COCO's text form.

    A character is 48 plus 6 bits: 5 of the number, lowest first, and above them whether more follow. The highest of
    the last five is the sign. From the third number on, each is a difference to the one two before.
    """
    numbers: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            signed = value - (1 << shift) if bits & 16 else value
            numbers.append(signed + numbers[-2] if len(numbers) > 2 else signed)
            value = shift = 0
    return numbers


LOOKS_FOR = "a JSON file with `images`, `annotations` and `categories`, also in annotations/ or train/ (COCO)"
LOOKED_AT = 3
"""Files of a folder that are opened to see whether they are COCO; a labelme folder holds thousands."""


def recognises(folder: Path) -> bool:
    return bool(_files(folder))


def read(folder: Path, good: Sequence[str], splits: Sequence[Split]) -> Listing:
    """List the pictures of every file of instances; splits from the files' and folders' names."""
    found = [(path, split_in(path.stem) or split_in(path.parent.name)) for path in _files(folder)]
    has_splits = all(split for _, split in found)
    asked = [(path, split or "train") for path, split in found if not has_splits or split in splits]
    samples = tuple(sample for path, split in asked for sample in _samples(folder, path, split, good))
    declared = sorted({label for path, _ in asked for label in read_catalogue(path).labels})
    return Listing(samples, tuple(path for path, _ in asked), has_splits, declared=tuple(declared))


def _files(folder: Path) -> list[Path]:
    """The files of instances; where some are named so, those only (captions and keypoints lie beside them)."""
    places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    named = [path for place in places for path in sorted(place.glob("*instances*.json"))]
    looked_at = named or [path for place in places for path in sorted(place.glob("*.json"))[:LOOKED_AT]]
    return [path for path in looked_at if _is_coco(path)]


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return False
    return isinstance(content, dict) and {"images", "categories"} <= content.keys()


def _samples(folder: Path, path: Path, split: Split, good: Sequence[str]) -> Iterator[Sample]:
    pictures = read_catalogue(path).pictures
    home = _home(folder, path, split, next(iter(pictures), ""))
    for file_name, marks in pictures.items():
        picture = inside(folder, home, file_name)
        if picture is None:
            raise DatasetError(f"{path}: file_name: expected a picture inside the folder, found {file_name!r}")
        name = picture.relative_to(folder).as_posix()
        label, extra = label_of(marks.marks, good), classes_of(marks.marks)
        yield Sample(name, picture, split, label, name, None, path, extra, boxes_key=file_name)


def _home(folder: Path, path: Path, split: Split, file_name: str) -> Path:
    """The folder that `file_name` is relative to: the first in which the first picture is."""
    below = sorted(place for place in folder.iterdir() if place.is_dir() and split_in(place.name) == split)
    images = folder / "images"
    inside = sorted(place for place in images.glob("*") if place.is_dir() and split_in(place.name) == split)
    places = [path.parent, folder, *below, *inside, images]
    for place in places:
        if file_name and (place / file_name).is_file():
            return place
    looked = ", ".join(dict.fromkeys(place.relative_to(folder).as_posix() or "." for place in places))
    raise DatasetError(f"{path}: expected its picture {file_name!r} in one of {looked}; none has it")
