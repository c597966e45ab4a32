"""Challenge parts on the line: when they are due, what a missed one does, and how the line is released."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from benchmarks.peers import free_port
from db.accounts import By, Role, add_account
from db.challenges import ChallengePart, Hold, Settled, Standing, register, standing
from db.engine import WRITES, open_engine
from db.label_queries import Window, audit
from db.labels import open_tasks
from db.ledger import Ledger
from db.queries import events, outcome_counts, records
from db.records import Run
from inspector.cli import main
from inspector.documents import read_json
from inspector.draws import AuditSettings, Draw
from inspector.drift import WatchState
from inspector.errors import UserError
from inspector.values import Outcome, PartResult, PartTag, Verdict
from station.challenges.desk import guarded
from station.challenges.guard import ChallengeGuard, News
from station.challenges.orders import NextOrder, ReleaseOrder, give, order_path, take
from station.challenges.schedule import Serving, due
from station.challenges.settings import ChallengeSettings
from station.line import LineLoop
from station.messages import FromVision, Inspect, Inspected
from station.parts import Identity
from station.running import RunSummary, run_station
from station.status import Tally
from station.watch import memory_path
from tests.station.test_line import FakeVision, Gate
from tests.station.test_running import _announce, _rows_written

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SERVING = Serving("flange", "b" * 64, NOON)
SETTLED = Settled(NOON - timedelta(hours=1), "flange", "b" * 64)
FREE = Standing(SETTLED, None)
RABBIT = ChallengePart("test-1", "RR-1", "ann", valid_from=NOON - timedelta(days=1))
PASS, REJECT = Verdict(Outcome.PASS, (), 0.01, "good"), Verdict(Outcome.REJECT, ("scratch",), 0.99, "scratch")


# ---- when one is due


@pytest.mark.parametrize(
    ("settings", "settled", "minutes", "since_min", "why"),
    [
        ({}, None, 5, 0, "none has been judged"),
        ({}, SETTLED, 600, None, ""),
        ({}, replace(SETTLED, recipe="hub"), 5, 0, "change-over from hub to flange"),
        ({"at_change_over": False}, replace(SETTLED, recipe="hub"), 5, None, ""),
        ({}, replace(SETTLED, bundle_id="c" * 64), 5, 0, "bundle changed from cccccccccccc to bbbbbbbbbbbb"),
        ({"at_model_change": False}, replace(SETTLED, bundle_id="c" * 64), 5, None, ""),
        ({"every_h": 2}, SETTLED, 59, None, ""),
        ({"every_h": 2}, SETTLED, 61, 60, "2 h after the last one"),
        ({"every_h": 0.5}, SETTLED, 5, 0, "0.5 h after"),
        ({"shifts": ["13:30", "21:30"]}, SETTLED, 29, None, ""),
        ({"shifts": ["13:30", "21:30"]}, SETTLED, 31, 30, "shift began at 13:30"),
        ({"shifts": ["11:30"]}, SETTLED, 5, None, ""),
    ],
)
def test_challenge_is_due_by_the_occasion_that_came_first_and_never_before_the_station_serves(
    settings: dict[str, Any], settled: Settled | None, minutes: int, since_min: int | None, why: str
):
    zone = ZoneInfo("Europe/Berlin")  # an hour ahead of UTC in March
    found = due(ChallengeSettings(**settings), settled, SERVING, NOON + timedelta(minutes=minutes), zone)
    if since_min is None:
        assert found is None
    else:
        assert found is not None
        assert found.since == NOON + timedelta(minutes=since_min)
        assert why in found.why


def test_shift_of_yesterday_evening_still_counts_after_midnight():
    settings = ChallengeSettings(shifts=(clock_time(22, 0),))
    settled, serving = replace(SETTLED, at=NOON - timedelta(hours=16)), replace(SERVING, since=NOON - timedelta(days=3))
    found = due(settings, settled, serving, NOON - timedelta(hours=9), UTC)
    assert found is not None
    assert found.since == NOON - timedelta(hours=14)


# ---- what the guard makes of parts


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Watched:
    """A guard on a real ledger, with a clock that a test turns."""

    def __init__(self, path: Path, standing: Standing = FREE, **settings: Any) -> None:
        self.clock, self.news = Clock(), SimpleQueue[News]()
        self.ledger, self.path = Ledger(path), path
        self.ledger.__enter__()
        self.guard = ChallengeGuard(
            ChallengeSettings(**settings),
            "test-1",
            SERVING,
            standing,
            [RABBIT],
            self.ledger,
            self.news,
            self.clock,
        )

    def turn(self, minutes: float = 0.0) -> None:
        self.clock.now += timedelta(minutes=minutes)
        self.guard._looked_s = float("-inf")
        self.guard.look()

    def told(self) -> list[str]:
        self.ledger.close()
        engine = open_engine(self.path)
        with engine.connect() as connection:
            kinds = [event.kind for event in reversed(events(connection, 50))]
        engine.dispose()
        return kinds


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(*args: Any, **settings: Any) -> Watched:
        made.append(Watched(tmp_path / "ledger.sqlite", *args, **settings))
        return made[-1]

    yield make
    for each in made:
        each.ledger.close()


def test_overdue_challenge_holds_the_line_after_its_grace_and_a_met_one_releases_it(watched):
    it = watched(Standing(None, None), grace_min=10)
    it.turn(9)
    assert it.guard.judge(None, PASS).verdict.outcome is Outcome.PASS
    it.turn(1)
    held = it.guard.judge(None, PASS).verdict
    assert (held.outcome, held.reasons[0][:38]) == (Outcome.NOT_INSPECTED, "line held: challenge part overdue by 1")
    assert it.guard.judge(None, REJECT).verdict.outcome is Outcome.NOT_INSPECTED
    assert it.guard.judge(RABBIT, REJECT).met is True
    assert it.guard.judge(None, PASS).verdict.outcome is Outcome.PASS
    it.turn(600)
    assert it.guard.held is None
    assert it.told() == ["challenge due", "line held", "challenge met", "line released"]


def test_bad_part_that_passed_is_not_let_go_and_holds_the_line(watched):
    it = watched()
    judged = it.guard.judge(RABBIT, PASS)
    assert (judged.met, judged.verdict.outcome, judged.verdict.defect_probability) == (
        False,
        Outcome.NOT_INSPECTED,
        0.01,
    )
    assert "judged PASS as good at 0.0100" in (it.guard.held or "")
    assert it.guard.judge(None, PASS).verdict.reasons == (f"line held: {it.guard.held}",)
    assert it.told() == ["challenge missed", "line held"]


def test_challenge_that_nobody_judged_is_neither_met_nor_missed(watched):
    it = watched(Standing(None, None))
    judged = it.guard.judge(RABBIT, Verdict(Outcome.NOT_INSPECTED, ("late",)))
    assert (judged.met, it.guard.held) == (None, None)
    it.turn(11)
    assert it.guard.held is not None


def test_part_is_known_by_serial_or_by_part_id_while_it_is_valid(watched):
    it = watched()
    find = it.guard.recognise
    assert find(PartTag(serial="RR-1")) == find(PartTag(part_ref="RR-1")) == RABBIT
    assert find(PartTag(lot="RR-1")) is None
    it.news.put((replace(RABBIT, valid_to=NOON + timedelta(minutes=1)), replace(RABBIT, code="RR-2")))
    assert it.guard.look()
    it.turn(2)
    assert find(PartTag(serial="RR-1")) is None
    assert it.guard.codes == {"RR-1", "RR-2"}


def test_order_makes_the_next_part_a_challenge_and_no_other(watched):
    it = watched()
    it.news.put(NextOrder(code="RR-1", by="ann", at=NOON))
    it.guard.look()
    assert [it.guard.recognise(PartTag()), it.guard.recognise(PartTag())] == [RABBIT, None]


@pytest.mark.parametrize("order", [{"code": "RR-9", "at": NOON}, {"code": "RR-1", "at": NOON - timedelta(minutes=11)}])
def test_order_of_an_unknown_part_or_of_long_ago_is_dropped_with_a_warning(watched, order: dict[str, Any]):
    it = watched()
    it.news.put(NextOrder(by="ann", **order))
    it.guard.look()
    assert it.guard.recognise(PartTag()) is None
    assert it.told() == ["challenge ordered", "challenge order dropped"]


def test_person_releases_the_line_and_the_next_occasion_holds_it_again(watched):
    it = watched(Standing(SETTLED, "missed before the restart"), every_h=2)
    assert it.guard.judge(None, PASS).verdict.outcome is Outcome.NOT_INSPECTED
    it.news.put(ReleaseOrder(by="ann", why="lamp changed", at=NOON))
    it.guard.look()
    assert it.guard.judge(None, PASS).verdict.outcome is Outcome.PASS
    it.turn(119)
    assert it.guard.held is None
    it.turn(12)
    assert it.guard.held is not None
    assert it.told() == ["line held", "line released", "challenge due", "line held"]


def test_change_over_in_mid_run_makes_one_due(watched):
    it = watched()
    it.guard.serve("hub", SERVING.bundle_id)
    it.turn(1)
    assert it.guard.words == "due: change-over from flange to hub"


def test_hold_outlives_the_station(tmp_path: Path):
    hold = Hold("test-1", True, "missed", "flange", "b" * 64, at=NOON)
    engine = open_engine(tmp_path / "ledger.sqlite", create=True)
    with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
        register(connection, RABBIT)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record_hold(hold).result(5)
    with engine.connect() as connection:
        assert standing(connection, "test-1").held == "missed"
    engine.dispose()


# ---- the whole line


@pytest.fixture
def challenged(make_config, tmp_path: Path):
    """A station with a register, whose parts a test announces, and what serves to run it."""
    port = free_port()
    config = make_config(
        camera={"kind": "folder", "path": str(tmp_path / "pictures"), "preload": True},
        trigger={"kind": "http", "port": port, "expose_within_ms": 30_000.0},
        deadline_ms=30_000,
    )
    settings = ChallengeSettings(grace_min=60)
    config = config.model_copy(update={"challenge": settings, "audit": AuditSettings(share=1.0)})
    config.station.folder.mkdir(parents=True)
    engine = open_engine(config.database_url, create=True)
    with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
        register(connection, RABBIT)
    engine.dispose()
    return config, port


def test_missed_challenge_holds_the_line_until_one_is_met_and_none_of_them_is_counted(challenged, rows):
    config, port = challenged
    stop = threading.Event()
    summaries: list[RunSummary] = []
    thread = threading.Thread(target=lambda: summaries.append(run_station(config, stop)))
    thread.start()
    try:  # every third picture is one to reject: 0, 3, 6
        for number, serial in enumerate(("RR-1", "a", "RR-1", "b", "c", "d", "RR-1", "e")):
            _announce(port, {"serial": serial, "count": number + 1})
            _await(lambda wanted=number + 1: _rows_written(config) >= wanted)
    finally:
        stop.set()
        thread.join(60)
    parts = rows(summaries[0])
    assert [(part.outcome, part.challenge_met) for part in parts] == [
        (Outcome.REJECT, True),
        (Outcome.PASS, None),
        (Outcome.NOT_INSPECTED, False),
        *[(Outcome.NOT_INSPECTED, None)] * 3,
        (Outcome.REJECT, True),
        (Outcome.PASS, None),
    ]
    assert all(part.reasons[0].startswith("line held: challenge part RR-1") for part in parts[3:6])
    status = summaries[0].status
    assert (status.triggers, status.accounted, status.challenges, status.held) == (8, 8, 3, None)
    assert (status.outcomes[Outcome.REJECT], status.outcomes[Outcome.PASS]) == (0, 2)
    engine = open_engine(config.database_url)
    with engine.connect() as connection:
        counted = outcome_counts(connection)
        (stratum,) = audit(connection, Window()).strata
    engine.dispose()
    assert (counted[Outcome.REJECT], counted[Outcome.PASS]) == (0, 2)
    assert (stratum.population, stratum.drawn) == (2, 2)
    seen = read_json(memory_path(config.station.folder, "camera-1"), WatchState, UserError)
    assert seen.parts == 5  # the drift watch learns from parts of production alone, held ones too


def test_part_that_only_the_code_in_its_picture_makes_known_is_a_challenge_all_the_same(make_config, tmp_path: Path):
    path = tmp_path / "ledger.sqlite"
    engine = open_engine(path, create=True)
    with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
        register(connection, RABBIT)

    def passed(message: Inspect) -> list[FromVision]:
        judged = PartResult(PASS, ())
        return [Inspected(message.part_id, "camera-1", judged, False, Draw(1.0, "all"), code="RR-1")]

    with Ledger(path) as ledger:
        run = Run("test-1", "r", "0" * 64, "{}", "0" * 64, "classify", ("good",))
        identity = Identity(ledger.start_run(run), "test-1", "r", "0" * 64)
        settings, news = ChallengeSettings(), SimpleQueue[News]()
        guard = ChallengeGuard(settings, "test-1", SERVING, FREE, [RABBIT], ledger, news, lambda: NOON)
        gate, tally = Gate(0.0, ledger), Tally("test-1")
        start = lambda *_: FakeVision(passed)  # noqa: E731
        stop = threading.Event()
        LineLoop(make_config(), identity, ledger, gate, tally, stop, 0, start_vision=start, guard=guard).run()
    with engine.connect() as connection:
        (part,) = records(connection, identity.run_id)
        assert open_tasks(connection, "ann") == []
    engine.dispose()
    assert gate.acts == [(1, Outcome.NOT_INSPECTED)]
    assert (part.challenge_id, part.challenge_met, part.tag.serial) == (RABBIT.challenge_id, False, "RR-1")
    assert part.defect_probability == 0.01


def _await(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.02)


# ---- orders and the command


@pytest.fixture
def config_file(tmp_path: Path, bundle_path: Path, picture_folder: Path) -> Path:
    (tmp_path / "station").mkdir()
    open_engine(tmp_path / "station" / "ledger.sqlite", create=True).dispose()
    file = tmp_path / "station.toml"
    file.write_text(
        f'[station]\nname = "test-1"\nfolder = "station"\nbundle = "{bundle_path}"\n[challenge]\n'
        f'[camera]\nkind = "folder"\npath = "{picture_folder}"\n'
    )
    return file


def command(file: Path, *words: str) -> int:
    return main(["station", "challenge", str(file), *words])


def test_part_is_registered_listed_and_ordered_by_the_command(config_file: Path, capsys: pytest.CaptureFixture[str]):
    assert command(config_file, "register", "RR-1", "--by", "ann", "--label", "scratch") == 0
    assert command(config_file, "list") == 0
    assert "RR-1                     REJECT  scratch          valid" in capsys.readouterr().out
    assert command(config_file, "next", "RR-1", "--by", "ben") == 0
    order = take(config_file.parent / "station", NextOrder)
    assert order is not None
    assert (order.code, order.by) == ("RR-1", "ben")
    assert command(config_file, "next", "RR-2", "--by", "ben") == 2
    assert "expected a registered part that is valid: RR-1" in capsys.readouterr().err
    assert command(config_file, "due") == 0
    assert "line: not held" in capsys.readouterr().out


def test_parts_since_the_last_met_challenge_are_listed_and_written(config_file: Path, tmp_path: Path, capsys):
    assert command(config_file, "since", "--csv", str(tmp_path / "since.csv")) == 0
    assert capsys.readouterr().out == "0 parts since the last challenge that was met: never\n"
    assert (tmp_path / "since.csv").read_text().startswith("part_id,trigger,triggered_at")


@pytest.mark.parametrize(
    ("person", "password", "status", "words"),
    [
        ("eve", "correct horse 1", 0, "released by eve; it was held: missed"),
        ("eve", "wrong", 2, "sign-in of 'eve': wrong name or password"),
        ("olaf", "correct horse 1", 2, "olaf is operator and may not release a line; expected engineer or quality"),
    ],
)
def test_held_line_is_released_by_a_person_of_the_right_role_alone(
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    person: str,
    password: str,
    status: int,
    words: str,
):
    folder = config_file.parent / "station"
    engine = open_engine(folder / "ledger.sqlite")
    with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
        register(connection, RABBIT)
        for name, role in (("eve", Role.ENGINEER), ("olaf", Role.OPERATOR)):
            add_account(connection, name, role, "correct horse 1", By("root", "test"))
    engine.dispose()
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.record_hold(Hold("test-1", True, "missed", "flange", "b" * 64)).result(5)
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    assert command(config_file, "release", "--by", person, "--why", "lamp changed") == status
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert order_path(folder, ReleaseOrder).exists() is (status == 0)


def test_order_that_cannot_be_read_goes_and_is_told_once(tmp_path: Path):
    give(tmp_path, NextOrder, {"code": "RR-1", "by": "ann", "at": NOON})
    order_path(tmp_path, NextOrder).write_text("{")
    with pytest.raises(UserError, match=r"next\.order"):
        take(tmp_path, NextOrder)
    assert take(tmp_path, NextOrder) is None


def test_desk_brings_the_register_and_the_orders_to_the_line(make_config, tmp_path: Path):
    config = make_config().model_copy(update={"challenge": ChallengeSettings()})
    config.station.folder.mkdir(parents=True)
    with Ledger(config.database_url) as ledger, guarded(config, "flange", "b" * 64, ledger) as guard:
        assert guard.recognise(PartTag(serial="RR-1")) is None
        engine = open_engine(config.database_url)
        with engine.connect() as connection, connection.execution_options(**{WRITES: True}).begin():
            register(connection, RABBIT)
        engine.dispose()
        give(config.station.folder, NextOrder, {"code": "RR-1", "by": "ann", "at": datetime.now(UTC)})
        _await(lambda: guard.look() or bool(guard.codes))
        _await(lambda: not order_path(config.station.folder, NextOrder).exists())
        _await(lambda: (guard.look() or True) and guard.recognise(PartTag()) is not None)


def test_station_without_the_table_knows_no_challenge_part(make_config, tmp_path: Path):
    config = make_config()
    config.station.folder.mkdir(parents=True)
    with Ledger(config.database_url) as ledger, guarded(config, "flange", "b" * 64, ledger) as guard:
        assert (guard.find(PartTag(serial="RR-1")), guard.held, guard.look()) == (None, None, False)
