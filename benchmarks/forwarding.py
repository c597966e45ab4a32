"""How fast a plant takes rows in: a document per table against a statement per row, and what many stations come to.

    python -m benchmarks.forwarding --stations 100 --rate 20 --seconds 300 --json FILE

Three measurements, each on a PostgreSQL of its own (fsync on) on this machine: (1) the same kind of batches written
both ways by turns in one run, with the processor time that the server takes; (2) stations in `--workers` processes,
whose parts fall due at a steady rate whatever the plant does: how their lag behind the clock grows, of which a second
is theirs, since they write once a second; (3) the same with a batch always due: the ceiling, and what the machine was
doing meanwhile. The stations run on the same processors as the server.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, func, select, text

from benchmarks import report
from benchmarks.simulated_stations import Line, Told, beginning_of, own_server, parcel_of, work
from db.engine import open_any_version, open_engine, writing
from db.forward import plant_url
from db.receiving import receive
from db.tables import FINDINGS, INSPECTIONS

PARTS_PER_BATCH = 500
ROWS_PER_PART = 2
BUSY = 0.9
"""Share of the processors from which on they are what bounds."""


def main() -> None:
    """Measure, print and write."""
    args = _arguments()
    offered = _stations(args, args.rate, args.seconds)
    ceiling = _stations(args, math.inf, args.ceiling_seconds)
    figures = {**_both_ways(args.turns), **_offered(offered, args), **_ceiling(ceiling)}
    report.write(figures, args.json)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__, prog="python -m benchmarks.forwarding")
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="parts per second of each station")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--ceiling-seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=10, help="batches of each kind in the comparison")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


# ---- one batch, both ways


def _both_ways(turns: int) -> dict[str, float]:
    """Rows per second of a batch as documents and row by row, by turns; medians."""
    with own_server() as (url, _):
        open_engine(url, create=True).dispose()
        plant = open_any_version(plant_url(url))
        line = Line("station")
        with writing(plant) as connection:
            receive(connection, [beginning_of(line.run)])
            server = psutil.Process(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        pairs = [(_batch(plant, server, line, True), _batch(plant, server, line, False)) for _ in range(turns)]
        plant.dispose()
    new, old = ([pair[way] for pair in pairs] for way in (0, 1))
    new_rate, old_rate = (statistics.median(rate for rate, _ in way) for way in (new, old))
    return {
        "throughput_ratio": round(new_rate / old_rate, 2),
        "rows_per_s": round(new_rate),
        "row_by_row_rows_per_s": round(old_rate),
        "server_cpu_us_per_row": round(statistics.mean(cpu_us for _, cpu_us in new), 1),
        "row_by_row_server_cpu_us_per_row": round(statistics.mean(cpu_us for _, cpu_us in old), 1),
    }


def _batch(plant: Engine, server: psutil.Process, line: Line, as_documents: bool) -> tuple[float, float]:
    """Write one batch; rows per second, and microseconds of the server's processor time per row."""
    parcels = [parcel_of(*line.part()) for _ in range(PARTS_PER_BATCH)]
    rows, cpu_s, began_s = ROWS_PER_PART * PARTS_PER_BATCH, _cpu_s(server), time.perf_counter()
    with writing(plant) as connection:
        receive(connection, parcels, as_documents=as_documents)
    return rows / (time.perf_counter() - began_s), (_cpu_s(server) - cpu_s) / rows * 1e6


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


# ---- many stations


def _stations(args: Namespace, rate_hz: float, seconds: float) -> dict[str, Any]:
    """Let the stations run; their history, what is in the plant, and what the machine did."""
    with own_server() as (url, _), _workers(args, url, rate_hz, seconds) as pipes:
        open_engine(url, create=True).dispose()
        for pipe in pipes:
            pipe.send(True)
        machine = _Machine()
        history = _follow(pipes)
        told = machine.shares()
        return {"history": history, **told, **_counted(url)}


