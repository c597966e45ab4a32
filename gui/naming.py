"""Moments and ids as a person reads them."""

from __future__ import annotations

from datetime import datetime

ID_SHOWN = 8


def day_and_time(moment: datetime) -> str:
    """In the zone of the machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def short(bundle_id: str) -> str:
    return bundle_id[:ID_SHOWN]
