"""Moments as a person reads them, in the zone of the machine."""

from __future__ import annotations

from datetime import datetime


def day_and_time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