@contextmanager
def _workers(args: Namespace, url: str, rate_hz: float, seconds: float) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for number in range(args.workers):
        ours, theirs = context.Pipe()
        names = [f"station-{index}" for index in range(number, args.stations, args.workers)]
        workers.append(context.Process(target=_work_when_told, args=(theirs, url, names, rate_hz, seconds)))
        workers[-1].start()
        pipes.append(ours)
    yield pipes
    for worker in workers:
        worker.join()


def _work_when_told(pipe: Connection, url: str, names: list[str], rate_hz: float, seconds: float) -> None:
    """To start the process takes seconds that are no part of the measurement."""
    pipe.recv()
    work(pipe, url, names, rate_hz, seconds)


def _follow(pipes: Sequence[Connection]) -> list[tuple[float, int, int]]:
    """(seconds, parts due, parts written) until every worker is done."""
    last = [Told(0, 0, False)] * len(pipes)
    history: list[tuple[float, int, int]] = []
    began_s = time.monotonic()
    while not all(told.done for told in last):
        for number, pipe in enumerate(pipes):
            while not last[number].done and pipe.poll(0.05):
                last[number] = pipe.recv()
        now_s = time.monotonic() - began_s
        history.append((now_s, sum(told.due for told in last), sum(told.written for told in last)))
    return history


class _Machine:
    """What the processors do between two moments, as shares of all of them."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def shares(self) -> dict[str, float]:
        now = psutil.cpu_times()
        spent = {name: getattr(now, name) - getattr(self._before, name) for name in ("idle", "iowait")}
        whole = sum(now[:8]) - sum(self._before[:8])
        return {"idle_share": spent["idle"] / whole, "disk_wait_share": spent["iowait"] / whole}


def _counted(url: str) -> dict[str, int]:
    engine = open_engine(url)
    with engine.connect() as connection:
        tables = {"parts": INSPECTIONS, "findings": FINDINGS}
        found = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in tables.items()
        }
    engine.dispose()
    return found


def _offered(run: dict[str, Any], args: Namespace) -> dict[str, Any]:
    offered_per_s = args.stations * args.rate
    history = [(at, offered_per_s * at - written) for at, _, written in run["history"] if at <= args.seconds]
    second_half = [(at, lag) for at, lag in history if at >= args.seconds / 2]
    made = run["history"][-1][1]
    slope = statistics.linear_regression(*zip(*second_half, strict=True)).slope if len(second_half) > 1 else math.nan
    return {
        "stations": args.stations,
        "offered_parts_per_s": offered_per_s,
        "lag_growth_parts_per_s": round(slope, 1),
        "lag_at_end_s": round(history[-1][1] / offered_per_s, 2),
        "greatest_lag_parts": round(max(lag for _, lag in history)),
        "parts_lost_or_doubled": made - run["parts"],
        "offered_idle_share": round(run["idle_share"], 3),
        "offered_disk_wait_share": round(run["disk_wait_share"], 3),
        "ran_s": round(run["history"][-1][0], 1),
    }


def _ceiling(run: dict[str, Any]) -> dict[str, Any]:
    seconds = run["history"][-1][0]
    return {
        "ceiling_rows_per_s": round((run["parts"] + run["findings"]) / seconds),
        "ceiling_parts_per_s": round(run["parts"] / seconds),
        "ceiling_idle_share": round(run["idle_share"], 3),
        "ceiling_disk_wait_share": round(run["disk_wait_share"], 3),
        "ceiling_bound": _bound(run["idle_share"], run["disk_wait_share"]),
    }


def _bound(idle_share: float, disk_wait_share: float) -> str:
    """What the machine had none left of: it says so of all programs on it, not of the plant's alone."""
    if 1 - idle_share - disk_wait_share >= BUSY:
        return "processors"
    return "disk" if disk_wait_share > idle_share else "waiting: commits, locks and the stations' own turns"


if __name__ == "__main__":
    main()
