"""`inspector retrain snapshot` on a station's own ledger, from stored pictures to a data set that training reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from db.engine import open_engine
from db.snapshots import manifest_of, snapshots
from inspector.cli import main
from inspector.dataset import read_dataset
from tests.training.plant import LATER, Plant, make_plant

Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return make_plant(tmp_path)


@pytest.fixture
def told(plant: Plant, capsys: pytest.CaptureFixture[str]) -> Told:
    def run(*words: object) -> tuple[int, str, str]:
        given = ("--database", plant.database, "--at", LATER.isoformat(), *words)
        status = main(["retrain", "snapshot", *map(str, given)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_the_same_database_and_moment_give_the_same_content(plant: Plant, told: Told) -> None:
    first, second = told("--by", "cara")[1], told("--by", "dan")[1]
    assert first == second
    assert "36 train" not in first
    engine = open_engine(plant.database)
    with engine.connect() as connection:
        (frozen,) = snapshots(connection, "default")
        assert (frozen.person, frozen.label_cutoff) == ("cara", LATER)
        assert len(manifest_of(connection, frozen.snapshot_id)["items"]) == 36
    engine.dispose()


def test_labels_given_later_are_not_in_it(plant: Plant, told: Told) -> None:
    before = told()[1]
    plant.label(3, "good", minutes=180)
    assert told()[1] == before


def test_a_later_snapshot_keeps_every_part_where_it_was(plant: Plant, told: Told, tmp_path: Path) -> None:
    def splits() -> dict[str, str]:
        told("--json", tmp_path / "s.json")
        items = json.loads((tmp_path / "s.json").read_text())["manifest"]["items"]
        return {item["part_id"]: item["split"] for item in items}

    first = splits()
    assert {"train", "test"} <= set(first.values())
    for number in range(3, 48, 4):
        plant.label(number, "good", minutes=60)
    second = splits()
    assert len(second) == 48
    assert first.items() <= second.items()


def test_two_persons_who_disagree_put_the_part_aside(plant: Plant, told: Told) -> None:
    plant.label(0, "good", "bob")
    out = told()[1]
    assert f"set aside: part {plant.parts[0].part_id}: labels disagree: ann says dent; bob says good" in out
    assert "1 set aside" in out


def test_the_answer_to_have_i_labelled_enough_names_what_is_missing(told: Told) -> None:
    out = told()[1]
    assert "labelled enough: no, too few of good, dent" in out
    assert "more groups with it are needed" in out


def test_a_snapshot_becomes_a_data_set_with_checked_pictures(plant: Plant, told: Told, tmp_path: Path) -> None:
    assert told("--out", tmp_path / "set", "--images", plant.images)[0] == 0
    dataset = read_dataset(tmp_path / "set", good=("good",))
    assert len(dataset.rows) == 36
    with (tmp_path / "set" / "index.csv").open(newline="") as stream:
        weights = {row["origin"]: float(row["weight"]) for row in csv.DictReader(stream)}
    assert weights == {"stopped": 1.0, "audited pass": 4.0}
    again = told("--out", tmp_path / "set", "--images", plant.images)
    assert (again[0], "is there already" in again[2]) == (2, True)


def test_an_altered_picture_is_refused_and_nothing_is_left(plant: Plant, told: Told, tmp_path: Path) -> None:
    next(plant.images.rglob(f"{plant.parts[0].image_sha256}.png")).write_bytes(b"other")
    status, _, said = told("--out", tmp_path / "set", "--images", plant.images)
    assert (status, "its content has changed since it was stored" in said) == (2, True)
    assert not [path for path in tmp_path.iterdir() if "set" in path.name or "snapshot" in path.name]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--out", "x"), "--out and --images: expected both or neither"),
        (("--parent", "x"), "--parent: expected --out and --images too"),
        (("--at", "2999-01-01T00:00:00+00:00"), "expected a moment that is over"),
        (("--test-share", "1.5"), "--test-share, --val-share: test"),
        (("--at", "2020-01-01T00:00:00+00:00"), "no labelled part to learn from, 0 set aside"),
    ],
    ids=str,
)
def test_bad_usage_is_refused_in_one_line(told: Told, words: tuple[str, ...], expected: str) -> None:
    status, _, said = told(*words)
    assert status == 2
    assert expected in said
    assert said.strip().count("\n") == 0
