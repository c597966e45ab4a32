"""Pascal VOC: one XML file of boxes per picture.

Corners are taken as edges in px as they are written. (The first VOC sets count pixels from 1; most tools since write
edges from 0. The difference of at most a pixel is left alone, since a file does not say which it is.)
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from inspector.documents import read_bytes
from inspector.errors import DatasetError
from inspector.marks import Mark, Marks, refuse

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
