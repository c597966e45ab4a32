"""Orders to stations as the screens give them: by whom may, to a station that will read them, on the audit log too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, select

from db.accounts import Account, Permission
from db.audit_log import Change, record_change
from db.bundle_states import BundleState, state_of
from db.order_tables import SERVINGS
from db.orders import Order, give
from db.servings import last_serving
from db.tables import BUNDLES, RUNS
from inspector.errors import OrderRefused

ORDERS_SHOWN = 20
_MAY_SERVE = (BundleState.APPROVED, BundleState.SHADOW, BundleState.SERVING)


def served_from(connection: Connection) -> Mapping[str, Path]:
    """Where the folder of each bundle lay when it served last."""
    query = select(RUNS.c.bundle_id, SERVINGS.c.bundle_path).join(RUNS, RUNS.c.run_id == SERVINGS.c.run_id)
    return {row.bundle_id: Path(row.bundle_path) for row in connection.execute(query.order_by(SERVINGS.c.number))}


def approved_for(connection: Connection, station: str) -> tuple[str, ...]:
    """Bundles that may serve at a station, or go into its shadow, by id."""
    ids = connection.execute(select(BUNDLES.c.bundle_id).order_by(BUNDLES.c.bundle_id)).scalars().all()
    return tuple(bundle_id for bundle_id in ids if state_of(connection, bundle_id, station) in _MAY_SERVE)


def is_ledger_of(connection: Connection, station: str) -> bool:
    """Whether a database is the station's own, where it reads its orders: what it serves is told nowhere else."""
    return last_serving(connection, station) is not None


def order_bundle(connection: Connection, account: Account, order: Order, bundle_id: str) -> int:
    """Order that a bundle serves, or goes into the shadow; raise OrderRefused where nobody has approved it."""
    state = state_of(connection, bundle_id, order.station)
    if state not in _MAY_SERVE:
        said = "nobody has given it a state" if state is None else f"it is {state}"
        raise OrderRefused(f"bundle {bundle_id[:16]}: {said}; expected one that is approved")
    return give_order(connection, account, order)


def give_order(connection: Connection, account: Account, order: Order) -> int:
    """Write an order and its row in the audit log, and return its number.

    Raises:
        AccessRefused: the person may not.
        OrderRefused: it says too little, or this database is not the one that the station reads.
    """
    account.require(Permission.ORDER)
    if not is_ledger_of(connection, order.station):
        raise OrderRefused(
            f"station {order.station}: it reads orders in its own ledger, which this database is not; "
            "expected `inspector gui --database` with that one, or `inspector station order`"
        )
    number = give(connection, order)
    new = {"order": number, "kind": order.kind.value, "wanted": order.wanted}
    record_change(
        connection, Change(order.person, "order given", f"station {order.station}", order.reason, None, new, order.at)
    )
    return number
