"""The gate's report as one HTML file: what was decided, on what evidence, and a place for a signature."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from inspector.errors import UserError
from inspector.preprocess import read_image, resize
from inspector.samples import Sample
from training.gate.evidence import Flip, GateReport

MOST_FLIPS = 60
HEIGHT_PX, WIDEST_PX = 150, 320


@dataclass(frozen=True, slots=True)
class ShownFlip:
    """A flip with its picture, base64 of a JPEG."""

    flip: Flip
    picture: str


def write_page(path: Path, report: GateReport, samples: Sequence[Sample]) -> None:
    """Write the page; raise UserError where that cannot be."""
    environment = Environment(
        loader=PackageLoader("training.gate", "."),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(
        report=report,
        subject=report.subject,
        flips=list(_shown(report.flips[:MOST_FLIPS], {sample.name: sample for sample in samples})),
        digest=hashlib.sha256(report.model_dump_json().encode()).hexdigest(),
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _shown(flips: Sequence[Flip], samples: Mapping[str, Sample]) -> Iterator[ShownFlip]:
    for flip in flips:
        image = read_image(samples[flip.part].path)
        scale = min(HEIGHT_PX / image.shape[0], WIDEST_PX / image.shape[1], 1.0)
        size = [max(1, round(scale * side)) for side in image.shape[:2]]
        small = resize(image, size[1], size[0])
        encoded = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, 82))[1]
        yield ShownFlip(flip, base64.b64encode(encoded.tobytes()).decode("ascii"))
