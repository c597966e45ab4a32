"""The review of parts on a real database, without a display: answers come at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from db.label_marks import marks_of
from db.labels import Label, TaskKind, add_label
from db.leases import LASTS
from db.ledger import Ledger
from db.order_tables import SERVINGS
from db.plant_tables import LABEL_LEASES, SESSIONS
from db.records import Run, utc_now
from db.sessions import Session
from db.shadow import ShadowVerdict, write_shadow
from db.tables import FINDINGS
from gui.database import Source, reading, writing
from gui.review.controller import BLIND, CHOOSE, MAY_NOT, QUEUE_EMPTY, ReviewController
from gui.review.desk import Answer, DatabaseDesk
from gui.review.queue import Need, QueuedPart, Why, review_queue, waiting_counts
from gui.review.texts import need_text
from inspector.bundle import load_bundle
from inspector.drawn import Stroke
from inspector.errors import AccessRefused, BundleError, InspectorError, StorageFault
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, Verdict

REVIEW, REJECT, PASS = Outcome.REVIEW, Outcome.REJECT, Outcome.PASS
SignIn = Callable[[str], Session]


def ask_now(topic: str, question: Any, then: Any, failed: Any) -> None:
    """An `Ask` that answers at once."""
    try:
        value = question()
    except InspectorError as error:
        failed(error)
        return
    then(value)


class Window:
    """A review screen without a screen."""

    def __init__(self, source: Source) -> None:
        self.refused: list[InspectorError] = []
        self.review = ReviewController(DatabaseDesk(source), ask_now, lambda: None, self.refused.append)

    def part_id(self) -> UUID:
        assert self.review.part is not None
        return self.review.part.record.part_id


@pytest.fixture
def window(source: Source) -> Callable[[], Window]:
    return lambda: Window(source)


def queue(source: Source, person: str = "ann") -> list[tuple[UUID, Need]]:
    with reading(source.engine) as connection:
        return [(part.part_id, part.need) for part in review_queue(connection, person, new_id(), utc_now())]


# ---- the queue


def test_what_was_asked_comes_first_then_need_by_need_and_the_nearest_to_a_limit(plant: Any, source: Source) -> None:
    plain, undecided, audited, asked = plant.parts(REJECT, REVIEW, PASS, PASS)
    (near,) = plant.parts(REJECT, probability=0.82)
    (nearer,) = plant.parts(REVIEW, probability=0.79)
    (strange,) = plant.parts(REVIEW, probability=0.3)
    (shadowed, agreed) = plant.parts(PASS, PASS)
    plant.ask(audited, TaskKind.AUDIT)
    plant.ask(asked, TaskKind.REVIEW)
    with writing(source.engine) as connection:
        novel = update(FINDINGS).where(FINDINGS.c.part_id == strange.part_id).values(novelty=0.995)
        connection.execute(novel)
        told = [shadow(shadowed, REJECT), shadow(agreed, PASS), shadow(plain, REJECT), shadow(audited, REJECT)]
        write_shadow(connection, told)
    assert queue(source) == [
        (asked.part_id, Need.ASKED),
        (nearer.part_id, Need.NEAR_LIMIT),
        (near.part_id, Need.NEAR_LIMIT),
        (shadowed.part_id, Need.DISAGREES),
        (strange.part_id, Need.NOVEL),
        (audited.part_id, Need.AUDIT),
        (undecided.part_id, Need.UNDECIDED),
        (plain.part_id, Need.REJECTED),
    ]
    with reading(source.engine) as connection:
        assert waiting_counts(connection) == {"press-4": 5}
        (blind,) = [part for part in review_queue(connection, "ann", new_id(), utc_now()) if part.blind]
        told_of = [need_text(part) for part in review_queue(connection, "ann", new_id(), utc_now())]
    assert (blind.part_id, blind.why) == (audited.part_id, Why())
    assert "Near a limit: 0.010 from it" in told_of
    assert "The bundle in the shadow, cccccccc, says Reject" in told_of
    assert "Unlike all that is known: novelty 0.995" in told_of


def shadow(part: InspectionRecord, outcome: Outcome) -> ShadowVerdict:
    return ShadowVerdict(part.part_id, "top", "c" * 64, Verdict(outcome, (), 0.5, "scratch"), utc_now())


def test_where_persons_disagree_each_further_one_is_asked_until_a_majority_says_so(
    plant: Any, source: Source, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    (part,) = plant.parts(REJECT)
    with writing(source.engine) as connection:
        for name, label in (("eve", "good"), ("kim", "dent")):
            add_label(connection, Label(part.part_id, label, name, blind=False))
    assert queue(source, "eve") == []
    assert queue(source) == queue(source, "ben") == [(part.part_id, Need.DOUBTED)]
    mine = window()
    mine.review.begin(session("ann"))
    assert need_text(mine.review.part.queued) == "Persons disagree: dent, good"  # type: ignore[union-attr]
    mine.review.choose("dent")
    assert [row.person for row in labels()] == ["eve", "kim", "ann"]
    assert queue(source, "ben") == []


def test_what_another_is_asked_is_not_in_my_queue(plant: Any, source: Source) -> None:
    (part,) = plant.parts(PASS)
    plant.ask(part, TaskKind.REPEAT, "ben")
    assert queue(source, "ann") == []
    assert queue(source, "ben") == [(part.part_id, Need.REPEAT)]


# ---- labels


def test_one_key_accepts_one_overrules_one_chooses(
    plant: Any, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT, REJECT, REJECT)
    review = window().review
    review.begin(session("ann"))
    review.accept()
    review.overrule()
    review.note("at the rim ")
    review.choose_defect(3)
    assert [(row.label, row.is_defect, row.person, row.blind, row.note) for row in labels()] == [
        ("scratch", True, "ann", False, ""),
        ("good", False, "ann", False, ""),
        ("stain", True, "ann", False, "at the rim"),
    ]
    assert review.words.key == QUEUE_EMPTY
    assert review.labelled == 3


def test_overruling_a_good_one_asks_which_defect_it_is(
    plant: Any, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    (part,) = plant.parts(PASS)
    plant.ask(part, TaskKind.REVIEW)
    review = window().review
    review.begin(session("ann"))
    review.overrule()
    assert review.words.key == CHOOSE
    assert labels() == []


def test_a_part_of_an_audit_is_answered_blind_and_by_no_agreeing(
    plant: Any, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    (part,) = plant.parts(PASS)
    plant.ask(part, TaskKind.AUDIT)
    review = window().review
    review.begin(session("ann"))
    for act in (review.accept, review.overrule):
        act()
        assert review.words.key == BLIND
    review.choose_good()
    (row,) = labels()
    assert row.blind
    assert row.task_id is not None


def test_undo_brings_the_part_back_and_the_next_answer_supersedes(
    plant: Any, source: Source, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT, REJECT)
    at_screen = window()
    review = at_screen.review
    review.begin(session("ann"))
    first = at_screen.part_id()
    review.shown(320, 240)
    review.draw(Stroke(points=((5, 5), (9, 9)), radius_px=2))
    review.accept()
    second = at_screen.part_id()
    review.undo_label()
    assert at_screen.part_id() == first
    assert len(review.draft.sketch.shapes) == 1, "what was drawn is there again"
    review.shown(320, 240)
    review.undo_drawing()
    review.choose_good()
    before, after = labels()
    assert (after.supersedes, after.label) == (before.label_id, "good")
    with reading(source.engine) as connection:
        kept = marks_of(connection, before.label_id)
        assert kept is not None
        assert (kept.width_px, kept.height_px, len(kept.shapes)) == (320, 240, 1)
        assert marks_of(connection, after.label_id) is None
    assert at_screen.part_id() == second
    assert review.labelled == 1


# ---- two windows


def test_two_windows_never_have_the_same_part(plant: Any, session: SignIn, window: Callable[[], Window]) -> None:
    plant.parts(REJECT, REJECT)
    ann, ben, third = window(), window(), window()
    ann.review.begin(session("ann"))
    ben.review.begin(session("ben"))
    third.review.begin(session("ann"))
    assert ann.part_id() != ben.part_id()
    assert third.review.part is None, "not even in two windows of one person"
    ann.review.end()
    third.review.refresh()
    assert third.review.part is not None


def test_a_part_that_took_too_long_is_not_labelled_twice(
    plant: Any, source: Source, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT)
    ann, ben = window(), window()
    ann.review.begin(session("ann"))
    ann.review.note("long thought")
    with writing(source.engine) as connection:
        connection.execute(update(LABEL_LEASES).values(until=utc_now() - LASTS))
    ben.review.begin(session("ben"))
    ann.review.keep()
    assert "ben has taken it meanwhile; your work is kept" in ann.review.words.error
    ben.review.accept()
    ann.review.accept()
    assert "another labelled it meanwhile" in ann.review.words.error
    assert ann.review.draft.note == "long thought"
    assert [row.person for row in labels()] == ["ben"]


# ---- faults


def test_a_session_that_ends_in_the_middle_of_a_label_loses_nothing(
    plant: Any, source: Source, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT)
    at_screen = window()
    review = at_screen.review
    review.begin(session("ann"))
    review.note("deep")
    review.shown(320, 240)
    review.draw(Stroke(points=((5, 5),), radius_px=2))
    with writing(source.engine) as connection:
        connection.execute(update(SESSIONS).values(seen_at=utc_now() - timedelta(hours=1)))
    review.accept()
    assert isinstance(at_screen.refused[-1], AccessRefused)
    assert labels() == []
    review.begin(session("ann"))
    assert (review.draft.note, len(review.draft.sketch.shapes)) == ("deep", 1)
    review.accept()
    assert [(row.label, row.note) for row in labels()] == [("scratch", "deep")]


def test_what_one_person_typed_waits_for_that_person(
    plant: Any, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT)
    review = window().review
    review.begin(session("ann"))
    review.note("of ann")
    review.begin(session("ben"))
    assert review.part is not None
    assert review.draft.note == ""
    review.begin(session("ann"))
    assert review.draft.note == "of ann"


def test_who_may_not_label_is_told_so_and_holds_no_part_up(
    plant: Any, source: Source, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    (part,) = plant.parts(REJECT)
    review = window().review
    review.begin(session("root"))
    review.accept()
    assert (review.words.key, review.part) == (MAY_NOT, None)
    answer = Answer(QueuedPart(part.part_id, Need.REJECTED), "good", "", None, corrects=False)
    with pytest.raises(AccessRefused, match="root is admin and may not label parts"):
        DatabaseDesk(source).label(session("root"), answer)
    assert labels() == []


def test_a_database_that_is_gone_is_told_and_work_goes_on_when_it_is_back(
    plant: Any, source: Source, session: SignIn, window: Callable[[], Window], labels: Callable[[], list[Any]]
) -> None:
    plant.parts(REJECT)
    review = window().review
    review.begin(session("ann"))
    source.engine.dispose()
    away = plant.path.rename(Path(f"{plant.path}.away"))
    plant.path.mkdir()
    review.accept()
    assert str(plant.path) in review.words.error
    assert review.part is not None
    plant.path.rmdir()
    away.rename(plant.path)
    review.accept()
    assert [row.label for row in labels()] == ["scratch"]


def test_a_picture_that_is_missing_or_altered_is_named(plant: Any, source: Source) -> None:
    (part,) = plant.parts(REJECT)
    desk = DatabaseDesk(source)
    assert desk.picture(part.image_sha256).width_px == 320
    (path,) = plant.images.root.glob(f"*/*/{part.image_sha256}.png")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StorageFault, match="its content has changed"):
        desk.picture(part.image_sha256)
    path.unlink()
    with pytest.raises(StorageFault, match=f"image {part.image_sha256}: not in"):
        desk.picture(part.image_sha256)


# ---- a golden sample beside it


def test_a_golden_sample_is_read_where_the_bundle_that_judged_lies_on_this_machine(
    plant: Any, source: Source, bundle_path: Path, tmp_path: Path
) -> None:
    desk, mine = DatabaseDesk(source), load_bundle(bundle_path).id
    with pytest.raises(BundleError, match="is not on this machine"):
        desk.golden("b" * 64)
    served(plant, source, tmp_path / "gone", "c" * 64)
    with pytest.raises(BundleError, match="is not on this machine"):
        desk.golden("c" * 64)
    served(plant, source, bundle_path, mine)
    assert desk.golden(mine).width_px == 32
    served(plant, source, bundle_path, "d" * 64)
    with pytest.raises(BundleError, match="another bundle lies there now"):
        desk.golden("d" * 64)


def served(plant: Any, source: Source, folder: Path, bundle_id: str) -> None:
    run = Run("press-4", "flange", "r" * 64, "{}", bundle_id, "classify", ("good", "dent"), {"good": ["good"]})
    with Ledger(plant.path) as ledger:
        ledger.start_run(run)
    with writing(source.engine) as connection:
        connection.execute(insert(SERVINGS), {"run_id": run.run_id, "bundle_path": str(folder), "order_number": None})
