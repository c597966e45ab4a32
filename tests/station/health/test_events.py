"""Events: each part once and in order from a real ledger, resumed where a reader stopped; nobody is waited for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.engine import open_engine
from db.ledger import Ledger
from db.outbox import ViewSeen
from db.records import Report, Run
from inspector.errors import DatabaseError
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, PartTag, Quality, Verdict, ViewInspection
from station.health.feed import LedgerParts, part_event, run_feed
from station.health.hub import HISTORY, Hub, PartEvent, Span

AT = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
RUN = Run("press-4", "flange", "0" * 64, "{}", "5f" * 32, "classify", ("good", "dark"))


def record(trigger: int) -> InspectionRecord:
    return InspectionRecord(
        part_id=new_id(),
        run_id=RUN.run_id,
        station=RUN.station,
        recipe=RUN.recipe,
        bundle_id=RUN.bundle_id,
        trigger=trigger,
        source=f"part-{trigger}",
        triggered_at=AT,
        sequence=trigger,
        tag=PartTag("A-77", "L4", "0815"),
    )


def judged(opened: InspectionRecord, outcome: Outcome = Outcome.PASS) -> InspectionRecord:
    views = tuple(
        ViewInspection(camera, 1, "s", Quality(9, 9, 0, 0), None, Verdict(said, ("why",), 0.25, "dark"))
        for camera, said in (("top", Outcome.PASS), ("side", outcome))
    )
    verdict = {"outcome": outcome, "reasons": ("why",), "label": "dark", "defect_probability": 0.25}
    return replace(opened, **verdict, latency_ms=4.5, completed_at=AT, views=views)


@contextmanager
def ledger_of(path: Path, parts: int) -> Iterator[tuple[Ledger, LedgerParts]]:
    with Ledger(path) as ledger:
        ledger.start_run(RUN)
        for trigger in range(1, parts + 1):
            opened = record(trigger)
            ledger.open_part(opened)
            ledger.complete_part(judged(opened)).result(10)
        engine = open_engine(path)
        try:
            yield ledger, LedgerParts(engine, RUN.station, "top")
        finally:
            engine.dispose()


@contextmanager
def fed(parts: object, hub: Hub) -> Iterator[None]:
    thread = threading.Thread(target=run_feed, args=(parts, hub))
    thread.start()
    try:
        yield
    finally:
        hub.close()
        thread.join()


def read(hub: Hub, position: int, count: int) -> list[int]:
    """Read so many parts behind a position, in as many goes as it takes."""
    seen: list[int] = []
    while len(seen) < count and (news := hub.news(position, 10**9, 10)) is not None:
        seen += [part.position for part in news.parts]
        position = seen[-1] if seen else position
    return seen


# ---- the ledger's parts


def test_a_part_is_told_with_all_that_the_document_names() -> None:
    opened = record(731)
    views = [ViewSeen("top", "PASS", None), ViewSeen("side", "REJECT", "9f" * 32)]
    done = replace(judged(opened, Outcome.REJECT), image_sha256="9f" * 32)
    said = json.loads(part_event(Report(5001, done, simulated=True), views, "top"))
    text = (Path(__file__).parents[3] / "docs" / "health.md").read_text()
    blocks = [block.partition("```")[0] for block in text.split("```json\n")[1:]]
    assert list(said) == list(json.loads(next(block for block in blocks if "event/part/1" in block)))
    assert (said["camera"], said["position"], said["trigger"]) == ("side", 5001, 731)
    assert (said["part_ref"], said["lot"], said["serial"]) == ("A-77", "L4", "0815")
    assert said["views"][1] == {"camera": "side", "outcome": "REJECT", "image_sha256": "9f" * 32}


def test_a_part_that_nobody_judged_is_told_under_the_first_camera() -> None:
    done = replace(record(1), outcome=Outcome.NOT_INSPECTED, reasons=("overload",), completed_at=AT)
    said = json.loads(part_event(Report(1, done), [], "top"))
    assert (said["camera"], said["views"], said["defect_probability"]) == ("top", [], None)


def test_none_overtakes_one_that_is_not_complete(tmp_path: Path) -> None:
    with ledger_of(tmp_path / "ledger.sqlite", 2) as (ledger, parts):
        slow, quick = record(3), record(4)
        ledger.open_part(slow).result(10)
        ledger.open_part(quick).result(10)
        ledger.complete_part(judged(quick)).result(10)
        assert [json.loads(part.document)["trigger"] for part in parts.behind(0)] == [1, 2]
        ledger.complete_part(judged(slow)).result(10)
        assert [json.loads(part.document)["trigger"] for part in parts.behind(0)] == [1, 2, 3, 4]
        assert [json.loads(part.document)["camera"] for part in parts.behind(0)] == ["top"] * 4


def test_the_newest_parts_are_found_behind_a_position_and_all_where_there_are_fewer(tmp_path: Path) -> None:
    with ledger_of(tmp_path / "ledger.sqlite", 5) as (_, parts):
        assert parts.before_newest(HISTORY) == 0
        assert len(parts.behind(parts.before_newest(2))) == 2


def test_a_reader_is_told_what_is_there_and_then_what_comes(tmp_path: Path) -> None:
    hub = Hub()
    with ledger_of(tmp_path / "ledger.sqlite", 3) as (ledger, parts), fed(parts, hub):
        span = hub.join(10)
        assert span is not None
        first = read(hub, span.floor, 3)
        opened = record(4)
        ledger.open_part(opened)
        ledger.complete_part(judged(opened))
        assert len(read(hub, first[-1], 1)) == 1
        hub.leave()


def test_a_reader_that_comes_back_hears_what_it_missed_though_nobody_read_meanwhile(tmp_path: Path) -> None:
    hub = Hub()
    with ledger_of(tmp_path / "ledger.sqlite", 1) as (ledger, parts), fed(parts, hub):
        span = hub.join(10)
        assert span is not None
        (last,) = read(hub, span.floor, 1)
        hub.leave()
        for trigger in (2, 3):
            opened = record(trigger)
            ledger.open_part(opened)
            ledger.complete_part(judged(opened)).result(10)
        again = hub.join(10)
        assert again is not None
        assert len(read(hub, again.start(last, 0), 2)) == 2
        hub.leave()


class BrokenOnce:
    """A ledger that cannot be read the first time."""

    def __init__(self) -> None:
        self.asked = 0

    def before_newest(self, count: int) -> int:
        self.asked += 1
        if self.asked == 1:
            raise DatabaseError("ledger.sqlite: the disk is on fire")
        return 0

    def behind(self, position: int) -> Sequence[PartEvent]:
        return [PartEvent(1, b"{}")] if position < 1 else []


def test_a_ledger_that_cannot_be_read_is_tried_again() -> None:
    hub = Hub()
    with fed(BrokenOnce(), hub):
        span = hub.join(10)
        assert span is not None
        assert list(span.positions) == [1]
        hub.leave()


def test_a_reader_is_told_in_time_that_the_parts_cannot_be_had() -> None:
    hub = Hub()
    assert hub.join(0.05) is None
    hub.leave()


# ---- where a reader begins


@pytest.mark.parametrize(
    ("resume", "last", "start"),
    [(None, 0, 30), (None, 1, 20), (None, 2, 10), (None, 3, 5), (None, 99, 5), (20, 0, 20), (2, 0, 2), (99, 0, 30)],
)
def test_a_reader_begins_where_it_stopped_or_with_the_newest(resume: int | None, last: int, start: int) -> None:
    assert Span(5, 30, [10, 20, 30]).start(resume, last) == start


@given(st.lists(st.integers(1, 9), max_size=40), st.integers(1, 10), st.integers(0, 400))
def test_whoever_is_not_behind_the_floor_hears_every_part_once(steps: list[int], history: int, resume: int) -> None:
    hub, position, told = Hub(history), 0, []
    hub.begin(0)
    for step in steps:
        position += step
        told.append(position)
        hub.put([PartEvent(position, b"{}")])
    news = hub.news(resume, -1, 0)
    assert news is not None
    heard = [part.position for part in news.parts]
    assert len(heard) <= history
    expected = [each for each in told if each > resume]
    assert heard == expected[-len(heard) or len(expected) :]
    assert (heard == expected) or resume < news.floor


def test_readers_are_woken_by_the_end() -> None:
    hub = Hub()
    reader = threading.Thread(target=hub.news, args=(0, 0, 60))
    reader.start()
    hub.close()
    reader.join(5)
    assert not reader.is_alive()
