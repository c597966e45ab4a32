"""Write rendered parts as a labelled folder: `python -m station.demo.dataset OUT --parts 4000`.

The share of defects is the line's own, so that probabilities calibrated on such a folder hold on the line.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from inspector.errors import DatasetError, InspectorError
from station.demo.plan import DEFAULT_DEFECT_SHARE, GOOD, TRAINING_SEED
from station.demo.render import RenderedPart, render
from station.demo.surface import Grey

COLUMNS = ("path", "split", "label", "group", "mask_path", "width", "height", "defect_px")
_VAL_EVERY = 5
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)
Row = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Order:
    """What to write. With `halved`, pictures are 640 x 512: the first step of the line's own preprocessing."""

    out: Path
    parts: int
    seed: int
    defect_share: float = DEFAULT_DEFECT_SHARE
    halved: bool = False


def write_dataset(order: Order) -> Counter[str]:
    """Render `order.parts` parts into `order.out`, index last; return how many of each label. Every fifth is val."""
    index = order.out / "index.csv"
    if index.exists():
        raise DatasetError(f"{index}: is there already; expected a new or empty folder")
    try:
        for name in ("images", "masks"):
            (order.out / name).mkdir(parents=True, exist_ok=True)
        rows = list(_write_parts(order))
        _write_index(index, rows)
    except OSError as error:
        raise DatasetError(f"{order.out}: expected a folder that can be written ({error.strerror})") from error
    return Counter(str(row["label"]) for row in rows)


def _write_parts(order: Order) -> Iterator[Row]:
    for index in range(order.parts):
        part = render(order.seed, index, order.defect_share)
        yield _write_part(order, f"part_{index:06d}", part, "val" if index % _VAL_EVERY == 0 else "train")


def _write_part(order: Order, name: str, part: RenderedPart, split: str) -> Row:
    image, mask = _sized(part.image, order.halved), part.mask
    height, width = image.shape[:2]
    path = f"images/{name}.jpg"
    _write(order.out / path, cv2.imencode(".jpg", image, _JPEG)[1])
    row: Row = dict(zip(COLUMNS, (path, split, part.label, name, "", width, height, 0), strict=True))
    if part.label == GOOD or mask is None:
        return row
    mask = ((_sized(mask, order.halved) > 0) * 255).astype("uint8")
    mask_path = f"masks/{name}.png"
    _write(order.out / mask_path, cv2.imencode(".png", mask)[1])
    return {**row, "mask_path": mask_path, "defect_px": cv2.countNonZero(mask)}


def _sized(picture: Grey, halved: bool) -> Grey:
    if not halved:
        return picture
    size = (picture.shape[1] // 2, picture.shape[0] // 2)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype("uint8")


def _write(path: Path, encoded: Grey) -> None:
    path.write_bytes(encoded.tobytes())


def _write_index(index: Path, rows: Sequence[Row]) -> None:
    with index.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m station.demo.dataset", description="Write rendered parts.")
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder for index.csv, images and masks")
    parser.add_argument("--parts", type=int, default=4000, metavar="N", help="how many (default 4000)")
    parser.add_argument("--seed", type=int, default=TRAINING_SEED, metavar="S", help="line of parts (default 7)")
    parser.add_argument("--defect-share", type=float, default=DEFAULT_DEFECT_SHARE, metavar="X", help="default 0.12")
    parser.add_argument("--halved", action="store_true", help="write 640 x 512 pictures, a quarter of the bytes")
    args = parser.parse_args(words)
    if args.parts < 1 or not 0 <= args.defect_share <= 1 or args.seed < 0:
        parser.error("expected --parts of at least 1, --seed of at least 0 and --defect-share of 0 to 1")
    return args


def main(words: Sequence[str] | None = None) -> int:
    args = _arguments(words)
    try:
        counts = write_dataset(Order(args.out, args.parts, args.seed, args.defect_share, args.halved))
    except InspectorError as error:
        print(f"dataset: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: " + ", ".join(f"{count} {label}" for label, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
