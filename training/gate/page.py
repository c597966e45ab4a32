"""The gate's report as one HTML file: what was decided, on what evidence, and a place for a signature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.errors import UserError
from inspector.preprocess import read_image
from inspector.samples import Sample
from training.gate.evidence import Flip, GateReport
from training.pages import rendered, thumbnail

MOST_FLIPS = 60


@dataclass(frozen=True, slots=True)
class ShownFlip:
    """A flip with its picture, base64 of a JPEG."""

    flip: Flip
    picture: str


def write_page(path: Path, report: GateReport, samples: Sequence[Sample]) -> None:
    """Write the page; raise UserError where that cannot be."""
    page = rendered(
        "training.gate",
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
        yield ShownFlip(flip, thumbnail(read_image(samples[flip.part].path)))
