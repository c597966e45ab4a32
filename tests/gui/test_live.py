"""The live view: figures of the database, and the station's own event stream over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from db.ledger import Ledger
from db.records import Event, Severity, utc_now
from gui.database import Source, reading
from gui.live.controller import LiveController
from gui.live.figures import all_figures, rate_hz
from gui.live.stream import Heard, ServerEvent, StationStream, parse_address, server_events, told
from inspector.errors import ConfigError, DatabaseError
from inspector.values import Outcome

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PASS, REJECT, REVIEW = Outcome.PASS, Outcome.REJECT, Outcome.REVIEW


# ---- figures of the database


def test_a_station_is_told_by_its_newest_run(plant: Any, source: Source) -> None:
    records = plant.parts(PASS, PASS, REJECT, REVIEW, PASS)
    with Ledger(plant.path) as ledger:
        ledger.record_event(Event("press-4", Severity.INFO, "camera opened", "well"))
        ledger.record_event(Event("press-4", Severity.ALARM, "camera lost", "cable"))
    with reading(source.engine) as connection:
        (station,) = all_figures(connection, utc_now())
    assert [glance.outcome for glance in station.strip] == [PASS, PASS, REJECT, REVIEW, PASS]
    assert station.latest is not None
    assert station.latest.part_id == records[-1].part_id
    assert station.passed is not None
    assert (station.passed.count, station.passed.n) == (3, 5)
    assert station.limits == (0.1, 0.8)
    assert station.waiting == 2
    assert station.ended_at is None
    assert station.trouble is not None
    assert station.trouble.kind == "camera lost"


def test_parts_of_known_truth_are_seen_and_neither_counted_nor_asked_about(plant: Any, source: Source) -> None:
    plant.parts(PASS, REJECT)
    plant.parts(REJECT, REVIEW, challenge=plant.challenge())
    with reading(source.engine) as connection:
        (station,) = all_figures(connection, utc_now())
    assert [glance.outcome for glance in station.strip] == [PASS, REJECT, REJECT, REVIEW]
    assert station.passed is not None
    assert (station.passed.count, station.passed.n, station.waiting) == (1, 2, 1)


def test_a_run_without_parts_states_no_yield(plant: Any, source: Source) -> None:
    with reading(source.engine) as connection:
        (station,) = all_figures(connection, utc_now())
    assert (station.passed, station.latest, station.strip, station.rate_hz) == (None, None, (), 0.0)


def test_the_rate_is_of_the_last_minute() -> None:
    moments = [NOON - timedelta(seconds=second) for second in range(120)]
    assert rate_hz(moments, NOON) == pytest.approx(61 / 60)
    assert rate_hz(moments, NOON + timedelta(minutes=10)) == 0.0
    fast = [NOON - timedelta(milliseconds=10 * number) for number in range(1000)]
    assert rate_hz(fast, NOON) == pytest.approx(100)


# ---- the controller


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


def test_a_database_that_is_away_leaves_the_last_view_and_says_since_when(plant: Any, source: Source) -> None:
    from gui.live.screen import DatabaseLive

    plant.parts(PASS)
    clock, waiting = Clock(), []
    live = LiveController(DatabaseLive(source), lambda *asked: waiting.append(asked), lambda: None, clock)
    live.poll()
    live.poll()
    assert len(waiting) == 1, "one question at a time"
    _, question, then, _ = waiting.pop()
    then(question())
    assert live.chosen == "press-4"
    for minute in (1, 2):
        clock.now = NOON + timedelta(minutes=minute)
        live.poll()
        waiting.pop()[3](DatabaseError("database x: gone"))
        assert (live.stale_since, live.error) == (NOON, "database x: gone")
        assert live.station is not None
    live.poll()
    then(question())
    assert live.stale_since is None


# ---- the event stream

HEALTH = {
    "station": "press-4",
    "state": "failure",
    "may_run": False,
    "rate_hz": 6.5,
    "p99_ms": 20.0,
    "devices": [{"device": "camera:top", "state": "failure", "words": "cable"}],
    "fields": "may be added",
}


def part_event(position: int, outcome: str = "PASS") -> ServerEvent:
    content = {
        "position": position,
        "station": "press-4",
        "trigger": position + 100,
        "outcome": outcome,
        "label": "good",
        "defect_probability": 0.1,
        "reasons": [],
        "latency_ms": 8.0,
    }
    return ServerEvent("part", json.dumps(content), str(position))


def wire(event: ServerEvent) -> bytes:
    head = f"id: {event.id}\n" if event.id else ""
    return f"{head}event: {event.kind}\ndata: {event.content}\n\n".encode()


def test_a_stream_is_cut_into_events_and_signs_of_life() -> None:
    lines = (
        b"retry: 2000\n\n: alive\nevent: part\nid: 7\ndata: {\ndata: }\n\nevent: health\r\ndata:x\r\n\r\nevent: half"
    )
    assert list(server_events(lines.splitlines(keepends=True))) == [
        None,
        ServerEvent("part", "{\n}", "7"),
        ServerEvent("health", "x"),
    ]


def test_health_parts_and_gaps_are_heard() -> None:
    heard = Heard("http://x")
    for event in (ServerEvent("health", json.dumps(HEALTH)), part_event(5), part_event(6, "REJECT"), part_event(6)):
        heard = told(heard, event, NOON)
    assert (heard.station, heard.state, heard.devices[0].words, heard.rate_hz) == ("press-4", "failure", "cable", 6.5)
    assert [(part.trigger, part.outcome) for part in heard.parts] == [(105, PASS), (106, REJECT)]
    heard = told(heard, ServerEvent("gap", '{"after": 6, "before": 10}'), NOON)
    assert heard.missed == 3


@pytest.mark.parametrize(
    "event",
    [
        None,
        ServerEvent("part", "not json"),
        ServerEvent("part", "[]"),
        ServerEvent("part", '{"position": 1, "outcome": "MAYBE"}'),
        ServerEvent("health", '{"station": "x"}'),
        ServerEvent("gap", '{"after": null, "before": 1}'),
        ServerEvent("of tomorrow", "{}"),
    ],
)
def test_what_cannot_be_read_is_a_sign_of_life_and_no_more(event: ServerEvent | None) -> None:
    before = told(Heard("http://x"), part_event(5), NOON)
    after = told(before, event, NOON + timedelta(seconds=1))
    assert after.parts == before.parts
    assert after.heard_at == NOON + timedelta(seconds=1)


@pytest.mark.parametrize("address", ["127.0.0.1:8472", "https://x", "http://", "ftp://x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected an address such as http://"):
        parse_address(address)


class Station(BaseHTTPRequestHandler):
    """Tells what the test wrote for each connection, and notes what it was asked."""

    scripts: list[list[bytes]]
    asked: list[dict[str, str]]
    hold: threading.Event

    def do_GET(self) -> None:
        self.asked.append(dict(self.headers))
        script = self.scripts.pop(0) if self.scripts else None
        if script is None:
            self.send_error(503, "16 connections are open")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in script:
            self.wfile.write(piece)
            self.wfile.flush()
        if not self.scripts:
            self.hold.wait(10)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def station(scripts: list[list[bytes]]) -> Iterator[tuple[str, type[Station]]]:
    handler = type("Script", (Station,), {"scripts": scripts, "asked": [], "hold": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        handler.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Ear:
    """What was told, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._more = threading.Condition()

    def __call__(self, heard: Heard) -> None:
        with self._more:
            self.heard.append(heard)
            self._more.notify_all()

    def until(self, holds: Callable[[Heard], bool]) -> Heard:
        with self._more:
            assert self._more.wait_for(lambda: any(holds(each) for each in self.heard), 10)
            return next(each for each in self.heard if holds(each))


