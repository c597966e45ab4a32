from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from inspector.dataset import read_dataset
from inspector.errors import DatasetError

HEADER = "path,split,label,group,mask_path,exposure"


def write_index(
    folder: Path, lines: Sequence[str], header: str = HEADER, files: Sequence[str] = ("a", "b", "c")
) -> Path:
    (folder / "index.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    for name in files:
        (folder / name).write_bytes(name.encode())
    return folder


def faults_of(folder: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as caught:
        read_dataset(folder, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_rows_become_samples_with_joined_paths_and_extra_columns(tmp_path: Path) -> None:
    dataset = read_dataset(write_index(tmp_path, ["a,train,good,g1,,3", "b,val,scratch,g2,c,4"]))
    first, second = dataset.rows
    assert (first.path, first.mask_path, dict(first.extra)) == (tmp_path / "a", None, {"exposure": "3"})
    assert (second.name, second.mask_path, second.group) == ("b", tmp_path / "c", "g2")
    assert dataset.select("val") == (second,)
    assert dataset.is_defect("scratch")
    assert not dataset.is_defect("good")


def test_spaces_around_names_make_no_class_and_hide_no_straddling_group(tmp_path: Path) -> None:
    dataset = read_dataset(write_index(tmp_path, ["a, train ,good ,g1 ,,", "b,train, good,g1,,"]))
    assert [(row.split, row.label, row.group) for row in dataset.rows] == [("train", "good", "g1")] * 2
    assert "every group in one split" in faults_of(write_index(tmp_path, ["a,train,good,g1 ,,", "b,val,good,g1,,"]))


def test_all_faults_are_reported_at_once_with_row_field_and_expectation(tmp_path: Path) -> None:
    rows = ["a,training,good,g1,,", "b,train,,g2,,", "gone,train,good,g3,,", ",train,good,,,", "c,val,good,g2,lost,"]
    text = faults_of(write_index(tmp_path, rows))
    assert text.startswith(f"{tmp_path / 'index.csv'}: 7 faults")
    for fault in (
        "row 2: split: expected train, val or test, found 'training'",
        "row 3: label: expected a name, found nothing",
        "row 4: path: expected an existing file, found 'gone'",
        "row 5: path: expected a file name, found nothing",
        "row 5: group: expected a name, found nothing",
        "row 6: mask_path: expected an existing file, found 'lost'",
        "row 6: group: expected every group in one split (row 3 has 'g2' in train), found it in val",
    ):
        assert fault in text


def test_one_fault_is_one_line(tmp_path: Path) -> None:
    text = faults_of(write_index(tmp_path, ["a,nowhere,good,g1,,"]))
    assert "\n" not in text
    assert "index.csv: row 2: split" in text


def test_a_path_given_twice_is_a_fault(tmp_path: Path) -> None:
    text = faults_of(write_index(tmp_path, ["a,train,good,g1,,", "a,train,good,g1,,"]))
    assert "row 3: path: expected every path once (row 2 has it), found 'a'" in text


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "x/../../a"])
def test_a_path_that_leaves_the_folder_is_a_fault(tmp_path: Path, name: str) -> None:
    assert "expected a path inside the folder" in faults_of(write_index(tmp_path, [f"{name},train,good,g1,,"]))


def test_a_long_list_of_faults_is_cut_and_counted(tmp_path: Path) -> None:
    text = faults_of(write_index(tmp_path, [f"gone{n},train,good,g{n},," for n in range(57)]))
    assert "57 faults" in text
    assert text.count("\n") == 21
    assert text.endswith("and 37 more")


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("path,split,label", ["a,train,good"], "header: expected columns path, split, label, group; missing group"),
        ("path,split,label,group,group", ["a,train,good,g,g"], "header: expected every column once"),
        (HEADER, ["a,train,good,g1"], "row 2: row: expected 6 cells, found 4"),
        (HEADER, [], "row 1: path: expected at least one row, found none"),
    ],
)
def test_a_malformed_index_is_named(tmp_path: Path, header: str, rows: list[str], expected: str) -> None:
    assert expected in faults_of(write_index(tmp_path, rows, header))


def test_a_missing_or_undecodable_index_is_named(tmp_path: Path) -> None:
    assert "no such file" in faults_of(tmp_path)
    (tmp_path / "index.csv").write_bytes(b"path,split,label,group\n\xff\xfe,train,good,g\n")
    assert "expected a readable CSV file in UTF-8" in faults_of(tmp_path)


def test_files_of_splits_not_asked_for_are_never_looked_at(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ["a,train,good,g1,,", "secret,test,good,g2,,"])
    assert len(read_dataset(folder, splits=("train", "val")).rows) == 2
    assert "'secret'" in faults_of(folder)


def test_content_hash_follows_index_and_file_bytes(tmp_path: Path) -> None:
    folder = write_index(tmp_path, ["a,train,good,g1,,", "b,test,good,g2,,"])
    before = read_dataset(folder).content_hash
    assert read_dataset(folder).content_hash == before
    training_only = read_dataset(folder, splits=("train",)).content_hash
    (folder / "b").write_bytes(b"altered")
    assert read_dataset(folder).content_hash != before
    assert read_dataset(folder, splits=("train",)).content_hash == training_only


def test_a_template_is_a_checked_file_and_part_of_the_content(tmp_path: Path) -> None:
    header = "path,split,label,group,template_path"
    folder = write_index(tmp_path, ["a,train,scratch,g1,c", "b,train,good,g1,"], header)
    dataset = read_dataset(folder)
    assert [row.template_path for row in dataset.rows] == [tmp_path / "c", None]
    assert "template_path" not in dataset.rows[0].extra
    (folder / "c").write_bytes(b"altered")
    assert read_dataset(folder).content_hash != dataset.content_hash
    (folder / "c").unlink()
    assert "row 2: template_path: expected an existing file, found 'c'" in faults_of(folder)
