"""`inspector retrain snapshot` on a station's own ledger, from stored pictures to a data set that training reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from db.engine import open_engine, writing
from db.images import ImageStore
from db.labels import Label, add_label
from db.ledger import Ledger
from db.records import Run
from db.snapshots import manifest_of, snapshots
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.draws import Draw, Stratum
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, PartTag

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=2)
Told = Callable[..., tuple[int, str, str]]


@dataclass
class Plant:
    """Twelve lots of two rejects, a pass that was drawn and one that was not; all but the last are labelled."""

    folder: Path
    parts: list[InspectionRecord]

    @property
    def database(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def label(self, number: int, name: str, person: str = "ann", minutes: int = 30) -> None:
        engine = open_engine(self.database)
        with writing(engine) as connection:
            at = NOON + timedelta(minutes=minutes)
            add_label(connection, Label(self.parts[number].part_id, name, person, True, at=at))
        engine.dispose()


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    plant = Plant(tmp_path, [])
    store, rng = ImageStore(plant.images), np.random.default_rng(0)
    with Ledger(plant.database) as ledger:
        strata = (Stratum("all", 0.0, None, 0.25),)
        run = Run("press-4", "default", "r", "{}", "b", "classify", ("good", "dent"), {"good": ["good"]}, audit=strata)
        ledger.start_run(run)
        for number in range(48):
            picture = rng.integers(0, 255, (8, 8, 3), np.uint8)
            image = store.put(cv2.imencode(".png", picture)[1].tobytes(), ".png")
            rejected, drawn = number % 4 < 2, number % 4 == 2
            opened = InspectionRecord(
                new_id(),
                run.run_id,
                "press-4",
                "default",
                "b",
                number + 1,
                f"{number}.png",
                NOON,
                tag=PartTag(lot=f"L{number // 4}"),
            )
            judged = replace(
                opened,
                outcome=Outcome.REJECT if rejected else Outcome.PASS,
                label="dent" if rejected else "good",
                defect_probability=0.9 if rejected else 0.01,
                completed_at=NOON,
                image_sha256=image.sha256,
            )
            ledger.open_part(opened)
            ledger.complete_part(judged, image, Draw(0.25, "all") if drawn else None).result(10)
            plant.parts.append(judged)
        ledger.end_run(run.run_id, clean=True).result(10)
    for number in range(48):
        if number % 4 != 3:
            plant.label(number, "dent" if number % 4 == 0 else "good")
    return plant


@pytest.fixture
def told(plant: Plant, capsys: pytest.CaptureFixture[str]) -> Iterator[Told]:
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
    assert set(first.values()) == {"train", "val", "test"}
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
    next(path for path in plant.images.rglob("*.png")).write_bytes(b"other")
    status, _, said = told("--out", tmp_path / "set", "--images", plant.images)
    assert (status, "its content has changed since it was stored" in said) == (2, True)
    assert not [path for path in tmp_path.iterdir() if "set" in path.name or "snapshot" in path.name]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--out", "x"), "--out and --images: expected both or neither"),
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
