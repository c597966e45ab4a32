"""Why an order of a peer was refused, as a code: the same for Modbus and OPC UA (docs/orders.md)."""

from __future__ import annotations

from db.orders import OrderKind

UNKNOWN_KIND, STOOD_THERE, NOT_NOW = 1, 2, 3
_OTHER = 19
_BEGINNINGS = (
    ("recipe ", 4),
    ("it serves already", 5),
    ("rollback: nothing else has served", 6),
    ("a vision process was lost", 8),
    ("not loaded and proved within", 9),
    ("ledger", 10),
)
"""How refusals begin, and their codes."""
_BY_KIND = {OrderKind.SELF_TEST: 7, OrderKind.RECIPE: 11, OrderKind.ROLLBACK: 11}
"""Otherwise: golden samples that are not as recorded, and bundles that are not fit."""


def refusal_code(kind: OrderKind | None, why: str) -> int:
    """Return the code of a refusal; 19 where the words alone say it."""
    by_kind = _OTHER if kind is None else _BY_KIND.get(kind, _OTHER)
    return next((code for words, code in _BEGINNINGS if why.startswith(words)), by_kind)
