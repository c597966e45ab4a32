"""Takes the steps of releases: writes a step, leaves its order, and asks what comes next.

It may be killed at any moment, and several may work at once: a step is a row whose number is taken once, its order is
left once (`db.release.orders`), and both are looked for before anything is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from db.engine import open_engine, storage_errors, writing
from db.orders import GivenOrder, OrderState
from db.release.evidence import (
    JudgedTwice,
    ask_about,
    comparison_of,
    drift_since,
    escaped_since,
    judged_twice,
    missed_since,
    started_since,
    stopped_since,
    unasked,
)
from db.release.orders import answer_of, found, leave
from db.release.rows import Release, approvers, steps_of, take
from db.servings import Serving, last_serving
from inspector.errors import DatabaseError, ReleaseRefused
from inspector.release.chain import ORDERED, Answer, Move, Seen, StepKind, Taken, back, is_over, next_move
from inspector.release.watch import Watched
from inspector.risk import Rate

OpenStation = Callable[[str], Engine]


class Stations:
    """The ledgers of a release's stations, each opened when it is first asked for. Open with `with`."""

    def __init__(self, release: Release, open_station: OpenStation = open_engine) -> None:
        self._urls = {each.name: each.database for each in release.settings.station}
        self._open = open_station
        self._engines: dict[str, Engine] = {}

    def __enter__(self) -> Stations:
        return self

    def __exit__(self, *exc: object) -> None:
        for engine in self._engines.values():
            engine.dispose()

    @contextmanager
    def reading(self, station: str) -> Iterator[Connection]:
        """Raise DatabaseError where the ledger cannot be reached, and for a fault within."""
        engine = self.engine(station)
        with storage_errors(engine.url), engine.connect() as connection:
            yield connection

    def engine(self, station: str) -> Engine:
        """Raise DatabaseError where the ledger cannot be reached."""
        if station not in self._engines:
            self._engines[station] = self._open(self._urls[station])
        return self._engines[station]


@dataclass(frozen=True, slots=True)
class Progress:
    """A release as it stands."""

    steps: Sequence[Taken]
    seen: Seen
    serving: Mapping[str, Serving | None]
    """By station, of those that could be reached."""
    unasked: Sequence[UUID] = ()
    """Disputed parts that nobody is asked about yet."""


def advance(plant: Engine, release: Release, stations: Stations) -> list[Taken]:
    """Take every step that can be taken now, and return them.

    Raises:
        DatabaseError: the plant's database cannot be read or written; what was done stays done.
    """
    taken: list[Taken] = []
    while True:
        leave_orders(plant, release, stations)
        now = progress(plant, release, stations)
        if now.unasked:
            with writing(plant) as connection:
                ask_about(connection, release, now.unasked)
        move = next_move(release.settings, now.steps, now.seen)
        if move is None:
            return taken
        step = write(plant, release, move, now)
        taken += [step] if step else []


def go_back(plant: Engine, release: Release, stations: Stations, person: str, reason: str) -> Taken:
    """Write the step by which a person ends a release; raise ReleaseRefused where there is nothing to undo."""
    while True:
        now = progress(plant, release, stations)
        move = back(now.steps, now.seen.answers, person, reason)
        if move is None:
            raise ReleaseRefused(f"{release.subject}: {now.steps[-1].move.kind}; there is nothing to go back from")
        if (step := write(plant, release, move, now)) is not None:
            return step


def write(plant: Engine, release: Release, move: Move, now: Progress) -> Taken | None:
    """Write a step behind those that are known; None where somebody else has taken one meanwhile."""
    served = now.serving.get(move.station or "")
    before = served.bundle_id if served is not None and move.kind is not StepKind.BACK else None
    if move.kind is StepKind.BACK:
        before = _way_back(now.steps, str(move.station))
    step = Taken(len(now.steps) + 1, move, before)
    with writing(plant) as connection:
        return step if take(connection, release, move, step.number, before) else None


def _way_back(steps: Sequence[Taken], station: str) -> str | None:
    served = [step for step in steps if step.move.kind is StepKind.SERVE and step.move.station == station]
    return served[-1].before if served else None


def leave_orders(plant: Engine, release: Release, stations: Stations) -> None:
    """Leave each order that is wanted and not there; a station that cannot be reached has it when it can."""
    with storage_errors(plant.url), plant.connect() as connection:
        steps = steps_of(connection, release.release_id)
    for step in steps if not is_over(steps) else ():
        if step.move.kind in ORDERED:
            try:
                _leave(release, step, stations)
            except DatabaseError:
                continue  # `progress` tells it, as what the release waits for


def _leave(release: Release, step: Taken, stations: Stations) -> None:
    station = str(step.move.station)
    with stations.reading(station) as connection:
        if found(connection, release, step) is not None:
            return
    wanted = {StepKind.END_SHADOW: "", StepKind.BACK: step.before or ""}
    with writing(stations.engine(station)) as connection:
        leave(connection, release, step, wanted.get(step.move.kind, release.bundle_path))


