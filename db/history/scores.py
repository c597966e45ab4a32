"""Recorded parts as arrays: what other limits would have made of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from db.history.labelled import truths
from db.history.scope import Scope, judged
from db.tables import INSPECTIONS
from inspector.values import Outcome

MOST = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """N parts that a network judged, the newest at most `MOST`."""

    probability: NDArray[np.float64]
    """(N,) calibrated defect probability."""
    outcome: NDArray[np.int8]
    """(N,) place in `Outcome`."""
    run: NDArray[np.int64]
    """(N,) place of the part's run in `runs`."""
    truth: NDArray[np.int8]
    """(N,) 1 where a person called the part defective, 0 where good, -1 where nobody said."""
    runs: tuple[UUID, ...]


def scores(connection: Connection, scope: Scope) -> Scores:
    """Read the probabilities of the scope's parts, with what persons said of them."""
    parts = INSPECTIONS.c
    query = select(parts.part_id, parts.defect_probability, parts.outcome, parts.run_id).where(
        judged(scope), parts.defect_probability.is_not(None)
    )
    rows = connection.execute(query.order_by(parts.triggered_at.desc()).limit(MOST)).all()
    known = {one.part_id: int(one.is_defect) for one in truths(connection, scope)}
    runs = list(dict.fromkeys(row.run_id for row in rows))
    place = {run: number for number, run in enumerate(runs)}
    order = {outcome.value: number for number, outcome in enumerate(Outcome)}
    return Scores(
        probability=np.array([row.defect_probability for row in rows], np.float64),
        outcome=np.array([order[row.outcome] for row in rows], np.int8),
        run=np.array([place[row.run_id] for row in rows], np.int64),
        truth=np.array([known.get(row.part_id, -1) for row in rows], np.int8),
        runs=tuple(runs),
    )
