"""Verdicts of bundles in the shadow: kept beside the part's own, never acted on and never counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, insert, select

from db.order_tables import SHADOW_VERDICTS
from inspector.values import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class ShadowVerdict:
    """What a bundle in the shadow said of one view of a part."""

    part_id: UUID
    camera: str
    bundle_id: str
    verdict: Verdict
    judged_at: datetime


def write_shadow(connection: Connection, said: Sequence[ShadowVerdict]) -> None:
    names = ("part_id", "camera", "bundle_id", "judged_at")
    rows = []
    for each in said:
        verdict = each.verdict
        row = {name: getattr(each, name) for name in names} | {"outcome": verdict.outcome.value}
        row |= {"reasons": list(verdict.reasons), "label": verdict.label}
        rows.append(row | {"defect_probability": verdict.defect_probability})
    connection.execute(insert(SHADOW_VERDICTS), rows)


def shadow_verdicts(connection: Connection, bundle_id: str) -> list[ShadowVerdict]:
    """Everything that a bundle said in the shadow, in the order of its parts."""
    mine = select(SHADOW_VERDICTS).where(SHADOW_VERDICTS.c.bundle_id == bundle_id)
    return [
        ShadowVerdict(
            row.part_id,
            row.camera,
            row.bundle_id,
            Verdict(Outcome(row.outcome), tuple(row.reasons), row.defect_probability, row.label),
            row.judged_at,
        )
        for row in connection.execute(mine.order_by(SHADOW_VERDICTS.c.part_id, SHADOW_VERDICTS.c.camera))
    ]
