"""Bad content, task by task: refused before anything is fitted, by file and field, or learnt from as documented."""

from __future__ import annotations

import csv
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import load_bundle
from inspector.cli import main
from tests.training.conftest import SIDE, draw_part

FIT = "epochs = 1\nbatch_size = 8\nthreads = 1\nlearning_rate = 0.01\nbackbone_rate_share = 1.0\naveraging = 0.5\n"
QUANTISE = "images = 8\nfloat_flips = 1.0\nint8_flips = 1.0\nmax_drop = 1.0\nsensitivity_s = 0\nfine_tune_s = 0\n"
OWN = {
    "classify": "",
    "segment": "[decoder]\nchannels = 8\n",
    "detect": "[detector]\nchannels = 16\nstrides = [8, 16]\n",
    "anomaly": "[[banks]]\nstages = [2, 3]\nstride = 8\nshrinkage = 1.0\ndimensions = 16\nsize = 256\n",
    "embed": "",
}
Row = dict[str, str]
Change = Callable[[Path, list[Row]], None]
KINDS = {"scratch": 1, "stain": 5}
"""With the number of DeepPCB's class that stands for it in the files of boxes."""


def recipe_of(task: str) -> str:
    fit = "" if task == "anomaly" else f"[fit]\n{FIT}"
    size = f"[input]\nheight = {SIDE}\nwidth = {SIDE}\n"
    return f'backbone = "compact"\ngolden_per_bundle = 3\n{size}[quantise]\n{QUANTISE}{fit}{OWN[task]}'


def draw(folder: Path, change: Change = lambda folder, rows: None) -> Path:
    """42 pictures, each a group: 30 train, 12 val; a third good, the others with masks and boxes; then `change`."""
    rng = np.random.default_rng(11)
    rows = []
    for number in range(42):
        label = ("good", *KINDS)[number % 3]
        image, mask = draw_part(label, rng)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        row = {
            "path": f"{number}.png",
            "split": "train" if number < 30 else "val",
            "label": label,
            "group": f"{number}",
        }
        if label in KINDS:
            x, y, width, height = cv2.boundingRect(mask)
            (folder / f"{number}.txt").write_text(f"{x} {y} {x + width} {y + height} {KINDS[label]}\n")
            cv2.imwrite(str(folder / f"mask{number}.png"), mask)
            row |= {"mask_path": f"mask{number}.png", "boxes_path": f"{number}.txt"}
        rows.append(row)
    change(folder, rows)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        columns = ("path", "split", "label", "group", "mask_path", "boxes_path", "template_path")
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def train(task: str, folder: Path, out: Path) -> int:
    recipe = out.with_suffix(".toml")
    recipe.write_text(recipe_of(task))
    words = ["train", folder, "--task", task, "--out", out, "--recipe", recipe, "--allow-leaks"]
    return main([str(word) for word in words])


