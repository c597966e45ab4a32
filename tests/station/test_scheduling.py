"""Threads that a part waits for are served first, where the system allows it, and ordinary ones again afterwards."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from db.engine import open_engine
from db.queries import events
from station import account, scheduling
from station.config import StationConfig
from station.running import RunSummary
from station.scheduling import LINE, WORK, line_first, this_thread_last

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="realtime threads are asked for on Linux only")

Run = Callable[[StationConfig], RunSummary]


def _policy(thread: int = 0) -> tuple[int, int]:
    return os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(thread).sched_priority


@pytest.fixture
def _allowed():
    with line_first(threading.get_native_id()) as refusal:
        if refusal is not None:
            pytest.skip(f"this system serves no thread first: {refusal}")


def _writer(until: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=until.wait)
    thread.start()
    return thread


@pytest.mark.usefixtures("_allowed")
def test_caller_goes_first_its_writer_next_and_what_it_starts_is_ordinary():
    done = threading.Event()
    writer, seen = _writer(done), []
    try:
        with line_first(writer.native_id or 0) as refusal:
            assert refusal is None
            assert _policy() == (os.SCHED_RR, LINE)
            assert _policy(writer.native_id or 0) == (os.SCHED_RR, WORK)
            child = threading.Thread(target=lambda: seen.append(_policy()))
            child.start()
            child.join()
    finally:
        done.set()
        writer.join()
    assert seen == [(os.SCHED_OTHER, 0)]
    assert _policy() == (os.SCHED_OTHER, 0)


@pytest.mark.usefixtures("_allowed")
def test_thread_that_nobody_waits_for_steps_back():
    seen: list[tuple[tuple[int, int], int]] = []

    def step_back() -> None:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(WORK))
        before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        this_thread_last()
        seen.append((_policy(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) - before))

    thread = threading.Thread(target=step_back)
    thread.start()
    thread.join()
    assert seen == [((os.SCHED_OTHER, 0), scheduling.NICER)]


@pytest.mark.usefixtures("_allowed")
def test_station_serves_line_writer_and_vision_first(make_config, run: Run, monkeypatch):
    seen: dict[str, list[tuple[int, int]]] = {}
    act = account.Account._act

    def spy(parts: account.Account, *args: object, **named: object):
        (vision,) = (child for child in multiprocessing.active_children() if child.name == "vision")
        if "vision" in seen:  # behind the last picture the acquiring thread is gone
            return act(parts, *args, **named)
        seen["vision"] = [_policy(int(thread.name)) for thread in Path(f"/proc/{vision.pid}/task").iterdir()]
        (writer,) = (thread for thread in threading.enumerate() if thread.name == "ledger-writer")
        seen["line"] = [_policy(), _policy(writer.native_id)]
        return act(parts, *args, **named)

    monkeypatch.setattr(account.Account, "_act", spy)
    run(make_config())
    assert seen["line"] == [(os.SCHED_RR, LINE), (os.SCHED_RR, WORK)]
    assert seen["vision"].count((os.SCHED_RR, WORK)) >= 3  # inspecting, preparing, acquiring
    assert seen["vision"].count((os.SCHED_OTHER, 0)) >= 1  # the image writer
    seen.clear()
    run(make_config(folder="ordinary", realtime=False))
    assert {policy for threads in seen.values() for policy in threads} == {(os.SCHED_OTHER, 0)}


def test_refusal_is_recorded_and_nothing_else_changes(make_config, run: Run, monkeypatch):
    def refuse(thread: int, rank: int, flags: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(scheduling, "_serve_at", refuse)
    summary = run(make_config())
    assert summary.status.triggers == summary.status.accounted == 12
    engine = open_engine(summary.database)
    with engine.connect() as connection:
        refusals = [event.message for event in events(connection, 10) if event.kind == "no realtime"]
    engine.dispose()
    assert refusals == ["Operation not permitted; needs root, CAP_SYS_NICE or LimitRTPRIO=3"]
