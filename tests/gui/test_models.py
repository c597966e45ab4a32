"""Models: what is known of bundles, what two of them said of the same parts, and who may make what of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from sqlalchemy import select, update

from db.bundle_states import BundleState, StateChange, set_state, state_of
from db.history.pairing import Basis, Compared, paired_parts, pairing
from db.history.shadowing import shadow_progress
from db.jobs import HeldJob, JobState, find_job, jobs, progress
from db.orders import OrderKind, orders
from db.plant_tables import AUDIT_LOG
from db.records import utc_now
from db.sessions import Session
from db.tables import BUNDLES, INSPECTIONS
from gui.database import Source, reading, writing
from gui.identity import Presence
from gui.models.bundles import BundlesController
from gui.models.desk import DatabaseModels, Decision, Retraining, Wanted
from gui.models.pairs import PairsController
from gui.models.screen import PAIRS, TRAININGS
from gui.models.texts import shadow_text
from gui.models.training_texts import job_text
from gui.models.trainings import TrainingsController
from gui.second import Second
from gui.shell import Shell
from gui.watchdog import Watchdog
from inspector.errors import AccessRefused, BundleError, OrderRefused
from inspector.values import Outcome
from tests.gui.conftest import at_once

PASSWORD = "correct horse battery"
WAIT_MS = 30_000
STALL_MS = 50
OLD, NOW = (hashlib.sha256(word).hexdigest() for word in (b"what served before", b"what serves"))

PASS, REJECT = Outcome.PASS, Outcome.REJECT
PLACE = 4
"""Of Models among the places of the window."""


@pytest.fixture
def desk(workshop: Any, source: Source) -> DatabaseModels:
    return DatabaseModels(source, "a test")


@pytest.fixture
def bundles(desk: DatabaseModels) -> BundlesController:
    made = BundlesController(desk, at_once, lambda: None, lambda _: None)
    made.refresh()
    return made


def certify(source: Source) -> None:
    limits = {"pass_below": 0.1, "reject_above": 0.8, "origin": "certified at 95 %: escape at most 1 %"}
    with writing(source.engine) as connection:
        rows = connection.execute(select(BUNDLES.c.bundle_id, BUNDLES.c.manifest)).all()
        for row in rows:
            mine = update(BUNDLES).where(BUNDLES.c.bundle_id == row.bundle_id)
            connection.execute(mine.values(manifest={**row.manifest, "limits": limits}))


def state(source: Source, bundle_id: str) -> BundleState | None:
    with reading(source.engine) as connection:
        return state_of(connection, bundle_id)


# ---- what is known


def test_the_shelf_says_what_serves_where_and_what_became_of_each_bundle(workshop: Any, desk: DatabaseModels) -> None:
    shelf = desk.shelf()
    known = {each.bundle_id: each for each in shelf.bundles}
    assert set(known) == {OLD, NOW, "b" * 64, workshop.candidate}
    assert known[NOW].serves_at == ("press-4",)
    assert known[OLD].serves_at == ()
    assert known[workshop.candidate].state is BundleState.CANDIDATE
    (place,) = shelf.places
    assert place.now is not None
    assert place.now.approval is not None
    assert place.now.approval.person == "quinn"
    assert (place.now.bundle_id, place.former, place.reads_orders) == (NOW, OLD, True)


def test_the_papers_of_a_bundle_are_read_only_from_a_folder_of_that_bundle(
    workshop: Any, bundles: BundlesController, tmp_path: Path
) -> None:
    bundles.choose(workshop.candidate)
    assert bundles.papers is not None
    assert bundles.papers.card == "# brightness\n"
    assert bundles.papers.certificate is None
    bundles.choose(NOW)
    assert bundles.papers is None
    assert f"its folder is neither /bundles/{NOW[:16]} nor" in bundles.papers_error
    (folder,) = (tmp_path / "bundles").iterdir()
    folder.rename(tmp_path / "bundles" / NOW[:16])
    bundles.choose(OLD)
    bundles.choose(NOW)
    assert bundles.papers is None


def test_an_altered_bundle_is_told_and_not_shown(workshop: Any, bundles: BundlesController, tmp_path: Path) -> None:
    (folder,) = (tmp_path / "bundles").iterdir()
    (folder / "card.md").write_text("# better than it is\n")
    bundles.choose(workshop.candidate)
    assert bundles.papers is None
    assert "card.md" in bundles.papers_error


def test_a_shadow_has_its_counts_and_its_agreement_with_a_bound(workshop: Any, source: Source) -> None:
    with reading(source.engine) as connection:
        (seen,) = shadow_progress(connection)
    assert (seen.bundle_id, seen.serving, seen.judged, seen.skipped, seen.same) == (workshop.candidate, NOW, 4, 0, 3)
    assert "3 of 4" in shadow_text((seen,))
    assert "between 19.4" in shadow_text((seen,)), "Clopper and Pearson, 95 %: 0.194 to 0.994"


def test_parts_that_a_shadow_had_no_time_for_are_counted(workshop: Any, source: Source) -> None:
    from db.order_tables import SHADOW_VERDICTS

    with writing(source.engine) as connection:
        second = SHADOW_VERDICTS.c.part_id == workshop.parts[1].part_id
        connection.execute(SHADOW_VERDICTS.delete().where(second))
        (seen,) = shadow_progress(connection)
    assert (seen.judged, seen.skipped) == (3, 1)


# ---- two bundles on the same parts


def test_pairs_of_the_shadow_are_counted_either_way_round(workshop: Any, desk: DatabaseModels) -> None:
    forth = desk.pairing(Compared(NOW, workshop.candidate, Basis.SHADOW))
    back = desk.pairing(Compared(workshop.candidate, NOW, Basis.SHADOW))
    assert forth.cells == {(PASS, PASS): 2, (REJECT, REJECT): 1, (REJECT, PASS): 1}
    assert back.cells == {(second, first): count for (first, second), count in forth.cells.items()}
    assert (forth.flips, forth.parts) == (1, 4)
    assert forth.same is not None
    assert (forth.same.count, forth.same.n) == (3, 4)


def test_a_part_with_a_view_that_the_shadow_did_not_judge_is_no_pair(
    workshop: Any, desk: DatabaseModels, source: Source
) -> None:
    from db.tables import FINDINGS

    with writing(source.engine) as connection:
        view = FINDINGS.c.part_id == workshop.parts[2].part_id
        row = dict(connection.execute(select(FINDINGS).where(view)).one()._mapping)
        connection.execute(FINDINGS.insert(), {**row, "view": 1, "camera": "side"})
    assert desk.pairing(Compared(NOW, workshop.candidate, Basis.SHADOW)).flips == 0


def test_a_pair_of_outcomes_opens_its_parts(workshop: Any, desk: DatabaseModels) -> None:
    counted = desk.pairing(Compared(NOW, workshop.candidate, Basis.SHADOW))
    flips = desk.parts(counted, None)
    assert [part.part_id for part in flips.parts] == [workshop.parts[2].part_id]
    assert (flips.parts[0].first, flips.parts[0].second, flips.of) == (REJECT, PASS, 1)
    passed = desk.parts(counted, (PASS, PASS))
    assert {part.part_id for part in passed.parts} == {workshop.parts[0].part_id, workshop.parts[3].part_id}


def test_parts_of_one_serial_number_are_pairs_and_show_the_later_inspection(
    workshop: Any, desk: DatabaseModels, source: Source
) -> None:
    one, other = workshop.parts[0], workshop.parts[1]
    with writing(source.engine) as connection:
        for record, bundle_id in ((one, OLD), (other, NOW)):
            mine = update(INSPECTIONS).where(INSPECTIONS.c.part_id == record.part_id)
            connection.execute(mine.values(serial="0815", bundle_id=bundle_id))
        counted = pairing(connection, Compared(OLD, NOW, Basis.SERIAL))
        listed = paired_parts(connection, counted, None)
    assert counted.cells == {(PASS, REJECT): 1}
    assert [part.part_id for part in listed.parts] == [other.part_id]


def test_bundles_that_never_met_are_said_to_have_no_part(desk: DatabaseModels) -> None:
    pairs = PairsController(desk, at_once, lambda: None)
    pairs.compare(OLD, NOW, Basis.SERIAL)
    assert pairs.counted is not None
    assert pairs.counted.same is None
    pairs.open(None)
    assert not pairs.is_open
    pairs.compare(NOW, NOW, Basis.SERIAL)
    assert pairs.compared is None


# ---- what is made of a bundle


def test_an_approval_takes_the_right_a_reason_and_where_nothing_is_proved_a_second_person(
    workshop: Any, desk: DatabaseModels, source: Source, session: Callable[[str], Session]
) -> None:
    candidate, approved = workshop.candidate, BundleState.APPROVED
    with pytest.raises(AccessRefused, match="eve is engineer and may not approve"):
        desk.decide(session("eve"), Decision(candidate, approved, "good"))
    with pytest.raises(BundleError, match="its limits are not certified; expected a second person"):
        desk.decide(session("ann"), Decision(candidate, approved, "good"))
    for name, password in (("ann", PASSWORD), ("eve", PASSWORD), ("ben", "wrong")):
        with pytest.raises(BundleError, match="second person"):
            desk.decide(session("ann"), Decision(candidate, approved, "good", Second(name, password)))
    certify(source)
    with pytest.raises(BundleError, match="expected a reason"):
        desk.decide(session("ann"), Decision(candidate, approved, " "))
    assert state(source, candidate) is BundleState.CANDIDATE
    desk.decide(session("ann"), Decision(candidate, approved, "good"))
    assert state(source, candidate) is approved


def test_two_persons_of_an_approval_are_both_in_the_audit_log(
    workshop: Any, desk: DatabaseModels, source: Source, session: Callable[[str], Session]
) -> None:
    from db.accounts import By, Role, add_account

    with writing(source.engine) as connection:
        add_account(connection, "quinn", Role.QUALITY, PASSWORD, By("root", "a second one"))
    desk.decide(session("ann"), Decision(workshop.candidate, BundleState.APPROVED, "ok", Second("quinn", PASSWORD)))
    with reading(source.engine) as connection:
        rows = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.sequence.desc()).limit(2)).all()
    assert [(row.person, row.action) for row in rows] == [
        ("quinn", "second person agreed"),
        ("ann", "bundle state"),
    ]


def test_a_state_that_somebody_gave_meanwhile_is_told_and_the_reason_stays(
    workshop: Any, bundles: BundlesController, source: Source, session: Callable[[str], Session]
) -> None:
    certify(source)
    bundles.refresh()
    bundles.begin(session("ann"))
    bundles.choose(workshop.candidate)
    bundles.say("fewer escapes")
    with writing(source.engine) as connection:
        set_state(connection, StateChange(workshop.candidate, BundleState.REFUSED, "quinn", "too slow"))
    bundles.decide(BundleState.APPROVED)
    assert "REFUSED; expected CANDIDATE" in bundles.error
    assert bundles.reason == "fewer escapes"
    assert state(source, workshop.candidate) is BundleState.REFUSED


def test_only_an_approved_bundle_is_let_serve_and_its_order_names_its_folder(
    workshop: Any, desk: DatabaseModels, source: Source, session: Callable[[str], Session], tmp_path: Path
) -> None:
    bundle = next(each for each in desk.shelf().bundles if each.bundle_id == workshop.candidate)
    wanted = Wanted("press-4", OrderKind.BUNDLE, bundle, "it is better")
    with pytest.raises(OrderRefused, match="it is CANDIDATE; expected one that is approved"):
        desk.order(session("eve"), wanted)
    with writing(source.engine) as connection:
        set_state(connection, StateChange(workshop.candidate, BundleState.APPROVED, "ann", "good"))
    with pytest.raises(AccessRefused):
        desk.order(session("ann"), wanted)
    desk.order(session("eve"), wanted)
    with reading(source.engine) as connection:
        (given,) = orders(connection, "press-4")
        logged = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.sequence.desc()).limit(1)).one()
    assert given.order.wanted == str((tmp_path / "bundles" / workshop.candidate[:16]).resolve())
    assert (logged.person, logged.action, logged.reason) == ("eve", "order given", "it is better")


def test_a_rollback_is_ordered_where_something_served_before(
    workshop: Any, bundles: BundlesController, source: Source, session: Callable[[str], Session]
) -> None:
    bundles.begin(session("eve"))
    bundles.choose(workshop.candidate)
    assert not bundles.may_order(OrderKind.ROLLBACK), "it does not serve"
    bundles.choose(NOW)
    assert bundles.may_order(OrderKind.ROLLBACK)
    bundles.say("escapes since noon")
    bundles.order(OrderKind.ROLLBACK)
    assert (bundles.error, bundles.reason, bundles.done) == ("", "", OrderKind.ROLLBACK)
    with reading(source.engine) as connection:
        (given,) = orders(connection, "press-4")
    assert (given.order.kind, given.order.person, given.order.wanted) == (OrderKind.ROLLBACK, "eve", "")
    bundles.begin(session("ben"))
    assert not bundles.may_order(OrderKind.ROLLBACK)


def test_a_database_that_no_station_reads_takes_no_order(
    plant: Any, source: Source, session: Callable[[str], Session]
) -> None:
    desk = DatabaseModels(source, "a test")
    shelf = desk.shelf()
    assert not shelf.places[0].reads_orders
    with pytest.raises(OrderRefused, match="nothing else has served"):
        desk.order(session("eve"), Wanted("press-4", OrderKind.ROLLBACK, shelf.bundles[0], "back"))


# ---- trainings


def test_a_preview_counts_by_class_and_split_and_says_what_is_missing(desk: DatabaseModels) -> None:
    seen = desk.preview("flange")
    counted = {one.label: one.train + one.val + one.test for one in seen.counts}
    assert counted == {"good": 2, "scratch": 2, "dent": 1}
    assert all(one.missing for one in seen.classes)
    assert seen.parts == 5


def test_a_training_is_queued_and_cancelled_by_who_may(
    workshop: Any, desk: DatabaseModels, source: Source, session: Callable[[str], Session]
) -> None:
    trainings = TrainingsController(desk, at_once, lambda: None, lambda _: None)
    trainings.refresh()
    assert [one.job.job_id for one in trainings.jobs] == [workshop.job_id]
    assert trainings.preview is not None
    trainings.begin(session("ann"))
    assert not trainings.may_train
    trainings.begin(session("eve"))
    trainings.queue(Retraining("flange", "classify", NOW, 30.0, 7, "more dents"))
    assert trainings.queued
    with reading(source.engine) as connection:
        made = jobs(connection)[-1]
    assert (made.job.person, made.job.reason, made.job.parent_bundle_id) == ("eve", "more dents", NOW)
    assert made.job.settings == {"task": "classify", "seed": 7, "minutes": 30.0}
    trainings.choose(made.job.job_id)
    trainings.cancel()
    assert "expected who cancels it, and why" in trainings.error
    trainings.say("wrong recipe")
    trainings.cancel()
    with reading(source.engine) as connection:
        assert find_job(connection, made.job.job_id).state is JobState.CANCELLED
    assert not trainings.may_cancel


def test_what_a_training_said_is_kept_line_by_line_while_the_window_looks(
    workshop: Any, desk: DatabaseModels, source: Source
) -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    trainings = TrainingsController(desk, at_once, lambda: None, lambda _: None, lambda: noon)
    trainings.poll()
    with writing(source.engine) as connection:
        (one,) = jobs(connection)
        held = HeldJob(one.job, one.lease_owner or "", one.attempt)
        progress(connection, held, 0.45, "train: epoch 9 of 20", utc_now())
    trainings.poll()
    trainings.poll()
    said = [(line.at, line.message) for line in trainings.log[workshop.job_id]]
    assert said == [(noon, "train: epoch 8 of 20"), (noon, "train: epoch 9 of 20")]
    assert "epoch 8 of 20" in job_text(trainings.jobs[0], trainings.log[workshop.job_id])


def test_what_the_screen_queues_is_what_a_worker_reads(desk: DatabaseModels, session: Callable[[str], Session]) -> None:
    from training.jobs.settings import JobSettings

    job_id = desk.queue(session("eve"), Retraining("flange", "anomaly", None, None, 0, "first"))
    (job,) = [one.job for one in desk.jobs() if one.job.job_id == job_id]
    assert JobSettings.model_validate(dict(job.settings)).task == "anomaly"


# ---- the screen


@pytest.fixture
def window(workshop: Any, source: Source, qtbot: Any, off_the_gui_thread: None) -> Iterator[Shell]:
    window = Shell(source, "a test")
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    yield window
    window.close()


def enter(window: Shell, qtbot: Any, name: str) -> None:
    window.identity.sign_in(name, PASSWORD)
    qtbot.waitUntil(lambda: window.identity.presence is Presence.PRESENT, timeout=WAIT_MS)
    window.go(PLACE)
    qtbot.waitUntil(lambda: window.models.bundles_page.list.count() == 4, timeout=WAIT_MS)


def test_a_person_rolls_back_by_keys_and_nothing_stalls(
    workshop: Any, window: Shell, source: Source, qtbot: Any
) -> None:
    watchdog = Watchdog()
    enter(window, qtbot, "eve")
    models, page = window.models, window.models.bundles_page
    watchdog.start()
    rows = [page.list.item(row).data(Qt.ItemDataRole.UserRole) for row in range(4)]
    page.list.setCurrentRow(rows.index(NOW))
    page.reason.setFocus()
    QTest.keyClicks(page.reason, "escapes since noon")
    back = page.order_ways[OrderKind.ROLLBACK]
    qtbot.waitUntil(back.isEnabled, timeout=WAIT_MS)
    QTest.keyClick(back, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: "escapes since noon" in page.orders.text(), timeout=WAIT_MS)
    models.turn_to(PAIRS)
    qtbot.waitUntil(lambda: models.pairs.counted is not None, timeout=WAIT_MS)
    models.turn_to(TRAININGS)
    qtbot.waitUntil(lambda: "epoch 8 of 20" in models.trainings_page.log.text(), timeout=WAIT_MS)
    assert models.trainings_page.progress.value() == 40
    assert watchdog.stop().cpu_ms < STALL_MS


def test_a_count_opens_its_parts_with_their_picture(workshop: Any, window: Shell, qtbot: Any) -> None:
    enter(window, qtbot, "ann")
    models, page = window.models, window.models.pairs_page
    models.turn_to(PAIRS)
    models.pairs.compare(NOW, workshop.candidate, Basis.SHADOW)
    qtbot.waitUntil(lambda: page.cells[REJECT, PASS].isEnabled(), timeout=WAIT_MS)
    assert page.cells[REJECT, PASS].accessibleName() == "First bundle Reject, second bundle Pass: 1"
    assert not page.cells[PASS, REJECT].isEnabled()
    QTest.mouseClick(page.cells[REJECT, PASS], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.parts.canvas._picture is not None, timeout=WAIT_MS)
    assert page.parts.list.count() == 1
    assert "Reject 95.0" in page.parts.list.item(0).text()
    QTest.keyClick(page.parts.list, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not models.pairs.is_open, timeout=WAIT_MS)
