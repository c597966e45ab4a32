"""Every layout that is read, made small: what becomes of it, and what is said where it is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset import read_dataset
from inspector.errors import DatasetError
from inspector.readers.yolo import names_in
from inspector.truth import has_mask, read_boxes, read_mask

SIZE = (40, 60)


def picture(folder: Path, name: str, seed: int | None = None) -> str:
    """A picture that resembles no other, unless it has the seed of another."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    number = sum(name.encode()) * len(name) if seed is None else seed
    cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 255, SIZE, np.uint8))
    return name


def write(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def fault(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        read_dataset(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def mvtec(folder: Path) -> Path:
    for name in ("train/good/000.png", "train/good/001.png", "test/good/000.png", "test/dent/000.png"):
        picture(folder, name)
    mask = np.zeros(SIZE, np.uint8)
    mask[3:5, 6:9] = 255
    (folder / "ground_truth/dent").mkdir(parents=True)
    cv2.imwrite(str(folder / "ground_truth/dent/000_mask.png"), mask)
    return folder


def voc(folder: Path, *, sets: bool = True) -> Path:
    for number in range(4):
        picture(folder, f"JPEGImages/{number}.jpg")
        edges = "<xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax>"
        entry = f"<object><name>dent</name><bndbox>{edges}</bndbox></object>" if number else ""
        write(folder, f"Annotations/{number}.xml", f"<annotation>{entry}</annotation>")
    if sets:
        write(folder, "ImageSets/Main/train.txt", "0\n1\n")
        write(folder, "ImageSets/Main/val.txt", "2 1\n")
    return folder


def yolo(folder: Path, names: str = "names: [dent, 'long scratch']\n") -> Path:
    picture(folder, "images/train/a.png")
    picture(folder, "images/val/b.png")
    picture(folder, "images/val/none.png")
    write(folder, "labels/train/a.txt", "1 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.1 0.1\n")
    write(folder, "labels/val/b.txt", "0 0.5 0.5 0.1 0.1\n")
    write(folder, "data.yaml", f"path: ../elsewhere\ntrain: images/train\nnc: 2\n{names}")
    return folder


def coco(folder: Path, file_name: str = "a.png") -> Path:
    for split in ("train", "val"):
        picture(folder, f"{split}2017/a.png", seed=len(split))
        content = {
            "images": [{"id": 7, "file_name": file_name, "height": SIZE[0], "width": SIZE[1]}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "segmentation": [[1, 2, 9, 2, 9, 8]]}],
            "categories": [{"id": 2, "name": "dent"}],
        }
        write(folder, f"annotations/instances_{split}2017.json", content)
        write(folder, f"annotations/captions_{split}2017.json", {**content, "categories": []})
    return folder


def labelme(folder: Path) -> Path:
    for name in ("train/a", "val/b", "test/unlabelled"):
        picture(folder, f"{name}.png")
    outline = {"label": "dent", "points": [[1, 2], [9, 2], [9, 8]], "shape_type": "polygon"}
    write(folder, "train/a.json", {"shapes": [outline], "imagePath": "a.png"})
    write(folder, "val/b.json", {"shapes": [], "imagePath": "C:\\photos\\b.png"})
    return folder


def test_mvtec_folders_say_split_and_label_and_masks_lie_in_ground_truth(tmp_path: Path) -> None:
    dataset = read_dataset(mvtec(tmp_path))
    assert dataset.layout == "MVTec AD"
    assert [(row.name, row.split, row.label) for row in dataset.rows] == [
        ("test/dent/000.png", "test", "dent"),
        ("test/good/000.png", "test", "good"),
        ("train/good/000.png", "train", "good"),
        ("train/good/001.png", "train", "good"),
    ]
    assert read_mask(dataset.rows[0]).sum() == 6
    assert [row.mask_path is not None for row in dataset.rows] == [True, False, False, False]


def test_voc_takes_splits_from_its_lists_and_labels_from_its_boxes(tmp_path: Path) -> None:
    dataset = read_dataset(voc(tmp_path))
    assert dataset.layout == "Pascal VOC"
    told = [(row.path.name, row.split, row.label) for row in dataset.rows]
    assert told == [("0.jpg", "train", "good"), ("1.jpg", "train", "dent"), ("2.jpg", "val", "dent")]
    assert read_boxes(dataset.rows[1]).xyxy.tolist() == [[1.0, 2.0, 9.0, 8.0]]


def test_yolo_reads_names_and_a_picture_without_labels_has_no_defect(tmp_path: Path) -> None:
    dataset = read_dataset(yolo(tmp_path))
    told = [(row.path.name, row.split, row.label, row.extra["classes"]) for row in dataset.rows]
    assert told == [
        ("a.png", "train", "long scratch", "dent|long scratch"),
        ("b.png", "val", "dent", "dent"),
        ("none.png", "val", "good", ""),
    ]
    assert read_boxes(dataset.rows[1]).xyxy.tolist() == [pytest.approx([27.0, 18.0, 33.0, 22.0])]
    assert len(read_boxes(dataset.rows[2])) == 0


@pytest.mark.parametrize(
    "names",
    [
        "names: [dent, 'long scratch']",
        'names: ["dent", "long scratch"]  # two\nroboflow: [x]',
        "names:\n- dent\n- long scratch\nval: x",
        "names:\n  0: dent  # small\n  1: 'long scratch'\n\nval: x",
        "names: {0: dent, 1: long scratch}",
    ],
)
def test_every_way_of_writing_names_in_yaml_is_read(tmp_path: Path, names: str) -> None:
    write(tmp_path, "data.yaml", f"nc: 2\n{names}\n")
    assert names_in(tmp_path / "data.yaml") == ("dent", "long scratch")


def test_yolo_of_the_other_nesting_is_read_too(tmp_path: Path) -> None:
    picture(tmp_path, "valid/images/b.png")
    write(tmp_path, "valid/labels/b.txt", "0 0.5 0.5 0.1 0.1\n")
    write(tmp_path, "classes.txt", "dent\n")
    (row,) = read_dataset(tmp_path).rows
    assert (row.split, row.label) == ("val", "dent")


def test_coco_takes_splits_from_file_names_and_leaves_captions_alone(tmp_path: Path) -> None:
    dataset = read_dataset(coco(tmp_path))
    assert dataset.layout == "COCO"
    assert [(row.name, row.split, row.label) for row in dataset.rows] == [
        ("train2017/a.png", "train", "dent"),
        ("val2017/a.png", "val", "dent"),
    ]
    assert read_boxes(dataset.rows[0]).xyxy.tolist() == [[1.0, 2.0, 9.0, 8.0]]
    assert has_mask(dataset.rows[0])


def test_labelme_leaves_out_what_is_not_annotated_and_says_so(tmp_path: Path) -> None:
    dataset = read_dataset(labelme(tmp_path))
    assert [(row.name, row.split, row.label) for row in dataset.rows] == [
        ("train/a.png", "train", "dent"),
        ("val/b.png", "val", "good"),
    ]
    assert "pictures left out, having no labelme file of these splits: 1" in dataset.notes
    assert read_mask(dataset.rows[0]).any()


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (voc, "Annotations/2.xml"),
        (yolo, "labels/val/b.txt"),
        (coco, "annotations/instances_val2017.json"),
        (labelme, "val/b.json"),
    ],
)
def test_files_of_a_split_that_is_not_asked_for_may_be_anything(
    tmp_path: Path, layout: Callable[[Path], Path], name: str
) -> None:
    write(layout(tmp_path), name, "broken")
    assert {row.split for row in read_dataset(tmp_path, splits=("train",)).rows} == {"train"}


