from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.errors import DatasetError, UnreadableImage
from inspector.readers.coco import decode_text
from inspector.samples import Sample
from inspector.truth import has_mask, read_boxes, read_mask

HEIGHT, WIDTH = 40, 60
ORIENTATION_6 = bytes.fromhex("ffe1002245786966000049492a0008000000010012010300010000000600000000000000")
"""An EXIF block that says: turn a quarter clockwise to show it."""


def write_picture(folder: Path, name: str = "part.png") -> Path:
    path = folder / name
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    return path


def turn_by_exif(path: Path) -> Path:
    jpeg = path.read_bytes()
    path.write_bytes(jpeg[:2] + ORIENTATION_6 + jpeg[2:])
    return path


def sample(folder: Path, boxes: str = "", content: str = "", **fields: object) -> Sample:
    """A sample with a picture of 60 x 40 px and a file of boxes."""
    if boxes:
        (folder / boxes).write_text(content)
    known = {
        "name": "part.png",
        "path": write_picture(folder),
        "split": "train",
        "label": "scratch",
        "group": "g",
        "mask_path": None,
        "boxes_path": folder / boxes if boxes else None,
        "extra": {},
    }
    return Sample(**{**known, **fields})  # type: ignore[arg-type]


def voc(*objects: tuple[str, float, float, float, float], size: str = "") -> str:
    entries = (
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for name, x1, y1, x2, y2 in objects
    )
    return f"<annotation>{size}{''.join(entries)}</annotation>"


def labelme(*shapes: dict[str, object], size: tuple[int, int] = (HEIGHT, WIDTH)) -> str:
    return json.dumps({"version": "5", "shapes": shapes, "imageHeight": size[0], "imageWidth": size[1]})


def coco(*annotations: dict[str, object]) -> str:
    entries = [{"id": n, "image_id": 1, "category_id": 3, **entry} for n, entry in enumerate(annotations, start=1)]
    images = [{"id": 1, "file_name": "part.png", "width": WIDTH, "height": HEIGHT}]
    return json.dumps({"images": images, "annotations": entries, "categories": [{"id": 3, "name": "pit"}]})


SQUARE = {"label": "pit", "shape_type": "polygon", "points": [[10, 20], [20, 20], [20, 30], [10, 30]]}
"""Pixels 10..20 and 20..30, edges included: 121 of them."""


def read(sample: Sample) -> tuple[tuple[str, ...], list[list[float]]]:
    boxes = read_boxes(sample)
    return boxes.labels, boxes.xyxy.tolist()


def test_every_form_gives_the_same_boxes(tmp_path: Path) -> None:
    expected = [[10.0, 20.0, 20.0, 30.0]]
    square = ("pit", 10, 20, 20, 30)
    assert read(sample(tmp_path, "a.xml", voc(square))) == (("pit",), expected)
    assert read(sample(tmp_path, "a.txt", "10 20 20 30 6\n")) == (("pin-hole",), expected)
    assert read(sample(tmp_path, "a.json", labelme(SQUARE))) == (("pit",), expected)
    yolo = f"1 {15 / WIDTH} {25 / HEIGHT} {10 / WIDTH} {10 / HEIGHT}"
    labels, xyxy = read(sample(tmp_path, "b.txt", yolo, box_labels=("scratch", "pit")))
    assert labels == ("pit",)
    np.testing.assert_allclose(xyxy, expected)
    annotations = coco({"bbox": [10, 20, 10, 10]}, {"segmentation": [[10, 20, 20, 20, 20, 30, 10, 30]]})
    assert read(sample(tmp_path, "c.json", annotations, boxes_key="part.png")) == (("pit",) * 2, expected * 2)


def test_a_sample_without_a_file_of_boxes_has_none(tmp_path: Path) -> None:
    boxes = read_boxes(sample(tmp_path))
    assert len(boxes) == 0
    assert boxes.xyxy.shape == (0, 4)


def test_a_file_of_boxes_may_be_empty(tmp_path: Path) -> None:
    assert len(read_boxes(sample(tmp_path, "a.txt", "\n", box_labels=("pit",)))) == 0
    assert len(read_boxes(sample(tmp_path, "a.xml", voc()))) == 0


