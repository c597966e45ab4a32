"""The plant's database under its stations: rows per second, an outage caught up, and what noting costs a ledger.

    python -m benchmarks.database --stations 100 --rate 20 --seconds 300 --outage 120 --json FILE

A PostgreSQL of its own (fsync on) takes rows from simulated stations in `--workers` processes: each station has a
connection, its parts fall due at a steady rate whatever the plant does, and once a second what is due is written in one
transaction, as the forwarder does. A station's file is left out of it: it is measured apart, by the rate at which one
forwarder empties a real one. In the middle the server is killed with -9 and stays away for `--outage` seconds. The
truth is what each station made: each part must be there once.

`--screens` measures queries instead (`benchmarks.screens`).
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from argparse import ArgumentParser, Namespace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from benchmarks import report, screens
from benchmarks.simulated_stations import Line, Told, kill, own_server, work
from db.engine import open_engine
from db.forward import Forwarder
from db.ledger import Ledger
from db.tables import FINDINGS, INSPECTIONS

LEDGER_PARTS = 5000


def main() -> None:
    """Measure, print and write."""
    args = _arguments()
    if args.screens:
        report.write(screens.figures(args), args.json)
        return
    report.write({**_ledger_figures(), **_plant_figures(args)}, args.json)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__, prog="python -m benchmarks.database")
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="parts per second of each station")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--outage", type=float, default=120.0, help="seconds for which the server is away; 0: never")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--screens", action="store_true", help="how long queries take, and how they grow")
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000], help="sizes, rising")
    parser.add_argument("--sqlite", action="store_true", help="a station's file instead of a plant's server")
    parser.add_argument("--calls", type=int, default=60, help="of each query")
    parser.add_argument("--old-indexes", action="store_true", help="then with the indexes of schema 0006, to compare")
    parser.add_argument("--plot", type=Path, help="SVG of how the queries grow")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


# ---- a station's own file


def _ledger_figures() -> dict[str, float | int]:
    """Parts per second of a ledger with and without notes, by turns; and of one forwarder that empties it."""
    with tempfile.TemporaryDirectory() as folder:
        plain, noted = [], []
        for turn in range(3):
            plain.append(_ledger_rate(Path(folder) / f"plain-{turn}.sqlite", noting=False))
            noted.append(_ledger_rate(Path(folder) / f"noted-{turn}.sqlite", noting=True))
        with own_server() as (url, _):
            open_engine(url, create=True).dispose()
            with Forwarder(Path(folder) / "noted-0.sqlite", url) as forwarder:
                began_s = time.monotonic()
                forwarded = forwarder.drain()
                forwarder_parts_per_s = forwarded / (time.monotonic() - began_s)
    return {
        "ledger_noted_ratio": round(sorted(noted)[1] / sorted(plain)[1], 3),
        "ledger_parts_per_s": round(sorted(plain)[1], 1),
        "ledger_noted_parts_per_s": round(sorted(noted)[1], 1),
        "one_forwarder_parts_per_s": round(forwarder_parts_per_s, 1),
    }


def _ledger_rate(path: Path, noting: bool) -> float:
    open_engine(path, create=True).dispose()
    if noting:
        with Forwarder(path, "sqlite:///unused.sqlite"):
            pass  # to open one has the rows noted
    with Ledger(path, queue_limit=4 * LEDGER_PARTS) as ledger:
        made = Line("ledger")
        ledger.start_run(made.run)
        parts = [made.part() for _ in range(LEDGER_PARTS)]
        began_s = time.monotonic()
        for opened, judged in parts:
            ledger.open_part(opened)
            last = ledger.complete_part(judged)
        last.result(120)
        return LEDGER_PARTS / (time.monotonic() - began_s)


# ---- the plant


def _plant_figures(args: Namespace) -> dict[str, Any]:
    with own_server() as (url, running):
        open_engine(url, create=True).dispose()
        context = multiprocessing.get_context("spawn")
        pipes, workers = [], []
        for number in range(args.workers):
            ours, theirs = context.Pipe()
            names = [f"station-{index}" for index in range(number, args.stations, args.workers)]
            worker = context.Process(target=work, args=(theirs, url, names, args.rate, args.seconds))
            worker.start()
            pipes.append(ours)
            workers.append(worker)
        history, caught_up_s = _watch(pipes, running, args)
        for worker in workers:
            worker.join()
        engine = open_engine(url)
        figures = _counted(engine, history)
        engine.dispose()
    return {
        **figures,
        "stations": args.stations,
        "offered_parts_per_s": args.stations * args.rate,
        "outage_s": args.outage,
        "caught_up_after_s": caught_up_s,
    }


def _watch(pipes: list[Connection], running: Any, args: Namespace) -> tuple[list[tuple[float, int, int]], float | None]:
    """Follow the workers; kill the server after a third of the time, and bring it back."""
    last = [Told(0, 0, False)] * len(pipes)
    history: list[tuple[float, int, int]] = []
    began_s = time.monotonic()
    kill_at_s = args.seconds / 3 if args.outage else None
    back_at_s: float | None = None
    came_back_s: float | None = None
    caught_up_s: float | None = None
    while not all(told.done for told in last):
        for number, pipe in enumerate(pipes):
            while not last[number].done and pipe.poll(0.05):
                last[number] = pipe.recv()
        now_s = time.monotonic() - began_s
        due, written = sum(told.due for told in last), sum(told.written for told in last)
        history.append((now_s, due, written))
        if kill_at_s is not None and now_s >= kill_at_s:
            kill(running)
            kill_at_s, back_at_s = None, now_s + args.outage
        if back_at_s is not None and now_s >= back_at_s:
            running.ensure_postgres_running()
            back_at_s, came_back_s = None, time.monotonic() - began_s
        if came_back_s is not None and caught_up_s is None and due - written <= 2 * args.stations * args.rate:
            caught_up_s = round(now_s - came_back_s, 1)
    return history, caught_up_s


def _counted(engine: Engine, history: list[tuple[float, int, int]]) -> dict[str, Any]:
    """Nothing lost, nothing doubled: what the stations made against what is there."""
    _, made, _ = history[-1]
    with engine.connect() as connection:
        parts = connection.execute(select(func.count()).select_from(INSPECTIONS)).scalar_one()
        findings = connection.execute(select(func.count()).select_from(FINDINGS)).scalar_one()
        triggers = select(INSPECTIONS.c.run_id, INSPECTIONS.c.trigger).distinct().subquery()
        distinct = connection.execute(select(func.count()).select_from(triggers)).scalar_one()
    lags = [due - written for _, due, written in history]
    seconds = history[-1][0]
    return {
        "parts_made": made,
        "parts_there": parts,
        "parts_lost": made - distinct,
        "parts_doubled": parts - distinct,
        "findings_there": findings,
        "written_rows_per_s": round((parts + findings) / seconds, 1),
        "peak_parts_per_s": _peak(history),
        "greatest_lag_parts": max(lags),
        "lag_at_end_parts": lags[-1],
        "ran_s": round(seconds, 1),
    }


def _peak(history: list[tuple[float, int, int]]) -> float:
    """The most parts per second over five seconds: while it catches up, what the machine gives."""
    best = 0.0
    for start, (began_s, _, before) in enumerate(history):
        later = next(((at, after) for at, _, after in history[start:] if at - began_s >= 5.0), None)
        if later is not None:
            best = max(best, (later[1] - before) / (later[0] - began_s))
    return round(best, 1)


if __name__ == "__main__":
    main()