def test_index_goes_before_every_other_layout(tmp_path: Path) -> None:
    voc(tmp_path)
    write(tmp_path, "index.csv", "path,split,label,group\nJPEGImages/0.jpg,train,good,g\n")
    assert read_dataset(tmp_path).layout == "index.csv"


def test_a_folder_of_two_layouts_is_refused_by_both_names(tmp_path: Path) -> None:
    mvtec(voc(tmp_path))
    assert "expected one layout, found MVTec AD and Pascal VOC" in fault(tmp_path)


def test_an_unknown_folder_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    picture(tmp_path, "holiday.jpg")
    text = fault(tmp_path)
    for word in ("index.csv (columns", "train/<class>/", "(COCO)", "(Pascal VOC", "(YOLO", "(labelme"):
        assert word in text
    assert "no such folder" in fault(tmp_path / "gone")


def test_near_duplicates_make_a_group_and_a_folder_without_splits_is_cut_by_it(tmp_path: Path) -> None:
    voc(tmp_path, sets=False)
    for number in range(10, 50):
        picture(tmp_path, f"JPEGImages/{number}.png", seed=number // 2)
        write(tmp_path, f"Annotations/{number}.xml", "<annotation/>")
    dataset = read_dataset(tmp_path)
    homes = {row.path.stem: (row.split, row.group) for row in dataset.rows}
    assert all(homes[f"{number}"] == homes[f"{number + 1}"] for number in range(10, 50, 2))
    assert Counter(split for split, _ in homes.values()) == {"train": 32, "val": 6, "test": 6}
    assert any("val and test cut by group" in note for note in dataset.notes)
    assert read_dataset(tmp_path) == dataset


def test_content_hash_follows_annotations_and_labels(tmp_path: Path) -> None:
    before = read_dataset(voc(tmp_path)).content_hash
    path = tmp_path / "Annotations/1.xml"
    path.write_text(path.read_text().replace("dent", "scratch"))
    after = read_dataset(tmp_path).content_hash
    assert after != before
    assert read_dataset(tmp_path).content_hash == after


def test_what_a_layout_names_and_lacks_is_said(tmp_path: Path) -> None:
    voc(tmp_path)
    (tmp_path / "JPEGImages/1.jpg").unlink()
    assert "Annotations/1.xml: expected its picture" in fault(tmp_path)


def test_coco_pictures_outside_the_folder_or_missing_are_refused(tmp_path: Path) -> None:
    picture(tmp_path, "outside.png")
    assert "file_name: expected a picture inside the folder" in fault(coco(tmp_path / "a", "../../outside.png"))
    assert "expected its picture 'gone.png' in one of annotations, ., train2017" in fault(
        coco(tmp_path / "b", "gone.png")
    )


def test_yolo_without_names_is_refused(tmp_path: Path) -> None:
    assert "expected class names" in fault(yolo(tmp_path, names=""))
