"""labelme: one JSON file of outlined shapes per picture."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from inspector.documents import parse, read_bytes
from inspector.errors import DatasetError
from inspector.marks import Mark, Marks, around, refuse
from inspector.readers.layout import Listing, classes_of, inside, label_of, picture_named, pictures_below, split_in
from inspector.samples import Sample, Split

CIRCLE_POINTS = 64
LEAST_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2}


class Shape(BaseModel):
    """One shape; what labelme writes besides (flags, group) is not needed."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    label: str
    points: tuple[tuple[float, float], ...]
    shape_type: str = "polygon"
    mask: str | None = None


class Drawing(BaseModel):
    """A labelme file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    shapes: tuple[Shape, ...]
    imagePath: str = ""  # noqa: N815 - names of the file format
    imageHeight: int | None = None  # noqa: N815
    imageWidth: int | None = None  # noqa: N815


def read_marks(path: Path, content: Any) -> Marks:
    """Return the shapes in `content` (the parsed JSON of `path`); raise DatasetError naming every unfit one."""
    drawing = parse(str(path), content, Drawing, DatasetError)
    faults = [text for number, shape in enumerate(drawing.shapes, start=1) if (text := _fault(number, shape))]
    refuse(path, faults)
    marks = tuple(_mark(path, number, shape) for number, shape in enumerate(drawing.shapes, start=1))
    size = (drawing.imageHeight, drawing.imageWidth)
    return Marks(marks, (size[0], size[1]) if size[0] and size[1] else None)


def _fault(number: int, shape: Shape) -> str | None:
    if shape.shape_type not in LEAST_POINTS:
        return f"shape {number}: shape_type: expected {', '.join(LEAST_POINTS)}, found {shape.shape_type!r}"
    if len(shape.points) < (least := LEAST_POINTS[shape.shape_type]):
        return f"shape {number}: points: expected at least {least}, found {len(shape.points)}"
    return None


def _mark(path: Path, number: int, shape: Shape) -> Mark:
    points = np.array(shape.points, dtype=np.float64)
    where = f"shape {number}"
    if shape.shape_type == "mask":
        at = (round(float(points[:, 0].min())), round(float(points[:, 1].min())))
        return Mark(where, shape.label, around(points), patch=_patch(path, where, shape.mask), patch_at=at)
    outline = _outline(points, shape.shape_type)
    return Mark(where, shape.label, around(outline), (outline,))


def _outline(points: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    if kind == "rectangle":
        x1, y1, x2, y2 = around(points)
        return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    if kind == "circle":
        turn = np.linspace(0, 2 * np.pi, CIRCLE_POINTS, endpoint=False)
        radius = np.linalg.norm(points[1] - points[0])
        return np.asarray(points[0] + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1))
    return points


def _patch(path: Path, where: str, encoded: str | None) -> NDArray[np.bool_]:
    """Return the pixels of a shape of type `mask`: a PNG in base64."""
    try:
        png = base64.b64decode(encoded or "", validate=True)
    except binascii.Error as error:
        raise DatasetError(f"{path}: {where}: mask: expected a PNG in base64: {error}") from error
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) if png else None
    if image is None:
        raise DatasetError(f"{path}: {where}: mask: expected a PNG in base64")
    return np.asarray(image > 0)


LOOKS_FOR = "a JSON file with `shapes` per picture (labelme; splits from folders train, val, test)"


def recognises(folder: Path) -> bool:
    first = next(iter(sorted(folder.rglob("*.json"))), None)
    return first is not None and _is_drawing(first)


def read(folder: Path, good: Sequence[str], splits: Sequence[Split]) -> Listing:
    """List the pictures that have a labelme file; others are left out, since unlabelled is not defect-free."""
    files = [(path, split_in(path.relative_to(folder).parts[0])) for path in sorted(folder.rglob("*.json"))]
    has_splits = all(split for _, split in files)
    samples = tuple(
        _sample(folder, path, split or "train", good) for path, split in files if not has_splits or split in splits
    )
    left_out = len(set(pictures_below(folder)) - {sample.path for sample in samples})
    notes = (f"pictures left out, having no labelme file of these splits: {left_out}",) if left_out else ()
    return Listing(samples, has_splits=has_splits, notes=notes)


def _is_drawing(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return False
    return isinstance(content, dict) and "shapes" in content


def _sample(folder: Path, path: Path, split: Split, good: Sequence[str]) -> Sample:
    content = read_content(path)
    marks = read_marks(path, content).marks
    picture = _picture(folder, path, content)
    name = picture.relative_to(folder).as_posix()
    return Sample(name, picture, split, label_of(marks, good), name, None, path, classes_of(marks))


def _picture(folder: Path, path: Path, content: Any) -> Path:
    """The picture that the file names, or the one beside it; never one outside the folder."""
    named = inside(folder, path.parent, str(content.get("imagePath", "")))
    if named is not None and named.is_file():
        return named
    beside = picture_named(path.parent, path.stem)
    if beside is None:
        raise DatasetError(
            f"{path}: imagePath: expected a picture inside the folder, found {content.get('imagePath')!r}"
        )
    return beside


def read_content(path: Path) -> Any:
    """Return the parsed JSON of a file, or raise a DatasetError naming it."""
    try:
        return json.loads(read_bytes(path, DatasetError))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: not JSON ({error})") from error
