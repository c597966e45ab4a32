"""What a station can be told to do, and how far an order has come; without the tables."""

from __future__ import annotations

from enum import StrEnum


class OrderKind(StrEnum):
    """What a station can be told to do."""

    RUN = "run"
    HOLD = "hold"
    RECIPE = "recipe"
    BUNDLE = "bundle"
    SHADOW = "shadow"
    ROLLBACK = "rollback"
    SELF_TEST = "self-test"


class OrderState(StrEnum):
    """How far an order has come."""

    WANTED = "WANTED"
    DOING = "DOING"
    DONE = "DONE"
    REFUSED = "REFUSED"
