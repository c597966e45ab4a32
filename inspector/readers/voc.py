"""Pascal VOC: one XML file of boxes per picture.

Corners are taken as edges in px as they are written. (The first VOC sets count pixels from 1; most tools since write
edges from 0. The difference of at most a pixel is left alone, since a file does not say which it is.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from inspector.documents import read_bytes
from inspector.errors import DatasetError
from inspector.marks import Mark, Marks, refuse
from inspector.readers.layout import Listing, classes_of, label_of, picture_named
from inspector.samples import SPLITS, Sample, Split

EDGES = ("xmin", "ymin", "xmax", "ymax")


def read_marks(path: Path) -> Marks:
    """Return the objects of one annotation file; raise DatasetError naming every object that has no box."""
    root = _root(path)
    marks: list[Mark] = []
    faults: list[str] = []
    for number, entry in enumerate(root.iter("object"), start=1):
        label = (entry.findtext("name") or "").strip()
        corners = _corners(entry)
        if not label:
            faults.append(f"object {number}: name: expected a class, found nothing")
        if corners is None:
            faults.append(f"object {number}: bndbox: expected numbers {', '.join(EDGES)}")
        elif label:
            marks.append(Mark(f"object {number}", label, corners))
    refuse(path, faults)
    return Marks(tuple(marks), _size(root))


def _root(path: Path) -> Element:
    try:
        root = ElementTree.fromstring(read_bytes(path, DatasetError))
    except ElementTree.ParseError as error:
        raise DatasetError(f"{path}: expected Pascal VOC XML: {error}") from error
    if root.tag != "annotation":
        raise DatasetError(f"{path}: expected Pascal VOC XML with root <annotation>, found <{root.tag}>")
    return root


def _corners(entry: Element) -> tuple[float, float, float, float] | None:
    try:
        x1, y1, x2, y2 = (float(entry.findtext(f"bndbox/{edge}", "")) for edge in EDGES)
    except ValueError:
        return None
    return x1, y1, x2, y2


def _size(root: Element) -> tuple[int, int] | None:
    """Height and width; some tools write 0 or nothing, which says nothing."""
    height, width = (root.findtext(f"size/{side}", "").strip() for side in ("height", "width"))
    if not (height.isdecimal() and width.isdecimal()) or "0" in (height, width):
        return None
    return int(height), int(width)


LOOKS_FOR = "Annotations/*.xml beside JPEGImages/ or images/ (Pascal VOC; splits in ImageSets/Main/)"


def recognises(folder: Path) -> bool:
    home = _home(folder)
    return home is not None and any(home[0].glob("*.xml"))


def read(folder: Path, good: Sequence[str], splits: Sequence[Split]) -> Listing:
    """List the pictures of ImageSets/Main, or every annotated one where there are no such lists."""
    home = _home(folder)
    if home is None:
        raise DatasetError(f"{folder}: expected {LOOKS_FOR}")
    lists = _lists(folder)
    if not lists:
        stems = sorted(path.stem for path in home[0].glob("*.xml"))
        return Listing(tuple(_sample(folder, home, stem, "train", good) for stem in stems), has_splits=False)
    samples = (
        _sample(folder, home, stem, split, good) for split, path in lists if split in splits for stem in _stems(path)
    )
    return Listing(tuple(samples), sources=tuple(path for _, path in lists))


def _home(folder: Path) -> tuple[Path, Path] | None:
    """The folders of annotations and of pictures."""
    named = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    pictures = named.get("jpegimages") or named.get("images")
    return (named["annotations"], pictures) if pictures and "annotations" in named else None


def _lists(folder: Path) -> list[tuple[Split, Path]]:
    """The lists of train, val and test; `trainval` counts as train where there is none."""
    main = folder / "ImageSets" / "Main"
    named: dict[Split, Path] = {split: path for split in SPLITS if (path := main / f"{split}.txt").is_file()}
    if "train" not in named and (both := main / "trainval.txt").is_file():
        named["train"] = both
    return list(named.items())


def _stems(path: Path) -> list[str]:
    """The first word of each line: lists of one class have a second, 1 or -1."""
    return [line.split()[0] for line in read_bytes(path, DatasetError).decode().splitlines() if line.strip()]


def _sample(folder: Path, home: tuple[Path, Path], stem: str, split: Split, good: Sequence[str]) -> Sample:
    annotation = home[0] / f"{stem}.xml"
    picture = picture_named(home[1], stem)
    if picture is None:
        raise DatasetError(f"{annotation}: expected its picture {home[1] / stem}.jpg (or .png, .bmp, .tif); none there")
    marks = read_marks(annotation).marks
    name = picture.relative_to(folder).as_posix()
    return Sample(name, picture, split, label_of(marks, good), name, None, annotation, classes_of(marks))
