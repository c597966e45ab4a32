"""What every reader of a labelled folder makes: samples, and the data set that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with what is known of it. Paths are joined to the folder; `name` is the path within it."""

    name: str
    path: Path
    split: Split
    label: str
    group: str
    mask_path: Path | None
    boxes_path: Path | None
    extra: Mapping[str, str]
    template_path: Path | None = None
    """Picture of a defect-free part in the same place, pixel by pixel."""
    boxes_key: str = ""
    """Which picture of a file of boxes that holds many (COCO: its `file_name`)."""
    box_labels: tuple[str, ...] = ()
    """Names of numbered classes, for files of boxes that hold numbers from 0 (YOLO)."""

    def files(self) -> tuple[Path, ...]:
        """Every file that the sample consists of, its picture first."""
        return tuple(filter(None, (self.path, self.mask_path, self.boxes_path, self.template_path)))


@dataclass(frozen=True, slots=True)
class Dataset:
    """All samples of a folder without a fault. Labels in `good` mean a defect-free part."""

    folder: Path
    rows: tuple[Sample, ...]
    good: tuple[str, ...]
    content_hash: str
    """SHA-256 over the index and over the bytes of every file named by the splits that were asked for."""
    layout: str = "index.csv"
    """Which reader made it: a key of `inspector.dataset.LAYOUTS`."""
    notes: tuple[str, ...] = ()
    """What the reader decided where the folder does not say: splits cut, groups made."""
    declared: tuple[str, ...] = ()
    """Classes that the folder names, be there pictures or boxes of them or not."""

    def select(self, split: Split) -> tuple[Sample, ...]:
        return tuple(row for row in self.rows if row.split == split)

    def is_defect(self, label: str) -> bool:
        return label not in self.good