def refused(task: str, folder: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which training is refused; nothing was fitted before it."""
    assert train(task, folder, out) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def deep(folder: Path, rows: list[Row]) -> None:
    cv2.imwrite(str(folder / "31.png"), np.zeros((SIDE, SIDE), np.uint16))


def narrow_mask(folder: Path, rows: list[Row]) -> None:
    cv2.imwrite(str(folder / "mask31.png"), np.zeros((SIDE, SIDE // 2), np.uint8))


def grey_mask(folder: Path, rows: list[Row]) -> None:
    cv2.imwrite(str(folder / "mask1.png"), np.full((SIDE, SIDE), 60, np.uint8))


def box_outside(folder: Path, rows: list[Row]) -> None:
    (folder / "31.txt").write_text("50 10 90 20 1\n")


def box_missing(folder: Path, rows: list[Row]) -> None:
    rows[31]["boxes_path"] = ""


def box_of_another_class(folder: Path, rows: list[Row]) -> None:
    (folder / "31.txt").write_text("10 10 20 20 6\n")


def no_boxes(folder: Path, rows: list[Row]) -> None:
    for path in folder.glob("*.txt"):
        path.write_text("")


def another_label_in_val(folder: Path, rows: list[Row]) -> None:
    rows[31]["label"] = "crack"


def turned(folder: Path, rows: list[Row]) -> None:
    """A picture that its EXIF turns by a quarter, with the mask and the boxes of the picture as it is stored."""
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    wide = cv2.imencode(".jpg", np.full((SIDE, 2 * SIDE, 3), 120, np.uint8))[1].tobytes()
    (folder / "turned.jpg").write_bytes(wide[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + wide[2:])
    cv2.imwrite(str(folder / "mask31.png"), np.full((SIDE, 2 * SIDE), 255, np.uint8))
    (folder / "31.txt").write_text("90 10 110 20 1\n")
    rows[31]["path"] = "turned.jpg"


def template_of_another_size(folder: Path, rows: list[Row]) -> None:
    cv2.imwrite(str(folder / "template.png"), np.zeros((20, 20), np.uint8))
    for row in rows:
        row["template_path"] = row["path"]
    rows[31]["template_path"] = "template.png"


@pytest.mark.parametrize(
    ("tasks", "change", "file", "expected"),
    [
        ("classify segment detect anomaly embed", deep, "31.png", "depth is uint16; expected 8 bits per channel"),
        ("classify segment anomaly", narrow_mask, "mask31.png", "expected the size of its picture, 64 x 64 px"),
        ("classify segment anomaly", grey_mask, "mask1.png", "expected a mask of 0 and 255 (or 0 and 1), found 60"),
        (
            "classify segment anomaly",
            turned,
            "mask31.png",
            "64 x 128 px (as shown: turned as its EXIF says), found 128",
        ),
        (
            "detect",
            turned,
            "31.txt",
            "row 1: expected a box inside the picture of 64 x 128 px, found (90, 10, 110, 20)",
        ),
        ("detect", box_outside, "31.txt", "row 1: expected a box inside the picture of 64 x 64 px"),
        ("detect", box_missing, "31.png", "boxes_path: expected a file of boxes for this defective part, found none"),
        (
            "detect",
            box_of_another_class,
            "31.txt",
            "label: expected one of those to fit on (copper, open), found pin-h",
        ),
        ("detect", no_boxes, "", "boxes_path: expected boxes in train, found none"),
        ("detect", template_of_another_size, "template.png", "px, found 20 x 20"),
        ("classify segment", another_label_in_val, "index.csv", "label: expected labels of val to occur in train"),
    ],
)
def test_bad_content_is_refused_before_anything_is_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tasks: str, change: Change, file: str, expected: str
) -> None:
    (tmp_path / "parts").mkdir()
    folder = draw(tmp_path / "parts", change)
    for task in tasks.split():
        said = refused(task, folder, tmp_path / task, capsys)
        assert said.startswith(f"inspector: {folder / file}: "), task
        assert expected in said, task


def test_every_unfit_file_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def both(folder: Path, rows: list[Row]) -> None:
        narrow_mask(folder, rows)
        grey_mask(folder, rows)
        (folder / "2.png").write_bytes(b"no picture")

    (tmp_path / "parts").mkdir()
    said = refused("segment", draw(tmp_path / "parts", both), tmp_path / "out", capsys)
    assert "3 faults" in said
    for name in ("mask1.png: expected a mask of 0 and 255", "2.png: not an image", "mask31.png: expected the size"):
        assert name in said


def test_what_a_task_does_not_use_may_be_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def all_wrong(folder: Path, rows: list[Row]) -> None:
        narrow_mask(folder, rows)
        box_outside(folder, rows)

    (tmp_path / "parts").mkdir()
    assert train("embed", draw(tmp_path / "parts", all_wrong), tmp_path / "out") == 0
    assert load_bundle(tmp_path / "out").manifest.task == "embed"


def all_good_val(folder: Path, rows: list[Row]) -> None:
    for row in rows[30:]:
        row |= {"label": "good", "mask_path": "", "boxes_path": ""}


def one_picture_of_a_class(folder: Path, rows: list[Row]) -> None:
    rows[1]["label"] = "crack"
    (folder / "1.txt").write_text("10 10 20 20 6\n")


def no_picture_of_a_class_in_val(folder: Path, rows: list[Row]) -> None:
    for row in rows[30:]:
        if row["label"] == "stain":
            row |= {"label": "good", "mask_path": "", "boxes_path": ""}


def palette(folder: Path, rows: list[Row]) -> None:
    """Pictures and masks as PNG with a palette; masks red on black, as segmentation tools write them."""
    from PIL import Image

    for path in folder.glob("*.png"):
        picture = Image.open(path).convert("RGB")
        if path.name.startswith("mask"):
            red = np.asarray(picture) * np.array([1, 0, 0], np.uint8)
            picture = Image.fromarray((red > 0).astype(np.uint8) * np.array([128, 0, 0], np.uint8))
        picture.convert("P", palette=Image.Palette.ADAPTIVE).save(path)


@pytest.mark.parametrize("task", ["classify", "segment", "detect", "anomaly"])
@pytest.mark.parametrize("change", [all_good_val, one_picture_of_a_class, no_picture_of_a_class_in_val, palette])
def test_odd_but_honest_content_becomes_a_bundle(tmp_path: Path, task: str, change: Change) -> None:
    (tmp_path / "parts").mkdir()
    assert train(task, draw(tmp_path / "parts", change), tmp_path / "out") == 0
    assert load_bundle(tmp_path / "out").manifest.task == task