def test_a_station_that_goes_and_comes_back_is_heard_on_from_where_it_was() -> None:
    first = [wire(ServerEvent("health", json.dumps(HEALTH))), wire(part_event(5)), b": alive\n"]
    with station([first, [wire(part_event(6))]]) as (address, handler):
        ear = Ear()
        listening = StationStream(address, ear, "secret", again_s=0.05)
        listening.start()
        gone = ear.until(lambda heard: not heard.connected)
        assert gone.words == "the station ended the stream"
        assert gone.heard_at is not None
        again = ear.until(lambda heard: len(heard.parts) == 2)
        assert again.connected
        assert again.state == "failure", "what it said before is still known"
        listening.close()
        assert handler.asked[1]["Last-Event-ID"] == "5"
        assert handler.asked[0]["Authorization"] == "Bearer secret"
        assert "Last-Event-ID" not in handler.asked[0]


def test_a_station_that_refuses_or_is_not_there_is_tried_again() -> None:
    with station([]) as (address, handler):
        ear = Ear()
        listening = StationStream(address, ear, again_s=0.05)
        listening.start()
        assert ear.until(lambda heard: "503" in heard.words).connected is False
        handler.scripts.append([wire(part_event(1))])
        ear.until(lambda heard: heard.connected and len(heard.parts) == 1)
    ear.until(lambda heard: "refused" in heard.words or "reset" in heard.words or "ended" in heard.words)
    listening.close()
