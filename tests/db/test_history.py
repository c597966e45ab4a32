"""What screens ask, held against the same figures made of the parts in plain Python, on both engines."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, insert, update

from db import labels
from db.engine import WRITES
from db.history.choices import choices
from db.history.comparison import comparison, shadow_comparison
from db.history.control import control
from db.history.defects import pareto
from db.history.disagreements import doubted_labels, shadow_disagreements
from db.history.frames import good_frames
from db.history.labelled import escapes, overkill, truths
from db.history.latencies import latency
from db.history.listing import Wanted, listing
from db.history.over_time import Measure, even_edges, means_over_time, stopped_over_time
from db.history.queue import Need, queue
from db.history.scope import Scope, judged, left_out, open_parts
from db.history.scores import scores
from db.history.tallies import By, Tally, hours, interval, periods, tallies, tally
from db.leases import take
from db.ledger import Ledger
from db.queries import newest_parts
from db.records import completion_row, finding_rows, opening_row
from db.shadow import ShadowVerdict, write_shadow
from db.tables import CHALLENGE_PARTS, FINDINGS, IMAGES, INSPECTIONS, LABEL_TASKS
from inspector.errors import UndefinedFigure
from inspector.ids import new_id
from inspector.risk import Rate
from inspector.values import InspectionRecord, Outcome, PartTag, Prediction, Verdict
from inspector.verdict import Policy

SIX = datetime(2026, 3, 2, 6, tzinfo=UTC)
OTHER_BUNDLE = "c" * 64
POLICY = Policy(pass_below=0.2, reject_above=0.8)
OUTCOMES = (Outcome.PASS,) * 14 + (Outcome.REJECT,) * 3 + (Outcome.REVIEW,) * 2 + (Outcome.NOT_INSPECTED,)


class Days:
    """Two hundred parts of three days at two stations, one open part, and twenty rendered ones."""

    def __init__(self, database: str, line: Any) -> None:
        self.line, self.chance = line, random.Random(7)
        self.parts: list[InspectionRecord] = []
        with Ledger(database) as ledger:
            stations = [(name, ledger.start_run(line.run(station=name))) for name in ("press-1", "press-2")]
            rival = ledger.start_run(line.run(station="press-1", bundle_id=OTHER_BUNDLE))
            for trigger in range(1, 201):
                station, run_id = stations[trigger % 2]
                self.parts.append(self._write(ledger, run_id, trigger, station))
            self.again = [self._again(ledger, rival, part) for part in self.parts[:40]]
            for trigger in range(201, 221):
                self._write(ledger, stations[0][1], trigger, "press-1", simulated=True)
            opened = line.part(stations[0][1], 221, station="press-1", triggered_at=SIX)
            ledger.open_part(opened)
        self.all = [*self.parts, *self.again]

    def _write(
        self, ledger: Ledger, run_id: Any, trigger: int, station: str, *, simulated: bool = False
    ) -> InspectionRecord:
        at = SIX + timedelta(seconds=self.chance.randrange(3 * 86_400), microseconds=trigger)
        tag = PartTag(None, f"lot-{trigger % 3}" if trigger % 5 else None, f"serial-{trigger}")
        part = self.line.part(run_id, trigger, station=station, triggered_at=at, tag=tag)
        return self._complete(ledger, part, simulated)

    def _complete(self, ledger: Ledger, part: InspectionRecord, simulated: bool = False) -> InspectionRecord:
        outcome = self.chance.choice(OUTCOMES)
        label = self.chance.choice(("scratch", "scratch", "dent", "stain")) if outcome is Outcome.REJECT else "good"
        probability = None if outcome is Outcome.NOT_INSPECTED else round(self.chance.random(), 3)
        judged: InspectionRecord = self.line.judged(
            part,
            outcome=outcome,
            label=None if outcome is Outcome.NOT_INSPECTED else label,
            defect_probability=probability,
            latency_ms=None if outcome is Outcome.NOT_INSPECTED else self.chance.uniform(3, 40),
        )
        prediction = Prediction("good", (0.9, 0.1), 0.1, (2.2, -0.5), novelty=self.chance.choice((0.1, 0.5, 0.995)))
        judged = replace(judged, views=(replace(judged.views[0], prediction=prediction),))
        ledger.open_part(part, simulated)
        ledger.complete_part(judged)
        return judged

    def _again(self, ledger: Ledger, run_id: Any, before: InspectionRecord) -> InspectionRecord:
        """The same part, judged by another bundle."""
        changes = {"bundle_id": OTHER_BUNDLE, "station": "press-1", "tag": before.tag}
        at = before.triggered_at + timedelta(days=5)
        return self._complete(ledger, self.line.part(run_id, before.trigger + 1000, triggered_at=at, **changes))


@pytest.fixture
def days(database: str, line: Any) -> Days:
    return Days(database, line)


@pytest.fixture
def connection(days: Days, engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection


def counted(parts: list[InspectionRecord]) -> Tally:
    found = Counter(part.outcome for part in parts)
    return Tally(*(found[outcome] for outcome in Outcome))


def test_figures_are_those_of_the_parts_themselves(connection: Connection, days: Days) -> None:
    first = Scope(SIX, SIX + timedelta(days=1), "press-1")
    mine = [part for part in days.all if part.station == "press-1" and part.triggered_at < SIX + timedelta(days=1)]
    assert tally(connection, first) == counted(mine)
    assert tally(connection, Scope()) == counted(days.all)
    assert tally(connection, Scope(lot="lot-1")) == counted([part for part in days.all if part.tag.lot == "lot-1"])
    assert tally(connection, Scope(recipe="lid")) == Tally()
    for by, value in ((By.STATION, "station"), (By.RECIPE, "recipe"), (By.BUNDLE, "bundle_id"), (By.CLASS, "label")):
        expected = {
            name: [p for p in days.all if getattr(p, value) == name] for name in {getattr(p, value) for p in days.all}
        }
        assert tallies(connection, Scope(), by) == {name: counted(parts) for name, parts in expected.items()}
    assert set(tallies(connection, Scope(), By.LOT)) == {None, "lot-0", "lot-1", "lot-2"}
    _figures_of_rejects_and_times(connection, days)


def _figures_of_rejects_and_times(connection: Connection, days: Days) -> None:
    found = pareto(connection, Scope())
    rejects = Counter(part.label for part in days.all if part.outcome is Outcome.REJECT)
    assert {bar.label: bar.share.count for bar in found.bars} == rejects
    assert [bar.share.count for bar in found.bars] == sorted(rejects.values(), reverse=True)
    assert (found.parts, found.rejects) == (240, rejects.total())
    assert found.bars[-1].cumulated.value == 1.0
    waited = sorted(part.latency_ms for part in days.all if part.latency_ms is not None)
    said = latency(connection, Scope())
    exact = [np.percentile(waited, share, method="inverted_cdf") for share in (50, 95, 99)]
    assert (said.n, said.p50_ms, said.p95_ms, said.p99_ms, said.worst_ms) == (len(waited), *exact, waited[-1])


def test_what_is_rendered_does_not_count_and_is_told(connection: Connection) -> None:
    assert tally(connection, Scope()).parts == 240
    assert tally(connection, Scope(simulated=True)).parts == 260
    assert left_out(connection, Scope()) == 20
    assert left_out(connection, Scope(station="press-2")) == 0
    assert open_parts(connection, Scope()) == 1


def test_a_part_of_known_truth_never_counts(connection: Connection, days: Days) -> None:
    part = next(part for part in days.parts if part.outcome is Outcome.REJECT)
    challenge_id = new_id()
    known = {"challenge_id": challenge_id, "station": part.station, "code": "known-1", "expected": "REJECT"}
    stated = {"valid_from": SIX, "registered_by": "ann", "registered_at": SIX, "note": ""}
    connection.execute(insert(CHALLENGE_PARTS), {**known, **stated})
    of_part = INSPECTIONS.c.part_id == part.part_id
    connection.execute(update(INSPECTIONS).where(of_part).values(challenge_id=challenge_id))
    assert tally(connection, Scope()) == counted([one for one in days.all if one is not part])
    assert tally(connection, Scope(simulated=True)).parts == 259
    assert pareto(connection, Scope()).rejects == tally(connection, Scope()).rejects
    assert latency(connection, Scope()).n == tally(connection, Scope()).parts - tally(connection, Scope()).not_inspected
    assert left_out(connection, Scope()) == 21


def test_periods_hold_each_part_once_also_uneven_and_empty_ones(connection: Connection, days: Days) -> None:
    day, quarter = timedelta(days=1), timedelta(minutes=15)
    edges = [SIX - day, SIX, SIX + quarter, SIX + day, SIX + 2 * day, SIX + 3 * day]
    found = periods(connection, Scope(station="press-2"), edges)
    mine = [part for part in days.parts if part.station == "press-2"]
    inside = [[p for p in mine if start <= p.triggered_at < end] for start, end in pairwise(edges)]
    assert [period.tally for period in found] == [counted(parts) for parts in inside]
    assert found[0].tally == Tally()
    by_hour = periods(connection, Scope(), hours(SIX + quarter, SIX + day))
    assert len(by_hour) == 24
    assert sum((period.tally for period in by_hour), Tally()) == tally(connection, Scope(SIX + quarter, SIX + day))


def test_edges_that_do_not_rise_or_name_no_moment_are_refused(connection: Connection) -> None:
    for edges in ([SIX], [SIX, SIX], [SIX.replace(tzinfo=None), SIX], [SIX, SIX + timedelta(milliseconds=1)]):
        with pytest.raises(ValueError, match="expected"):
            periods(connection, Scope(), edges)


def test_a_figure_of_no_parts_is_refused(connection: Connection) -> None:
    nowhere = Scope(station="press-9")
    with pytest.raises(UndefinedFigure, match="expected at least one"):
        latency(connection, nowhere)
    with pytest.raises(ValueError, match="n >= 1"):
        _ = tally(connection, nowhere).passed
    assert control(connection, nowhere, [SIX, SIX + timedelta(hours=1)]) is None
    assert pareto(connection, nowhere).bars == ()


def test_a_period_is_held_against_those_before_it(connection: Connection, days: Days) -> None:
    edges = [SIX + timedelta(hours=6 * n) for n in range(13)]
    found = control(connection, Scope(station="press-1"), edges)
    assert found is not None
    assert (len(found.reference), found.judged.start) == (11, edges[-2])
    mine = [part for part in days.parts if part.station == "press-1" and part.triggered_at < edges[-2]]
    assert found.limits.centre.n == len(mine)
    with pytest.raises(UndefinedFigure, match="expected at least two"):
        control(connection, Scope(station="press-1"), edges[-3:])


def test_two_bundles_are_compared_on_the_parts_that_both_judged(connection: Connection, days: Days) -> None:
    found = comparison(connection, Scope(), days.line.bundle_id, OTHER_BUNDLE)
    pairs = [
        (a.outcome is Outcome.PASS, b.outcome is Outcome.PASS) for a, b in zip(days.parts, days.again, strict=False)
    ]
    expected = Counter(pairs)
    assert (found.both_pass, found.both_stop) == (expected[True, True], expected[False, False])
    assert (found.first_stops, found.second_stops) == (expected[False, True], expected[True, False])
    assert len(found.flips) == found.differ.count > 0
    assert {(flip.first is Outcome.PASS) for flip in found.flips} == {True, False}
    assert comparison(connection, Scope(), "d" * 64, OTHER_BUNDLE).parts == 0


def test_a_bundle_in_the_shadow_is_compared_on_the_parts_of_which_it_saw_every_view(
    connection: Connection, days: Days, database: str
) -> None:
    seen = [part for part in days.parts if part.trigger % 3]
    said = {part.part_id: Verdict(days.chance.choice(OUTCOMES), (), 0.25, "good") for part in seen}
    rows = [ShadowVerdict(part_id, "top", "s" * 64, verdict, SIX) for part_id, verdict in said.items()]
    write_shadow(connection, [*rows, ShadowVerdict(seen[0].part_id, "top", "t" * 64, rows[0].verdict, SIX)])
    wide = _two_views(connection, days, ("PASS", "REJECT"))
    half = _two_views(connection, days, ("PASS",))
    found = shadow_comparison(connection, Scope(), "s" * 64)
    inspected = [part for part in seen if part.outcome is not Outcome.NOT_INSPECTED]
    expected = Counter((part.outcome is Outcome.PASS, said[part.part_id].outcome is Outcome.PASS) for part in inspected)
    assert (found.both_pass, found.both_stop) == (expected[True, True], expected[False, False])
    assert (found.first_stops, found.second_stops) == (expected[False, True], expected[True, False] + 1)
    flips = {flip.part_id: flip for flip in found.flips}
    assert (flips[wide].first, flips[wide].second, flips[wide].serial) == (Outcome.PASS, Outcome.REJECT, None)
    assert half not in flips
    assert len(flips) == found.differ.count
    assert shadow_comparison(connection, Scope(station="press-2"), "s" * 64).parts < found.parts
    assert shadow_comparison(connection, Scope(), "t" * 64).parts == 1
    assert shadow_comparison(connection, Scope(), "' OR 1=1; --").parts == 0


def _two_views(connection: Connection, days: Days, said: tuple[str, ...]) -> Any:
    """A part that passed, of two views, of which as many were seen in the shadow as there are words."""
    passed = next(part for part in days.parts if part.outcome is Outcome.PASS)
    part = replace(passed, part_id=new_id(), trigger=5000 + len(said), tag=PartTag())
    view = part.views[0]
    part = replace(part, views=(view, replace(view, camera="side")))
    row = opening_row(replace(part, outcome=None, completed_at=None, views=())) | completion_row(part)
    connection.execute(insert(INSPECTIONS), {name: row[name] for name in row if name in INSPECTIONS.c})
    connection.execute(insert(FINDINGS), finding_rows(part))
    cameras = ("top", "side")[: len(said)]
    verdicts = (Verdict(Outcome(word), (), 0.5, "good") for word in said)
    write_shadow(
        connection,
        [ShadowVerdict(part.part_id, *pair, SIX) for pair in zip(cameras, ["s" * 64] * 2, verdicts, strict=False)],
    )
    return part.part_id


def test_the_queue_asks_for_what_is_needed_most_and_says_who_holds_it(connection: Connection, days: Days) -> None:
    passed = next(part for part in days.parts if part.outcome is Outcome.PASS)
    task = {"task_id": new_id(), "part_id": passed.part_id, "kind": "AUDIT", "inclusion_probability": 0.1}
    connection.execute(insert(LABEL_TASKS), {**task, "stratum": "all", "created_at": SIX})
    found = queue(connection, Scope(), POLICY, SIX, 500)
    reviews = [part for part in days.all if part.outcome is Outcome.REVIEW]
    assert {one.part_id for one in found} == {passed.part_id, *(part.part_id for part in reviews)}
    assert [one.need for one in found] == sorted(one.need for one in found)
    near = [one for one in found if one.need is Need.NEAR_LIMIT]
    assert [one.distance for one in near] == sorted(one.distance for one in near if one.distance is not None)
    assert {one.part_id for one in found if one.need is Need.NOVEL} == {
        part.part_id
        for part in reviews
        if part.views[0].prediction.novelty == 0.995  # type: ignore[union-attr]
    }
    assert [one.task_id for one in found if one.need is Need.DRAWN] == [task["task_id"]]

    first = found[0].part_id
    assert take(connection, first, new_id(), "ann", SIX)
    held = {one.part_id: one.held_by for one in queue(connection, Scope(), POLICY, SIX, 500)}
    assert {part_id for part_id, person in held.items() if person} == {first}
    later = queue(connection, Scope(), POLICY, SIX + timedelta(hours=1), 1)
    assert (later[0].part_id, later[0].held_by) == (first, None)
    for part in (passed, *reviews):
        labels.add_label(connection, labels.Label(part.part_id, "good", "ann", blind=True))
    assert queue(connection, Scope(), POLICY, SIX) == ()

    after = SIX + timedelta(days=30)
    again = {**task, "task_id": new_id(), "kind": "REPEAT", "stratum": None, "created_at": after}
    connection.execute(insert(LABEL_TASKS), again)
    assert [one.task_id for one in queue(connection, Scope(since=after), POLICY, SIX)] == [again["task_id"]]
    assert queue(connection, Scope(until=after), POLICY, SIX) == ()


def test_parts_that_the_shadow_or_persons_call_otherwise_are_found(connection: Connection, days: Days) -> None:
    passed, stopped = ([part for part in days.parts if part.outcome is one] for one in (Outcome.PASS, Outcome.REJECT))
    image = {"sha256": "a" * 64, "path": "a.png", "size_bytes": 9, "stored_at": SIX}
    connection.execute(insert(IMAGES), image)
    shown = [passed[0], passed[1], stopped[0], stopped[1]]
    ids = [part.part_id for part in shown]
    connection.execute(update(INSPECTIONS).where(INSPECTIONS.c.part_id.in_(ids)).values(image_sha256="a" * 64))
    views = (("top", Outcome.PASS), ("side", Outcome.REJECT))
    said = [
        ShadowVerdict(part.part_id, camera, "d" * 64, Verdict(outcome), SIX)
        for part in (passed[0], stopped[0], passed[9])
        for camera, outcome in views
    ]
    said += [ShadowVerdict(stopped[1].part_id, "top", "d" * 64, Verdict(Outcome.PASS), SIX)]
    write_shadow(connection, said)
    found = {one.part_id: one.outcome for one in shadow_disagreements(connection)}
    assert found == {passed[0].part_id: Outcome.REJECT, stopped[1].part_id: Outcome.PASS}
    for person, label in (("ann", "good"), ("ben", "scratch")):
        for part in (passed[0], passed[9]):
            labels.add_label(connection, labels.Label(part.part_id, label, person, blind=False, at=SIX))
    (doubt,) = doubted_labels(connection, "kim", SIX)
    assert (doubt.part_id, doubt.labels) == (passed[0].part_id, ("good", "scratch"))
    assert doubted_labels(connection, "ann", SIX) == ()
    assert doubted_labels(connection, "kim", SIX + timedelta(seconds=1)) == ()
    assert {one.part_id for one in shadow_disagreements(connection)} == {stopped[1].part_id}


def test_good_frames_are_those_of_passed_parts_and_the_newest_come_first(connection: Connection, days: Days) -> None:
    scope = Scope(bundle_id=OTHER_BUNDLE)
    passed = [part for part in days.again if part.outcome is Outcome.PASS]
    frames = good_frames(connection, scope)
    assert frames.shape == (len(passed), 4)
    assert sorted(frames[:, 1]) == pytest.approx(sorted(part.views[0].quality.brightness for part in passed))
    found = newest_parts(connection, judged(scope), 7)
    latest = sorted(days.again, key=lambda part: part.triggered_at, reverse=True)[:7]
    assert [part.part_id for part in found] == [part.part_id for part in latest]
    assert found[0].views[0].prediction is not None


def test_words_that_are_statements_are_only_words(connection: Connection) -> None:
    evil = "' OR 1=1; DROP TABLE inspections; --"
    for scope in (Scope(station=evil), Scope(recipe=evil), Scope(lot=evil)):
        assert tally(connection, scope) == Tally()
        assert comparison(connection, scope, evil, evil).parts == 0


def test_an_interval_is_the_exact_one() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    exact = scipy_stats.binomtest(7, 240).proportion_ci(0.95, method="exact")
    assert interval(Tally(passes=7, rejects=233).passed) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_the_desktops_figures_are_those_of_the_parts(connection: Connection, days: Days) -> None:
    edges = even_edges(SIX, SIX + timedelta(days=9), 40)
    stops = [part for part in days.all if part.outcome is not Outcome.PASS]
    for label, expected in ((None, len(stops)), ("dent", sum(part.label == "dent" for part in stops))):
        rates = [one.rate for one in stopped_over_time(connection, Scope(), edges, label) if one.rate is not None]
        assert (sum(rate.count for rate in rates), sum(rate.n for rate in rates)) == (expected, len(days.all))
    means = means_over_time(connection, Scope(bundle_id=OTHER_BUNDLE), edges, Measure.BRIGHTNESS)
    assert sum(mean.n for mean in means) == len(days.again)
    brightness = sum(part.views[0].quality.brightness for part in days.again)
    assert sum(mean.n * mean.value for mean in means) == pytest.approx(brightness)
    dents = listing(connection, Wanted(outcomes=(Outcome.REJECT,), label="dent"))
    assert dents.of == sum(part.label == "dent" and part.outcome is Outcome.REJECT for part in days.all)
    slow = listing(connection, Wanted(slower_than_ms=30))
    assert all((part.latency_ms or 0) >= 30 for part in days.all if part.part_id in {one.part_id for one in slow.parts})
    known = choices(connection, Scope(lot="lot-1"))
    assert (set(known.lots), len(known.bundles), known.stations) == (
        {"lot-0", "lot-1", "lot-2"},
        2,
        ("press-1", "press-2"),
    )


def test_what_persons_said_is_held_against_the_verdicts(connection: Connection, days: Days) -> None:
    rejects = [part for part in days.parts if part.outcome is Outcome.REJECT][:6]
    for number, part in enumerate(rejects):
        labels.add_label(
            connection, labels.Label(part.part_id, "good" if number < 2 else "scratch", "ann", blind=False)
        )
    labels.add_label(connection, labels.Label(rejects[0].part_id, "scratch", "ann", blind=False), correct=True)
    known = truths(connection, Scope())
    assert {one.part_id: one.is_defect for one in known} == {
        part.part_id: number != 1 for number, part in enumerate(rejects)
    }
    found = overkill(connection, Scope(), known)
    assert found.rate == Rate(1, 6)
    assert found.good == (rejects[1].part_id,)
    assert found.rejects == sum(part.outcome is Outcome.REJECT for part in days.all)
    read = scores(connection, Scope(bundle_id=days.line.bundle_id))
    judged = [part for part in days.parts if part.defect_probability is not None]
    assert len(read.probability) == len(judged)
    assert read.probability.sum() == pytest.approx(sum(part.defect_probability or 0 for part in judged))
    assert ((read.truth == 1).sum(), (read.truth == 0).sum(), len(read.runs)) == (5, 1, 2)
    with pytest.raises(UndefinedFigure, match="audit"):
        escapes(connection, Scope())
