"""What the fault campaign is made of: its checks find what they are there to find, its faults are what they say.

The campaign itself is `python -m benchmarks.faults --faults 500`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import faulty
from benchmarks.campaign import Account, Truth
from benchmarks.faulty import ORDERS, CampaignSettings, FaultyRuntime, campaign_camera, number_of, order, picture
from benchmarks.pieces import Pieces, keep_pieces, read_pieces
from db.images import ImageStore
from inspector.bundle import load_bundle
from inspector.errors import CameraError, CameraLost, FrameLost, FrameStale, RuntimeFault
from inspector.ids import new_id
from inspector.runtimes import RuntimeSettings
from inspector.values import Frame, InspectionRecord, Outcome

PART = InspectionRecord(
    part_id=new_id(),
    run_id=new_id(),
    station="faults",
    recipe="r",
    bundle_id="b",
    trigger=1,
    source="",
    triggered_at=datetime(2026, 1, 2, tzinfo=UTC),
    outcome=Outcome.REVIEW,
    reasons=("unlike all",),
)


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    bases = np.full((faulty.PICTURES + faulty.NOISES, faulty.SIZE_PX[1], faulty.SIZE_PX[0], 3), 90, np.uint8)
    np.save(tmp_path / "pictures.npy", bases)
    monkeypatch.setenv(ORDERS, str(tmp_path))
    faulty._bases.cache_clear()
    yield tmp_path
    faulty._bases.cache_clear()


@pytest.mark.parametrize("number", [0, 1, 4711, 2**24 - 1])
def test_picture_tells_its_number_after_it_was_stored_as_jpeg(orders: Path, number: int):
    _, jpeg = cv2.imencode(".jpg", picture(number), (cv2.IMWRITE_JPEG_QUALITY, 95))
    assert number_of(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)) == number


class Honest(Truth):
    """Says of every part what it was told to say."""

    def __init__(self, passes: bool = True, is_of_another: bool = False) -> None:
        self._passes, self._another = passes, is_of_another

    def passes(self, part: InspectionRecord) -> bool:
        return self._passes

    def is_of_another(self, part: InspectionRecord) -> bool:
        return self._another


@pytest.mark.parametrize(
    ("parts", "truth", "broken"),
    [
        ((0, 1, 2), Honest(), {}),
        ((0, 2), Honest(), {"parts_without_a_row": 1}),
        ((0, 1, 1), Honest(), {"parts_doubled": 1}),
        ((0,), Honest(is_of_another=True), {"images_under_the_wrong_row": 1}),
    ],
)
def test_account_finds_parts_that_are_missing_doubled_or_under_another_ones_image(
    parts: tuple[int, ...], truth: Truth, broken: dict[str, int]
):
    account = Account()
    for number in parts:
        account.take(replace(PART, sequence=number), truth)
    assert +account.broken == Counter(broken)


@pytest.mark.parametrize(
    ("part", "passes", "broken"),
    [
        (replace(PART, outcome=Outcome.PASS, reasons=()), False, "passes_not_truly_inspected"),
        (replace(PART, outcome=Outcome.NOT_INSPECTED, reasons=()), True, "rows_without_reason"),
    ],
)
def test_account_finds_a_pass_that_the_network_does_not_confirm_and_a_row_without_a_reason(
    part: InspectionRecord, passes: bool, broken: str
):
    account = Account()
    account.take(part, Honest(passes))
    assert +account.broken == Counter({broken: 1})


def test_truth_knows_an_image_of_another_part_and_one_that_is_gone(orders: Path, tmp_path: Path, bundle_path: Path):
    truth = Truth(bundle_path, tmp_path / "images")

    def stored(number: int) -> str:
        _, jpeg = cv2.imencode(".jpg", picture(number))
        return ImageStore(tmp_path / "images").put(jpeg.tobytes(), ".jpg").sha256

    assert not truth.is_of_another(replace(PART, sequence=7, image_sha256=stored(7)))
    assert truth.is_of_another(replace(PART, sequence=8, image_sha256=stored(7)))
    assert truth.is_of_another(replace(PART, sequence=8, image_sha256="0" * 64))


def test_plan_has_every_kind_equally_often_and_is_the_seeds():
    kinds = ["a", "b", "c"]
    plan = Pieces(1, ()).plan(kinds, 30)
    assert Counter(plan) == dict.fromkeys(kinds, 10)
    assert plan == Pieces(1, ()).plan(kinds, 30)
    assert plan != Pieces(2, ()).plan(kinds, 30)


def piece(**figures: object) -> dict[str, float | int | str]:
    found: dict[str, Any] = {
        "faults": 3,
        "faults_that_did_not_come_about": 1,
        "parts": 100,
        "x_longest_recovery_s": 2.0,
    }
    return {**found, "parts_doubled": 0, "left_out": "none", **figures}


def test_campaign_goes_on_where_it_was_stopped_and_its_pieces_are_added_up(tmp_path: Path):
    target, kinds = tmp_path / "campaign.json", ["a", "b", "c"]
    whole = Pieces(1, ())
    keep_pieces(target, whole, piece(parts_doubled=1))
    first = read_pieces(target, 1, [])
    assert first.faults == 4
    assert first.plan(kinds, 10) == whole.plan(kinds, 10)[4:]
    assert first.chance(0).random() == whole.chance(4).random(), "each fault is what it is in whatever piece"
    both = first.with_piece(piece(parts=200, x_longest_recovery_s=1.5, left_out="disk_full", y_faults=1))
    assert both["parts"] == 300
    assert (both["parts_doubled"], both["x_longest_recovery_s"], both["y_faults"], both["pieces"]) == (1, 2.0, 1, 2)
    assert both["left_out"] == "disk_full; none"
    assert both["none_of_parts_is_at_most_percent"] == pytest.approx(100 * (1 - 0.05 ** (1 / 300)), abs=1e-4)


def test_campaign_of_another_seed_or_other_kinds_is_not_gone_on_with(tmp_path: Path):
    keep_pieces(tmp_path / "campaign.json", Pieces(1, ("a",)), piece())
    for seed, only in ((2, ["a"]), (1, [])):
        with pytest.raises(SystemExit, match=r"a campaign of seed 1, kinds a; expected the same"):
            read_pieces(tmp_path / "campaign.json", seed, only)


Told = Callable[[str, int], list[object]]


@pytest.fixture
def told(orders: Path) -> Told:
    """Return a function that orders a fault before frame 1, and returns what a camera then tells of the next frames."""

    def grab(fault: str, count: int) -> list[object]:
        settings = CampaignSettings(kind="campaign", features={"rate_hz": 1000.0})
        said: list[object] = []
        with campaign_camera(settings) as camera:
            camera.grab(1.0)
            order(orders, "camera", fault)
            for _ in range(count):
                try:
                    frame: Frame = camera.grab(1.0)
                    assert number_of(frame.image) == frame.sequence
                    said.append(frame.sequence)
                except CameraError as error:
                    said.append(type(error))
        return said

    return grab


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("truncated", [FrameLost, 2, 3]),
        ("repeated", [FrameStale, 1, 2]),
        ("swapped", [FrameLost, 2, FrameStale, 3]),
        ("skipped", [FrameLost, FrameLost, FrameLost, 4]),
        ("lost", [CameraLost, 1]),
    ],
)
def test_each_fault_of_the_camera_is_told_as_what_it_is_and_no_frame_takes_anothers_number(
    told: Told, fault: str, expected: list[object]
):
    assert told(fault, len(expected)) == expected


def test_network_fails_once_for_each_order(orders: Path, bundle_path: Path):
    bundle = load_bundle(bundle_path)
    runtime = FaultyRuntime(bundle.model_path("float"), RuntimeSettings(kind="campaign", threads=1))
    batch = np.zeros((1, bundle.manifest.input.height, bundle.manifest.input.width, 3), np.uint8)
    order(orders, "network", "raise")
    with pytest.raises(RuntimeFault):
        runtime.run(batch)
    order(orders, "network", "nan")
    assert all(np.isnan(values).all() for values in runtime.run(batch).values())
    assert all(np.isfinite(values).all() for values in runtime.run(batch).values())
