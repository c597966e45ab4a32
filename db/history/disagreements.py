"""Parts of which a bundle in the shadow, or another person, says something else: what the review queue asks for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, exists, func, select

from db.labels import current
from db.order_tables import SHADOW_VERDICTS
from db.tables import INSPECTIONS, IS_PRODUCTION, LABELS
from inspector.values import Outcome

NEWEST_VERDICTS = 5000
"""So many of the newest shadow verdicts are looked at: the table has no index by outcome."""
_JUDGED = (Outcome.PASS.value, Outcome.REJECT.value, Outcome.REVIEW.value)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What a bundle in the shadow made of a part: it passes what was stopped, or stops what passed."""

    part_id: UUID
    bundle_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Doubt:
    """A part that persons call different things, none of them by a majority."""

    part_id: UUID
    labels: tuple[str, ...]


def shadow_disagreements(connection: Connection) -> tuple[Disagreement, ...]:
    """Unlabelled parts with a picture, the newest first."""
    shadow, parts = SHADOW_VERDICTS.c, INSPECTIONS.c
    columns = (shadow.part_id, shadow.bundle_id, shadow.outcome)
    newest = select(*columns).order_by(shadow.part_id.desc(), shadow.bundle_id).limit(NEWEST_VERDICTS).subquery()
    unlabelled = ~exists().where(LABELS.c.part_id == parts.part_id)
    query = (
        select(*newest.c, parts.outcome.label("said"))
        .join(INSPECTIONS, parts.part_id == newest.c.part_id)
        .where(parts.outcome.in_(_JUDGED), parts.image_sha256.is_not(None), IS_PRODUCTION, unlabelled)
        .order_by(newest.c.part_id.desc(), newest.c.bundle_id)
    )
    views = groupby(connection.execute(query).all(), key=attrgetter("part_id", "bundle_id", "said"))
    found = [_disagreement(*key, [Outcome(row.outcome) for row in rows]) for key, rows in views]
    return tuple(one for one in found if one is not None)


def doubted_labels(connection: Connection, person: str, since: datetime) -> tuple[Doubt, ...]:
    """Parts labelled since then on which other persons disagree, and that `person` has not labelled."""
    lately = select(LABELS.c.part_id).where(LABELS.c.at >= since)
    several = (
        select(LABELS.c.part_id)
        .where(LABELS.c.part_id.in_(lately))
        .group_by(LABELS.c.part_id)
        .having(func.count(LABELS.c.person.distinct()) > 1)
    )
    query = (
        select(LABELS.c.label_id, LABELS.c.supersedes, LABELS.c.part_id, LABELS.c.label, LABELS.c.person)
        .join(INSPECTIONS, INSPECTIONS.c.part_id == LABELS.c.part_id)
        .where(LABELS.c.part_id.in_(several), INSPECTIONS.c.image_sha256.is_not(None), IS_PRODUCTION)
        .order_by(LABELS.c.part_id, LABELS.c.at, LABELS.c.label_id)
    )
    parts = groupby(connection.execute(query).all(), key=attrgetter("part_id"))
    found = [_doubt(part_id, current(rows), person) for part_id, rows in parts]
    return tuple(one for one in found if one is not None)


def _disagreement(part_id: UUID, bundle_id: str, said: str, views: list[Outcome]) -> Disagreement | None:
    """One view that is stopped stops the part."""
    stopping = [outcome for outcome in views if outcome is not Outcome.PASS]
    if bool(stopping) == (said != Outcome.PASS.value):
        return None
    return Disagreement(part_id, bundle_id, stopping[0] if stopping else Outcome.PASS)


def _doubt(part_id: UUID, labels: list[Any], person: str) -> Doubt | None:
    counts = Counter(row.label for row in labels)
    settled = max(counts.values()) * 2 > len(labels)
    if settled or person in {row.person for row in labels}:
        return None
    return Doubt(part_id, tuple(sorted(counts)))
