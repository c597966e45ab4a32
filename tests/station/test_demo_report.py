"""The report states counts with bounds, shows its parts, and refuses to speak of nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
from scipy import stats

from db.images import ImageStore
from db.records import Event, Severity
from inspector.errors import UserError
from inspector.ids import new_id
from inspector.values import Image, InspectionRecord, Outcome, Prediction, Quality, Verdict, ViewInspection
from station.demo.figures import figures, reliability
from station.demo.report import Head, make_report, stored_pictures
from station.pages import percent

RUN = new_id()
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
HEAD = Head("A run", "on a bench", (("bundle", "b" * 16), ("note", "<angle & ampersand>")))
CLASSES = ("dent", "good", "scratch")
Case = tuple[Outcome | None, str, float | None]


def record(trigger: int, case: Case, image_sha256: str | None = None) -> InspectionRecord:
    outcome, label, probability = case
    began = START + timedelta(milliseconds=40 * trigger)
    return InspectionRecord(
        part_id=new_id(),
        run_id=RUN,
        station="bench",
        recipe="flange",
        bundle_id="b" * 64,
        trigger=trigger,
        source=f"synthetic/1/0.12/{trigger - 1}",
        triggered_at=began,
        outcome=outcome,
        reasons=() if outcome in (Outcome.PASS, None) else (f"because of part {trigger}",),
        label=label if probability is not None else None,
        defect_probability=probability,
        latency_ms=None if outcome is None else 10 + trigger % 7,
        completed_at=None if outcome is None else began,
        image_sha256=image_sha256,
        views=() if probability is None else (view(trigger, case),),
    )


def view(trigger: int, case: Case) -> ViewInspection:
    outcome, label, probability = case
    said = Verdict(outcome or Outcome.REVIEW, (), probability, label)
    prediction = Prediction(label, (0.1, 0.8, 0.1), probability or 0.0, (0.0, 1.0, 0.0))
    timings = {"infer": 4.0, "assess": 0.5, "preprocess": 1.0}
    return ViewInspection("camera-1", trigger - 1, "", Quality(200, 96, 0, 0), prediction, said, timings)


PASSED: Case = (Outcome.PASS, "good", 0.01)
REJECTED: Case = (Outcome.REJECT, "scratch", 0.97)
DOUBTED: Case = (Outcome.REVIEW, "dent", 0.4)
UNSEEN: Case = (Outcome.NOT_INSPECTED, "", None)


def run_of(cases: Sequence[tuple[str, Case]]) -> tuple[list[InspectionRecord], dict[UUID, str]]:
    records = [record(number, case) for number, (_, case) in enumerate(cases, start=1)]
    return records, {one.part_id: truth for one, (truth, _) in zip(records, cases, strict=True)}


def plain_run() -> tuple[list[InspectionRecord], dict[UUID, str]]:
    """200 parts: 180 good of which 2 are rejected, 20 defective of which 1 passes; 3 reviews, 1 not inspected."""
    good = [("good", REJECTED)] * 2 + [("good", DOUBTED)] * 2 + [("good", PASSED)] * 176
    bad = [("dent", PASSED), ("dent", DOUBTED), ("scratch", UNSEEN)] + [("scratch", REJECTED)] * 17
    return run_of(good + bad)


def picture(_: InspectionRecord) -> Image:
    return np.full((1024, 1280, 3), 90, np.uint8)


def test_rates_are_counts_against_the_truth() -> None:
    known = figures(*plain_run())
    assert known.escape is not None
    assert known.overkill is not None
    assert (known.escape.count, known.escape.n) == (1, 20)
    assert (known.overkill.count, known.overkill.n) == (2, 180)
    assert (known.review.count, known.review.n) == (3, 200)
    assert (known.not_inspected.count, known.not_inspected.n) == (1, 200)
    assert known.outcomes == {Outcome.PASS: 177, Outcome.REJECT: 19, Outcome.REVIEW: 3, Outcome.NOT_INSPECTED: 1}
    by_truth = {row.truth: row for row in known.by_truth}
    assert by_truth["good"].escape is None
    assert by_truth["scratch"].labels == {"scratch": 17}
    assert sum(row.n for row in known.by_truth) == 200


def test_rate_of_no_parts_is_not_stated() -> None:
    only_good = figures(*run_of([("good", PASSED)] * 5))
    only_bad = figures(*run_of([("dent", REJECTED)] * 5))
    assert only_good.escape is None
    assert only_bad.overkill is None


def test_parts_without_a_verdict_are_counted_apart() -> None:
    known = figures(*run_of([("good", PASSED), ("good", (None, "", None))]))
    assert (len(known.parts), known.open_parts) == (1, 1)


def test_bins_hold_every_part_once_and_bracket_their_share() -> None:
    known = figures(*plain_run())
    bins = reliability(known.parts)
    assert sum(one.defective.n for one in bins) == 199
    assert sum(one.defective.count for one in bins) == 19
    assert all(one.low <= one.defective.value <= one.high for one in bins)
    assert [one.mean_probability for one in bins] == sorted(one.mean_probability for one in bins)


def test_equal_probabilities_are_not_sorted_by_the_truth() -> None:
    tied = [("dent" if number % 4 == 0 else "good", DOUBTED) for number in range(160)]
    bins = reliability(figures(*run_of(tied)).parts)
    assert {one.defective.count for one in bins} == {2, 3}


def test_interval_of_a_bin_is_the_exact_binomial_one() -> None:
    for one in figures(*plain_run()).bins:
        exact = stats.binomtest(one.defective.count, one.defective.n).proportion_ci(0.95, method="exact")
        assert (one.low, one.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize("records", [[], [record(1, (None, "", None))]])
def test_nothing_inspected_is_refused(records: list[InspectionRecord], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"none of {len(records)} records has an outcome"):
        make_report(records, {}, picture, tmp_path / "report.html", HEAD)
    assert not (tmp_path / "report.html").exists()


def test_part_of_unknown_truth_is_refused() -> None:
    records, truth = plain_run()
    del truth[records[3].part_id]
    with pytest.raises(UserError, match="truth of part 4 is not known"):
        figures(records, truth)


def test_report_states_bounds_and_embeds_pictures_and_plots(tmp_path: Path) -> None:
    records, truth = plain_run()
    events = [Event("bench", Severity.ALARM, "camera lost", "cable <pulled>", START)]
    out = tmp_path / "deep" / "report.html"
    make_report(records, truth, picture, out, HEAD, events)
    page = out.read_text()
    assert re.search(r"1 of 20</div><div class=\"bound\">at most 22 % \(95 %\)", page)
    assert re.search(r"2 of 180</div><div class=\"bound\">at most 3\.5 % \(95 %\)", page)
    assert page.count("data:image/jpeg;base64,") == 1 + 2 + 3 + 1 + 8
    assert page.count("<svg role") == 3
    assert "cable &lt;pulled&gt;" in page
    assert "&lt;angle &amp; ampersand&gt;" in page
    assert "8 of 17 shown" in page


def test_report_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    make_report(*plain_run(), picture, tmp_path / "report.html", HEAD)
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "@import" not in page
    assert "url(http" not in page


def test_same_records_make_the_same_report(tmp_path: Path) -> None:
    records, truth = plain_run()
    for name in ("a.html", "b.html"):
        make_report(records, truth, picture, tmp_path / name, HEAD)
    assert (tmp_path / "a.html").read_text() == (tmp_path / "b.html").read_text()


def test_report_of_parts_that_were_never_judged_says_so(tmp_path: Path) -> None:
    make_report(*run_of([("good", UNSEEN)] * 3), lambda _: None, tmp_path / "report.html", HEAD)
    page = (tmp_path / "report.html").read_text()
    assert "no defective part was shown" in page
    assert "No part has a probability" in page
    assert "no picture" in page


def test_unwritable_report_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        make_report(*plain_run(), picture, tmp_path / "file" / "report.html", HEAD)


def test_stored_picture_is_preferred_and_a_lost_one_is_missing(tmp_path: Path) -> None:
    encoded = cv2.imencode(".png", np.full((8, 8, 3), 200, np.uint8))[1].tobytes()
    stored = ImageStore(tmp_path).put(encoded, ".png")
    find = stored_pictures(tmp_path, otherwise=picture)
    kept, lost, passed = record(1, REJECTED, stored.sha256), record(2, REJECTED, "0" * 64), record(3, PASSED)
    shown = [find(one) for one in (kept, lost, passed)]
    assert [None if image is None else int(image[0, 0, 0]) for image in shown] == [200, None, 90]


@pytest.mark.parametrize(("share", "text"), [(0.217, "22 %"), (0.048, "4.8 %"), (0.0035, "0.35 %"), (1.0, "100 %")])
def test_percentages_have_the_digits_they_need(share: float, text: str) -> None:
    assert percent(share) == text
