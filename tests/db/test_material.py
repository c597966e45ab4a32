"""What a snapshot makes of labelled parts: splits that stay, weights, doubts, and whether they are enough."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.labelled import GivenLabel, LabelledPart
from db.material.building import Material, build_manifest
from db.material.enough import answer, enough
from db.material.manifest import Shares, SnapshotManifest
from db.material.splits import Decided, decided_by
from inspector.errors import DatasetError
from inspector.gate_settings import GateSettings
from inspector.values import Outcome

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SHARES = Shares()


def given_label(number: int, label: str, person: str = "ann", supersedes: int | None = None) -> GivenLabel:
    earlier = None if supersedes is None else UUID(int=supersedes)
    return GivenLabel(UUID(int=number), label, label != "good", person, NOON + timedelta(minutes=number), earlier)


def part(number: int, lot: str | None = "L1", label: str = "good", **fields: object) -> LabelledPart:
    """A labelled reject with a picture of its own."""
    made = LabelledPart(
        part_id=UUID(int=number),
        station="press-4",
        lot=lot,
        serial=None,
        triggered_at=NOON + timedelta(seconds=number),
        outcome=Outcome.REJECT,
        image_sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        image_path=f"{number}.png",
        drawn=None,
        labels=(given_label(number, label),),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def built(
    parts: Sequence[LabelledPart], decided: Decided | None = None, inspected: dict[Outcome, int] | None = None
) -> SnapshotManifest:
    counted = inspected or dict(Counter(one.outcome for one in parts))
    return build_manifest(Material("lid", NOON, parts, counted, decided or {}), SHARES)


LOTS = st.sampled_from(["A", "B", "C", "D", "E", None])
MADE = st.lists(st.tuples(LOTS, st.sampled_from(["s1", "s2", "s3", None]), st.integers(0, 9)), min_size=1, max_size=25)


@given(st.lists(MADE, min_size=2, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_part_once_in_a_split_stays_there_whatever_comes_later(batches: list[list[tuple[str, str, int]]]) -> None:
    decided: dict[str, str] = {}
    parts: list[LabelledPart] = []
    homes: dict[UUID, str] = {}
    tied: dict[str, str] = {}
    for batch in batches:
        for lot, serial, hour in batch:
            at = NOON + timedelta(hours=hour)
            parts.append(part(len(parts), lot, serial=serial, triggered_at=at))
        try:
            manifest = built(parts, decided)  # type: ignore[arg-type]
        except DatasetError:
            return
        for item in manifest.items:
            assert homes.setdefault(item.part_id, item.split) == item.split
            for key in (f"group {item.group}", item.serial and f"serial {item.serial}"):
                if key:
                    assert tied.setdefault(key, item.split) == item.split, "lies on both sides of a cut"
        decided = {**decided_by(manifest.items), **decided}  # type: ignore[dict-item]


def test_the_same_parts_make_the_same_manifest_in_whatever_order_they_come() -> None:
    parts = [part(number, f"L{number // 3}") for number in range(30)]
    assert built(parts).model_dump_json() == built(parts[::-1]).model_dump_json()


def test_shares_of_many_lots_come_out_as_asked_for() -> None:
    items = built([part(number, f"L{number}") for number in range(2000)]).items
    counts = Counter(item.split for item in items)
    assert abs(counts["test"] / 2000 - SHARES.test) < 0.04
    assert abs(counts["val"] / 2000 - SHARES.val) < 0.04


def test_the_very_same_picture_ties_parts_together() -> None:
    lots = [f"L{number}" for number in range(40)]
    items = built([part(number, lot, image_sha256="a" * 64) for number, lot in enumerate(lots)]).items
    assert len({item.split for item in items}) == 1


def test_a_part_that_earlier_decisions_tear_apart_is_set_aside() -> None:
    manifest = built([part(1, "L1", serial="s"), part(2, "L2")], {"group lot L1": "train", "serial s": "test"})
    assert [str(one.part_id)[-1] for one in manifest.set_aside] == ["1"]
    assert "different splits" in manifest.set_aside[0].reason


def test_each_part_is_weighted_by_how_probable_its_label_was() -> None:
    passes = {"outcome": Outcome.PASS}
    parts = [part(1), part(2), part(3, drawn=0.05, **passes), part(4, **passes), part(5, outcome=Outcome.REVIEW)]
    items = built(parts, inspected={Outcome.REJECT: 8, Outcome.REVIEW: 1, Outcome.PASS: 1000}).items
    assert [(item.origin, item.weight) for item in items] == [
        ("stopped", 4.0),
        ("stopped", 4.0),
        ("audited pass", 20.0),
        ("picked pass", 1.0),
        ("stopped", 1.0),
    ]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ((given_label(1, "good"), given_label(2, "stain", "bob")), "labels disagree: ann says good; bob says stain"),
        ((given_label(1, "stain"), given_label(2, "good")), "labels disagree: ann says stain; ann says good"),
        (
            (given_label(1, "stain"), given_label(2, "good", supersedes=1), given_label(3, "stain", "bob")),
            "labels disagree: ann says good; bob says stain",
        ),
        (
            (given_label(1, "a"), given_label(2, "b", supersedes=1), given_label(3, "a", supersedes=2)),
            "its label was corrected 2 times; the last is a",
        ),
    ],
    ids=str,
)
def test_a_doubtful_label_is_set_aside_with_its_reason(labels: tuple[GivenLabel, ...], reason: str) -> None:
    manifest = built([part(1, labels=labels), part(2)])
    assert [(one.part_id, one.reason) for one in manifest.set_aside] == [(UUID(int=1), reason)]


def test_a_slip_that_was_corrected_is_no_doubt() -> None:
    labels = (given_label(1, "stain"), given_label(2, "good", supersedes=1), given_label(3, "good", "bob"))
    (item,) = built([part(1, labels=labels)]).items
    assert (item.label, item.is_defect, item.persons) == ("good", False, ("ann", "bob"))
    assert item.labelled_at == labels[2].at


def test_a_part_without_a_picture_is_set_aside() -> None:
    manifest = built([part(1, image_sha256=None, image_path=None), part(2)])
    assert manifest.set_aside[0].reason == "no picture of it is kept"


def test_no_part_to_learn_from_is_refused() -> None:
    with pytest.raises(DatasetError, match="no labelled part to learn from, 1 set aside"):
        built([part(1, image_sha256=None)])


def test_a_label_of_two_meanings_is_refused() -> None:
    odd = replace(given_label(1, "dent"), is_defect=False)
    with pytest.raises(DatasetError, match="'dent' means a good part and a defective one"):
        built([part(1, labels=(odd,)), part(2, label="dent")])


def test_enough_says_of_each_class_what_is_missing() -> None:
    parts = [part(number, f"L{number}", "good" if number % 4 else "stain") for number in range(800)]
    classes = enough(built(parts), GateSettings())
    assert [(one.label, one.missing) for one in classes] == [("good", False), ("stain", False)]
    assert answer(classes) == "labelled enough: yes"
    few = enough(built(parts[:100]), GateSettings())
    assert answer(few) == "labelled enough: no, too few of good, stain"
    stain = few[1]
    assert stain.tested_needed == 29
    assert stain.more_groups == (29 - stain.tested) * 5
    assert f"{stain.tested} of 29 groups in test; about {stain.more_groups} more groups" in stain.text()


@pytest.mark.parametrize("shares", [{"test": 0.6, "val": 0.4}, {"test": 0.0}], ids=str)
def test_shares_that_leave_nothing_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"leave nothing to fit on|test"):
        Shares(**shares)
