"""What a shift and a lot are told by: outcomes, defects, latency and control, each with its count and bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from db.history.control import Control, control
from db.history.defects import Pareto, pareto
from db.history.latencies import Latency, latency
from db.history.scope import Scope, left_out, open_parts
from db.history.tallies import By, Period, Tally, hours, interval, periods, span, tallies
from db.queries import events_between
from db.records import Event, Severity
from inspector.errors import UndefinedFigure
from inspector.risk import Rate

COLUMNS = ("by", "name", "parts", "passes", "rejects", "reviews", "not_inspected", "yield", "yield_low", "yield_high")
GROUPS = {"station": By.STATION, "recipe": By.RECIPE, "lot": By.LOT, "bundle": By.BUNDLE, "class": By.CLASS}
_LONGEST_BY_HOUR = timedelta(days=3)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Production:
    """Every figure of a report. A text stands for a figure that the parts do not define, and says why."""

    name: str
    scope: Scope
    tally: Tally
    open: int
    left_out: int
    groups: dict[str, dict[str | None, Tally]]
    over_time: tuple[Period, ...]
    pareto: Pareto
    latency: Latency | str
    control: Control | str
    alarms: tuple[Event, ...]


def production_of(
    connection: Connection, name: str, scope: Scope, edges: Sequence[datetime] | None = None
) -> Production:
    """Ask for every figure. The last two of `edges` are the scope's; those before are held against it."""
    if edges is not None:
        scope = scope.between(edges[-2], edges[-1])
    seen = span(connection, scope)
    over_time = _over_time(connection, scope, seen, edges)
    groups = {word: tallies(connection, scope, by) for word, by in GROUPS.items()}
    return Production(
        name,
        scope,
        sum(groups["station"].values(), Tally()),
        open_parts(connection, scope),
        left_out(connection, scope),
        groups,
        over_time,
        pareto(connection, scope),
        _latency(connection, scope),
        _control(connection, scope, edges),
        _alarms(connection, scope, seen),
    )


