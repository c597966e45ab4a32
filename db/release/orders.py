"""Orders that a release leaves at stations: each once, whoever is killed in between, and however often it is tried."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.orders import GivenOrder, Order, OrderKind, OrderState, give, orders
from db.release.rows import Release
from inspector.release.chain import Answer, StepKind, Taken

KINDS = {
    StepKind.SHADOW: OrderKind.SHADOW,
    StepKind.END_SHADOW: OrderKind.SHADOW,
    StepKind.SERVE: OrderKind.BUNDLE,
    StepKind.BACK: OrderKind.ROLLBACK,
}
_LOCK = 0x72656C65617365
"""Number of the advisory lock under which an order is looked for and left, on PostgreSQL; SQLite has one writer."""


def leave(connection: Connection, release: Release, step: Taken, wanted: str) -> None:
    """Leave the order of a step, unless it is there. The transaction is one that writes (`db.engine.writing`)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    if found(connection, release, step) is None:
        station, move = str(step.move.station), step.move
        reason = f"{move.reason} [{_token(release, step)}]"
        give(connection, Order(station, KINDS[move.kind], move.person, reason, wanted))


def found(connection: Connection, release: Release, step: Taken) -> GivenOrder | None:
    """The order of a step as the station has it; None where it was not left."""
    mine = f"[{_token(release, step)}]"
    of_station = orders(connection, str(step.move.station))
    return next((given for given in of_station if given.order.reason.endswith(mine)), None)


def answer_of(given: GivenOrder | None) -> Answer:
    """What the station has made of it."""
    if given is None:
        return Answer(False)
    return Answer(given.settled_at is not None, given.state is OrderState.REFUSED, given.actual)


def _token(release: Release, step: Taken) -> str:
    return f"{release.subject} step {step.number}"