def progress(plant: Engine, release: Release, stations: Stations) -> Progress:
    """Return what was done and what is seen; nothing is written."""
    with storage_errors(plant.url), plant.connect() as connection:
        steps = steps_of(connection, release.release_id)
        approved_by = approvers(connection, release)
    serving, orders, unreachable = _at_stations(release, steps, stations)
    answers = {step.number: _answer(release, step, orders, serving, unreachable) for step in steps if _is_order(step)}
    fit = frozenset(name for name, served in serving.items() if served and served.recipe == release.recipe)
    first = serving.get(release.settings.first)
    still = first is None or first.recipe != release.recipe or first.bundle_id == release.bundle_id
    seen = Seen(approved_by, answers, fit, still_serves=still)
    phase = _phase(release, steps, orders)
    seen, new = _with_evidence(plant, release, stations, seen, phase)
    return Progress(steps, seen, serving, new)


def _is_order(step: Taken) -> bool:
    return step.move.kind in ORDERED


def _at_stations(
    release: Release, steps: Sequence[Taken], stations: Stations
) -> tuple[dict[str, Serving | None], dict[int, GivenOrder | None], dict[str, str]]:
    """What each station serves, what it made of the steps' orders, and why some cannot be asked."""
    serving: dict[str, Serving | None] = {}
    orders: dict[int, GivenOrder | None] = {}
    unreachable: dict[str, str] = {}
    for each in release.settings.station:
        try:
            with stations.reading(each.name) as connection:
                serving[each.name] = last_serving(connection, each.name)
                mine = [step for step in steps if _is_order(step) and step.move.station == each.name]
                orders |= {step.number: found(connection, release, step) for step in mine}
        except DatabaseError as error:
            unreachable[each.name] = str(error)
    return serving, orders, unreachable


def _answer(
    release: Release,
    step: Taken,
    orders: Mapping[int, GivenOrder | None],
    serving: Mapping[str, Serving | None],
    unreachable: Mapping[str, str],
) -> Answer:
    """What a station has made of a step; what it refused since it was so already is done."""
    station = str(step.move.station)
    if station in unreachable:
        return Answer(False, words=unreachable[station])
    answer, served = answer_of(orders.get(step.number)), serving.get(station)
    wanted = {StepKind.SERVE: release.bundle_id, StepKind.BACK: step.before}.get(step.move.kind)
    if answer.refused and served is not None and served.bundle_id == wanted:
        return Answer(True, words=answer.words)
    return answer


@dataclass(frozen=True, slots=True)
class _Phase:
    """Of which phase at the first station evidence is wanted, from which moments of its clock on; None: of none."""

    last: StepKind | None
    shadowed_at: datetime | None
    last_at: datetime | None


def _phase(release: Release, steps: Sequence[Taken], orders: Mapping[int, GivenOrder | None]) -> _Phase:
    ordered = [step for step in steps if _is_order(step)]
    if not ordered or is_over(steps) or ordered[-1].move.station != release.settings.first:
        return _Phase(None, None, None)
    shadows = [step for step in ordered if step.move.kind is StepKind.SHADOW]
    return _Phase(ordered[-1].move.kind, _done_at(orders, shadows[0]), _done_at(orders, ordered[-1]))


def _done_at(orders: Mapping[int, GivenOrder | None], step: Taken) -> datetime | None:
    given = orders.get(step.number)
    return given.settled_at if given is not None and given.state is not OrderState.DOING else None


def _with_evidence(
    plant: Engine, release: Release, stations: Stations, seen: Seen, phase: _Phase
) -> tuple[Seen, Sequence[UUID]]:
    """What is seen of the parts, and which of them nobody is asked about yet."""
    first, wanted = release.settings.first, phase.last in (StepKind.SHADOW, StepKind.SERVE)
    if not wanted or phase.shadowed_at is None or phase.last_at is None or first not in seen.fit:
        return seen, ()
    with stations.reading(first) as connection:
        pairs = judged_twice(connection, release, phase.shadowed_at)
        lost = started_since(connection, first, phase.last_at)
    if phase.last is StepKind.SERVE:
        watched = _watched(plant, release, stations, pairs, phase.last_at)
        return replace(seen, watched=watched), ()
    with storage_errors(plant.url), plant.connect() as connection:
        comparison, new = comparison_of(connection, pairs), unasked(connection, release, pairs)
    return replace(seen, shadow_lost=lost, comparison=comparison), new


def _watched(
    plant: Engine, release: Release, stations: Stations, pairs: Sequence[JudgedTwice], since: datetime
) -> Watched | None:
    """What was seen since the candidate serves; None where nothing says how the former one did."""
    if not pairs:
        return None
    with stations.reading(release.settings.first) as connection:
        stopped = stopped_since(connection, release, since)
        missed, drift = missed_since(connection, release, since), drift_since(connection, release, since)
    with storage_errors(plant.url), plant.connect() as connection:
        escaped = escaped_since(connection, release, since)
    before = Rate(sum(pair.stopped_by_serving for pair in pairs), len(pairs))
    return Watched(before, stopped, escaped, missed, drift)
