"""The contact sheet: one HTML file, pictures embedded small, that a person can look through in a minute."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from numpy.typing import NDArray

from inspector.dataset import Sample
from inspector.errors import DatasetError, UnreadableImage, UserError
from inspector.labels import split_labels
from inspector.preprocess import read_image, resize
from inspector.truth import read_boxes, read_mask
from inspector.values import Image
from training.dataset_check.report import Report

HEIGHT_PX, WIDEST_PX = 112, 224
LARGE_PX = 224
"""Side of the square in which a picture to be judged is shown."""
PER_CLASS = 12
PAIRS, SUSPECTS, PER_REMARK = 24, 48, 6
MARK_COLOUR = (40, 40, 235)
"""BGR."""


def write_sheet(path: Path, report: Report, samples: Sequence[Sample]) -> None:
    """Write the contact sheet of a report; raise UserError where that cannot be."""
    environment = Environment(
        loader=PackageLoader("training.dataset_check", "."),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
    )
    wall = Wall({sample.name: sample for sample in samples})
    page = environment.get_template("sheet.html").render(
        report=report,
        per_class={label: wall.some_of(label) for label in report.counts.classes},
        picture=wall.picture,
        shown={"pairs": PAIRS, "suspects": SUSPECTS, "per_remark": PER_REMARK},
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


class Wall:
    """The pictures of the sheet, each made small once, with its boxes and its mask outlined."""

    def __init__(self, samples: dict[str, Sample]) -> None:
        self._samples = samples
        self._made: dict[tuple[str, bool], str] = {}

    def some_of(self, label: str) -> list[str]:
        """Names of up to a dozen pictures of a label, spread over its groups."""
        rows = [sample for sample in self._samples.values() if label in split_labels(sample.label)]
        one_a_group = list({sample.group: sample for sample in rows}.values())
        spread = _spread([sample.name for sample in one_a_group], PER_CLASS)
        return spread or _spread([sample.name for sample in rows], PER_CLASS)

    def picture(self, name: str, large: bool = False) -> str:
        """Return a data URL, or an empty text for a picture that cannot be read."""
        if (name, large) not in self._made:
            sample = self._samples.get(name)
            self._made[name, large] = _data_url(sample, LARGE_PX if large else HEIGHT_PX) if sample else ""
        return self._made[name, large]


def _spread(names: Sequence[str], count: int) -> list[str]:
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).astype(int))]


def _data_url(sample: Sample, height_px: int) -> str:
    try:
        image = read_image(sample.path)
    except UnreadableImage:
        return ""
    scale = min(height_px / image.shape[0], WIDEST_PX / image.shape[1])
    width, height = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = np.ascontiguousarray(resize(image, width, height))
    for outline in _outlines(sample, image, scale):
        cv2.polylines(small, [outline], isClosed=True, color=MARK_COLOUR, thickness=1, lineType=cv2.LINE_AA)
    encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _outlines(sample: Sample, image: Image, scale: float) -> Iterable[NDArray[np.int32]]:
    """Contours of the mask and corners of the boxes, in px of the small picture; none where they are at fault."""
    try:
        if sample.mask_path is not None:
            mask = read_mask(sample, image.shape[:2]).astype(np.uint8)
            contours = list(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0])
        else:
            boxes = read_boxes(sample, (image.shape[0], image.shape[1])).xyxy
            contours = [np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]) for x1, y1, x2, y2 in boxes]
    except (DatasetError, UnreadableImage):
        return []
    return [np.rint(contour.reshape(-1, 1, 2) * scale).astype(np.int32) for contour in contours]