def _over_time(
    connection: Connection, scope: Scope, seen: tuple[datetime, datetime] | None, edges: Sequence[datetime] | None
) -> tuple[Period, ...]:
    """By the hour, or by the day where that would be too many; of a lot from its first part to its last."""
    if seen is None:
        return ()
    since, until = (edges[-2], edges[-1]) if edges else (_hour(seen[0]), _hour(seen[1]) + timedelta(hours=1))
    if until - since <= _LONGEST_BY_HOUR:
        return periods(connection, scope, hours(since, until))
    days = range(1, (until - since) // _DAY + 1)
    inner = [since.replace(hour=0, minute=0, second=0) + day * _DAY for day in days]
    return periods(connection, scope, [since, *(edge for edge in inner if since < edge < until), until])


def _latency(connection: Connection, scope: Scope) -> Latency | str:
    try:
        return latency(connection, scope)
    except UndefinedFigure as error:
        return str(error)


def _control(connection: Connection, scope: Scope, edges: Sequence[datetime] | None) -> Control | str:
    if edges is None:
        return "p' chart: a lot has no periods before it"
    try:
        return control(connection, scope, edges) or "p' chart: no part in this period"
    except UndefinedFigure as error:
        return str(error)


def _alarms(connection: Connection, scope: Scope, seen: tuple[datetime, datetime] | None) -> tuple[Event, ...]:
    """What wanted a person while these parts were made."""
    since, until = (scope.since, scope.until) if scope.until else (seen or (None, None))
    if since is None or until is None:
        return ()
    return tuple(events_between(connection, since, until, Severity.ALARM, scope.station))


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def share_text(rate: Rate) -> str:
    low, high = interval(rate)
    return f"{rate.count} of {rate.n} ({100 * rate.value:.3g} %; {100 * low:.3g} to {100 * high:.3g} %)"


def lines(made: Production) -> list[str]:
    """The report as lines for a person."""
    said = [f"{made.name}: {made.tally.parts} parts" + (f", {made.open} still open" if made.open else "")]
    if made.left_out:
        said.append(f"  {made.left_out} parts are not counted: rendered, or of known truth")
    if not made.tally.parts:
        return said
    for word, count in zip(("passed", "rejected", "to review", "not inspected"), made.tally.counts, strict=True):
        said.append(f"  {word:14} {share_text(Rate(count, made.tally.parts))}")
    said += [f"  rejects as {bar.label or 'unnamed'}: {share_text(bar.share)}" for bar in made.pareto.bars]
    said += [f"  {latency_text(made.latency)}", f"  {control_text(made.control)}"]
    said += [
        f"  {event.at:%Y-%m-%d %H:%M} {event.station} ALARM {event.kind}: {event.message}" for event in made.alarms
    ]
    return [*said, "intervals: 95 %, exact (Clopper and Pearson)"]


def latency_text(known: Latency | str) -> str:
    if isinstance(known, str):
        return known
    named = (("p50", known.p50_ms), ("p95", known.p95_ms), ("p99", known.p99_ms), ("worst", known.worst_ms))
    return f"latency: {', '.join(f'{name} {ms:.1f} ms' for name, ms in named)} of {known.n} parts"


def control_text(known: Control | str) -> str:
    if isinstance(known, str):
        return known
    stopped, limits = known.judged.tally.stopped, known.limits
    low, high = limits.of(stopped.n)
    place = "beyond" if known.beyond else "within"
    few = ", provisional" if limits.provisional else ""
    return (
        f"p' chart: stopped {stopped.count} of {stopped.n} ({100 * stopped.value:.3g} %), {place} the limits "
        f"{100 * low:.3g} to {100 * high:.3g} % of the {limits.subgroups} periods before{few}"
    )


def table(made: Production) -> list[tuple[object, ...]]:
    """Rows as in COLUMNS: all, over time, and by what the parts have in common."""
    rows = [("all", made.name, made.tally)]
    rows += [("time", period.start.isoformat(), period.tally) for period in made.over_time]
    rows += [(by, name or "", one) for by, group in made.groups.items() for name, one in group.items()]
    return [(by, name, one.parts, *one.counts, *_yield(one)) for by, name, one in rows]


def _yield(one: Tally) -> tuple[object, ...]:
    return (one.passed.value, *interval(one.passed)) if one.parts else ("", "", "")


def figures(made: Production) -> dict[str, Any]:
    """What `--json` writes; docs/queries.md says what each is."""
    known = made.latency
    return {
        "name": made.name,
        "since": _text(made.scope.since),
        "until": _text(made.scope.until),
        "station": made.scope.station,
        "recipe": made.scope.recipe,
        "lot": made.scope.lot,
        "open": made.open,
        "not_counted": made.left_out,
        **_tally(made.tally),
        "over_time": [{"start": _text(p.start), "end": _text(p.end), **_tally(p.tally)} for p in made.over_time],
        "by": {by: [{"name": name, **_tally(one)} for name, one in group.items()] for by, group in made.groups.items()},
        "rejects_by_class": [{"name": bar.label, **_rate(bar.share)} for bar in made.pareto.bars],
        "latency": known
        if isinstance(known, str)
        else {"n": known.n, **{name: getattr(known, name) for name in ("p50_ms", "p95_ms", "p99_ms", "worst_ms")}},
        "p_chart": _chart(made.control),
        "alarms": [
            {"at": _text(event.at), "station": event.station, "kind": event.kind, "message": event.message}
            for event in made.alarms
        ],
    }


def _tally(one: Tally) -> dict[str, Any]:
    names = ("passes", "rejects", "reviews", "not_inspected")
    counts: dict[str, Any] = {"parts": one.parts, **dict(zip(names, one.counts, strict=True))}
    return {**counts, "yield": _rate(one.passed) if one.parts else None}


def _rate(rate: Rate) -> dict[str, float | int]:
    low, high = interval(rate)
    return {"count": rate.count, "of": rate.n, "share": rate.value, "low": low, "high": high}


def _chart(known: Control | str) -> dict[str, Any] | str:
    if isinstance(known, str):
        return known
    low, high = known.limits.of(known.judged.tally.parts)
    return {
        "centre": known.limits.centre.value,
        "sigma_z": known.limits.sigma_z,
        "subgroups": known.limits.subgroups,
        "provisional": known.limits.provisional,
        "low": low,
        "high": high,
        "stopped": _rate(known.judged.tally.stopped),
        "beyond": known.beyond,
        "source": "Laney, Quality Engineering 14 (2002), 531-537",
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