def test_what_reaches_over_an_edge_by_rounding_is_cut_off(tmp_path: Path) -> None:
    assert read(sample(tmp_path, "a.xml", voc(("pit", -1, 20, 61.5, 30))))[1] == [[0.0, 20.0, 60.0, 30.0]]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.xml", voc(("pit", 10, 20, 70, 30)), "object 1: expected a box inside the picture of 60 x 40 px"),
        ("a.xml", voc(("pit", 20, 20, 10, 30)), "object 1: expected a box with x1 < x2 and y1 < y2, found (20, 20, 10"),
        ("a.xml", voc(("pit", 60.5, 20, 61, 30)), "object 1: expected a box inside the picture"),
        ("a.xml", voc(("pit", float("nan"), 20, 61, 30)), "object 1: expected a box with x1 < x2"),
        ("a.xml", voc(("", 1, 2, 3, 4)), "object 1: name: expected a class, found nothing"),
        ("a.xml", "<annotation><object><name>pit</name></object></annotation>", "object 1: bndbox: expected numbers"),
        ("a.xml", "<html/>", "expected Pascal VOC XML with root <annotation>, found <html>"),
        ("a.xml", "<annotation>", "expected Pascal VOC XML: no element found"),
        ("a.txt", "1 2 3 4 6\n1 2 3 4 7\n", "row 2: expected `x1 y1 x2 y2 type` with whole numbers"),
        ("a.txt", "1 2 3 4\n", "row 1: expected `x1 y1 x2 y2 type`"),
        ("a.json", "{", "not JSON"),
        ("a.json", "{}", "shapes: missing"),
        ("a.json", labelme({**SQUARE, "points": [[1, 2], [3, 4]]}), "shape 1: points: expected at least 3, found 2"),
        ("a.json", labelme({**SQUARE, "shape_type": "line"}), "shape 1: shape_type: expected polygon, rectangle"),
        ("a.csv", "", "expected a file of boxes with suffix .xml (Pascal VOC), .json"),
    ],
)
def test_a_malformed_file_of_boxes_is_named_with_its_row(tmp_path: Path, name: str, content: str, fault: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_boxes(sample(tmp_path, name, content))
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("2 0.5 0.5 0.1 0.1", "class: expected 0 to 1, found '2'"),
        ("pit 0.5 0.5 0.1 0.1", "class: expected 0 to 1, found 'pit'"),
        ("0 0.5 0.5 0.1", "expected `class x y width height`"),
        ("0 0.5 0.5 0.1 0.1 0.9", "expected `class x y width height`"),
        ("0 30 20 10 10", "expected shares of the picture's size, 0 to 1"),
        ("0 0.9 0.5 0.4 0.1", "expected a box inside the picture"),
    ],
)
def test_a_malformed_row_of_yolo_is_named(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(DatasetError, match=r"a\.txt: row 2: ") as caught:
        read_boxes(sample(tmp_path, "a.txt", f"0 0.5 0.5 0.1 0.1\n{row}\n", box_labels=("pit", "dent")))
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"image_id": 9, "bbox": [1, 2, 3, 4]}, "annotation 1: image_id: expected the id of an image, found 9"),
        ({"category_id": 4, "bbox": [1, 2, 3, 4]}, "annotation 1: category_id: expected the id of a category"),
        ({}, "annotation 1: bbox: expected x, y, width, height, found nothing"),
        ({"segmentation": [[1, 2, 3, 4]]}, "annotation 1: segmentation: expected x and y of at least three points"),
        ({"segmentation": {"size": [4, 6], "counts": [24]}}, "expected run lengths of 40 x 60 px (height, width)"),
        ({"bbox": [50, 20, 20, 10]}, "annotation 1: expected a box inside the picture"),
    ],
)
def test_a_malformed_annotation_of_coco_is_named(tmp_path: Path, entry: dict[str, object], fault: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_boxes(sample(tmp_path, "a.json", coco(entry), boxes_key="part.png"))
    assert fault in str(caught.value)


def test_a_changed_coco_file_is_read_again(tmp_path: Path) -> None:
    one = sample(tmp_path, "a.json", coco({"bbox": [1, 2, 3, 4]}), boxes_key="part.png")
    assert len(read_boxes(one)) == 1
    two = sample(tmp_path, "a.json", coco({"bbox": [1, 2, 3, 4]}, {"bbox": [1, 2, 3, 4]}), boxes_key="part.png")
    assert len(read_boxes(two)) == 2


def test_outlines_of_every_form_fill_the_same_pixels(tmp_path: Path) -> None:
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[20:31, 10:21] = True
    corners = [(10, 20), (20, 20), (20, 30), (10, 30)]
    yolo = "0 " + " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in corners)
    columns = [10 * HEIGHT + 20, *[11, HEIGHT - 11] * 10, 11, HEIGHT * WIDTH - 20 * HEIGHT - 31]
    png = cv2.imencode(".png", np.full((11, 11), 255, np.uint8))[1].tobytes()
    patch = {
        "label": "pit",
        "shape_type": "mask",
        "points": [[10, 20], [20, 30]],
        "mask": base64.b64encode(png).decode(),
    }
    rectangle = {"label": "pit", "shape_type": "rectangle", "points": [[20, 30], [10, 20]]}
    for one in (
        sample(tmp_path, "a.json", labelme(SQUARE)),
        sample(tmp_path, "b.json", labelme(patch)),
        sample(tmp_path, "c.json", labelme(rectangle)),
        sample(tmp_path, "d.txt", yolo, box_labels=("pit",)),
        sample(tmp_path, "e.json", coco({"segmentation": [[10, 20, 20, 20, 20, 30, 10, 30]]}), boxes_key="part.png"),
        sample(
            tmp_path,
            "f.json",
            coco({"segmentation": {"size": [HEIGHT, WIDTH], "counts": columns}}),
            boxes_key="part.png",
        ),
    ):
        np.testing.assert_array_equal(read_mask(one), expected, err_msg=str(one.boxes_path))
        assert has_mask(one)


def test_run_lengths_of_a_patch_give_the_box_around_it(tmp_path: Path) -> None:
    columns = [10 * HEIGHT + 20, *[11, HEIGHT - 11] * 10, 11, HEIGHT * WIDTH - 20 * HEIGHT - 31]
    annotation = {"segmentation": {"size": [HEIGHT, WIDTH], "counts": columns}}
    assert read(sample(tmp_path, "a.json", coco(annotation), boxes_key="part.png"))[1] == [[10.0, 20.0, 21.0, 31.0]]


def test_run_lengths_in_text_are_differences_to_the_one_two_before() -> None:
    """By hand: 5 is '5'; 40 is 8 with a bit for more, then 1; 3 is '3'; 35 is 40 - 5, so -5: 27 of 5 bits."""
    assert decode_text("5" + chr(48 + 8 + 32) + "1" + "3" + chr(48 + 27)) == [5, 40, 3, 35]


def test_without_mask_or_outline_nothing_is_known_pixel_by_pixel(tmp_path: Path) -> None:
    assert not has_mask(sample(tmp_path))
    assert not has_mask(sample(tmp_path, "a.xml", voc(("pit", 10, 20, 20, 30))))
    assert not has_mask(sample(tmp_path, "a.txt", "10 20 20 30 1"))
    assert not read_mask(sample(tmp_path)).any()


def masked(folder: Path, mask: np.ndarray, name: str = "mask.png") -> Sample:
    cv2.imwrite(str(folder / name), mask)
    return sample(folder, mask_path=folder / name)


@pytest.mark.parametrize(("background", "defect"), [(0, 255), (0, 1), (0, 128), (100, 255)])
def test_the_brighter_half_of_a_grey_mask_is_defective_and_ones_count(
    tmp_path: Path, background: int, defect: int
) -> None:
    mask = np.full((HEIGHT, WIDTH), background, np.uint8)
    mask[5:8, 6:10] = defect
    assert read_mask(masked(tmp_path, mask)).sum() == 12


def test_greys_that_are_neither_are_refused(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[0, :3] = (1, 2, 60)
    with pytest.raises(
        DatasetError, match=r"mask\.png: expected a mask of 0 and 255 \(or 0 and 1\), found 0, 1, 2, 60"
    ):
        read_mask(masked(tmp_path, mask))


def test_every_colour_of_a_palette_mask_is_defective(tmp_path: Path) -> None:
    """A PNG with a palette: index 0 is black, 1 is dark red, 2 is dark green; one pixel of each of the latter."""
    from PIL import Image

    indexed = Image.new("P", (WIDTH, HEIGHT), 0)
    indexed.putpalette([0, 0, 0, 128, 0, 0, 0, 64, 0])
    indexed.putpixel((3, 4), 1)
    indexed.putpixel((5, 6), 2)
    indexed.save(tmp_path / "mask.png")
    mask = read_mask(sample(tmp_path, mask_path=tmp_path / "mask.png"))
    assert np.argwhere(mask).tolist() == [[4, 3], [6, 5]]


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"mask\.png: expected the size of its picture, 60 x 40 px .*found 40 x 60"):
        read_mask(masked(tmp_path, np.zeros((WIDTH, HEIGHT), np.uint8)))


def test_a_mask_of_16_bits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"mask\.png: depth is uint16; expected 8 bits"):
        read_mask(masked(tmp_path, np.zeros((HEIGHT, WIDTH), np.uint16)))


def test_truth_is_of_the_picture_as_shown_so_that_one_drawn_before_turning_is_refused(tmp_path: Path) -> None:
    shown = turn_by_exif(write_picture(tmp_path, "turned.jpg"))
    as_stored = np.full((HEIGHT, WIDTH), 255, np.uint8)
    turned = masked(tmp_path, as_stored)
    with pytest.raises(DatasetError, match=r"turned as its EXIF says"):
        read_mask(sample(tmp_path, mask_path=turned.mask_path, path=shown))
    with pytest.raises(DatasetError, match=r"expected the size of its picture, 40 x 60 px"):
        read_boxes(sample(tmp_path, "a.json", labelme(SQUARE), path=shown), shape=(WIDTH, HEIGHT))
    with pytest.raises(DatasetError, match=r"expected a box inside the picture of 40 x 60 px"):
        read_boxes(sample(tmp_path, "a.xml", voc(("pit", 10, 20, 58, 30)), path=shown))
    as_shown = masked(tmp_path, as_stored.T).mask_path
    assert read_mask(sample(tmp_path, mask_path=as_shown, path=shown)).all()
