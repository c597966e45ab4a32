"""Figures of the pictures of parts that passed: what limits on the picture are learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from db.history.scope import Scope, judged
from db.tables import FINDINGS, INSPECTIONS
from inspector.values import Outcome

MOST = 20_000


def good_frames(connection: Connection, scope: Scope) -> NDArray[np.float64]:
    """(N, 4) focus, brightness, dark share and saturated share of the newest frames, at most `MOST`."""
    views, parts = FINDINGS.c, INSPECTIONS.c
    query = (
        select(views.focus, views.brightness, views.dark_share, views.saturated_share)
        .join(INSPECTIONS, parts.part_id == views.part_id)
        .where(judged(scope), parts.outcome == Outcome.PASS.value)
        .order_by(parts.triggered_at.desc())
        .limit(MOST)
    )
    rows = [tuple(row) for row in connection.execute(query)]
    return np.array(rows, np.float64).reshape(-1, 4)
