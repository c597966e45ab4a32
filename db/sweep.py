"""Retention at work: `plan` says what would be dropped, `carry_out` drops it, killed at any moment or not.

the row gets its reason (durable) -> the file goes -> the row gets its time

A sweep that was killed in between left rows with a reason and no time: `settle` looks whether the file went. A part
that comes meanwhile with the very same picture puts the file again, which `Images.drop` sees, and clears the reason
with its row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select, union_all, update

from db.engine import storage_errors, writing
from db.images import Images, StoredImage
from db.records import Event, Severity, event_row
from db.retention import HOUR_S, Disk, Drop, Kept, Plan, RetentionPolicy, Worth, plan_sweep
from db.tables import EVENTS, FINDINGS, IMAGES, INSPECTIONS, LABEL_TASKS, LABELS, STATIONS
from inspector.draws import is_drawn

FRESH_S = 3600.0
"""A file put so shortly ago stays: the row of its part may still be on its way."""
RATE_HOURS = 24.0
"""How far back the present rate looks."""
_IMAGES_PER_STEP = 300
_LEAST_HOURS = 1.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    dropped: tuple[Drop, ...]
    spared: int
    """Put again, or worth more, since the plan was made; or not there, which is `inspector db check`'s business."""


def plan(engine: Engine, policy: RetentionPolicy, key: bytes | None, now: datetime, free_bytes: int | None) -> Plan:
    """What a sweep would drop now. `free_bytes` of the images' disk; None where there is no end to it."""
    with storage_errors(engine.url), engine.connect() as connection:
        disk = None if free_bytes is None else Disk(free_bytes, fill_bytes_per_s(connection, now))
        return plan_sweep(_kept(connection, policy, key), policy, now, disk)


def fill_bytes_per_s(connection: Connection, now: datetime) -> float:
    """At what rate images came in the last day, or since the first one."""
    since = now - timedelta(hours=RATE_HOURS)
    recent = IMAGES.c.stored_at > since
    size_bytes, first = connection.execute(
        select(func.sum(IMAGES.c.size_bytes), func.min(IMAGES.c.stored_at)).where(recent)
    ).one()
    if not size_bytes:
        return 0.0
    older = connection.execute(select(IMAGES.c.sha256).where(IMAGES.c.stored_at <= since).limit(1)).first()
    began = since if older is not None else first
    return float(size_bytes) / max((now - began).total_seconds(), _LEAST_HOURS * HOUR_S)


def settle(engine: Engine, images: Images, now: datetime) -> None:
    """Account for what a killed sweep left: a file that went is dropped, one that is there was never to go."""
    pending = IMAGES.c.drop_reason.is_not(None) & IMAGES.c.dropped_at.is_(None)
    with writing(engine) as connection:
        left = [_image(row) for row in connection.execute(select(IMAGES).where(pending))]
        gone = {image.sha256 for image in left if images.put_at_ns(image) is None}
        _finish(connection, gone, now)
        _clear(connection, {image.sha256 for image in left} - gone)


def carry_out(
    engine: Engine, images: Images, plan: Plan, policy: RetentionPolicy, key: bytes | None, now: datetime
) -> Swept:
    """Drop what is planned.

    Raises:
        StorageFault, DatabaseError: a file or the database cannot be written. The next sweep goes on from there.
    """
    dropped: list[Drop] = []
    for start in range(0, len(plan.drops), _IMAGES_PER_STEP):
        dropped += _drop(engine, images, plan.drops[start : start + _IMAGES_PER_STEP], policy, key, now)
    return Swept(tuple(dropped), len(plan.drops) - len(dropped))


def record_alarm(engine: Engine, kind: str, message: str) -> None:
    """Write an alarm to the events of each station that this database has parts of."""
    with writing(engine) as connection:
        for station in connection.execute(select(STATIONS.c.name)).scalars().all():
            connection.execute(EVENTS.insert(), event_row(Event(station, Severity.ALARM, kind, message)))


def _drop(
    engine: Engine, images: Images, drops: Sequence[Drop], policy: RetentionPolicy, key: bytes | None, now: datetime
) -> list[Drop]:
    put_at_ns = {drop.image.sha256: images.put_at_ns(drop.image) for drop in drops}
    old = [drop for drop in drops if _may_go(put_at_ns[drop.image.sha256])]
    with writing(engine) as connection:
        marked = _mark(connection, old, policy, key)
    gone = [drop for drop in marked if images.drop(drop.image, put_at_ns[drop.image.sha256] or 0)]
    hashes = {drop.image.sha256 for drop in gone}
    with writing(engine) as connection:
        _finish(connection, hashes, now)
        _clear(connection, {drop.image.sha256 for drop in marked} - hashes)
    return gone


def _may_go(put_at_ns: int | None) -> bool:
    """Not what was put just now; nor what is not there: in a wrong folder that is all of it."""
    return put_at_ns is not None and abs(time.time() - put_at_ns / 1e9) >= FRESH_S


def _mark(connection: Connection, drops: Sequence[Drop], policy: RetentionPolicy, key: bytes | None) -> list[Drop]:
    """Give the rows their reasons, but for images that are worth more than they were when the plan was made."""
    worth = _worths(connection, [drop.image.sha256 for drop in drops], policy, key)
    marked = [drop for drop in drops if worth[drop.image.sha256] <= drop.worth]
    for drop in marked:
        row = IMAGES.c.sha256 == drop.image.sha256
        connection.execute(update(IMAGES).where(row).values(drop_reason=drop.reason))
    return marked


def _finish(connection: Connection, sha256s: set[str], now: datetime) -> None:
    """Give the rows their time, but for those whose reason a further part has cleared."""
    if sha256s:
        mine = IMAGES.c.sha256.in_(sha256s) & IMAGES.c.drop_reason.is_not(None)
        connection.execute(update(IMAGES).where(mine).values(dropped_at=now))


def _clear(connection: Connection, sha256s: set[str]) -> None:
    if sha256s:
        mine = IMAGES.c.sha256.in_(sha256s) & IMAGES.c.dropped_at.is_(None)
        connection.execute(update(IMAGES).where(mine).values(drop_reason=None))


# ---- what images are worth


def _kept(connection: Connection, policy: RetentionPolicy, key: bytes | None) -> Iterator[Kept]:
    """Every image that is not dropped, in steps by hash: the whole table fits in no memory that a station has."""
    after = ""
    while True:
        there = (IMAGES.c.sha256 > after, IMAGES.c.dropped_at.is_(None))
        query = select(IMAGES).where(*there).order_by(IMAGES.c.sha256).limit(_IMAGES_PER_STEP)
        rows = connection.execute(query).all()
        if not rows:
            return
        worth = _worths(connection, [row.sha256 for row in rows], policy, key)
        yield from (Kept(_image(row), worth[row.sha256], row.stored_at) for row in rows)
        after = rows[-1].sha256


def _worths(
    connection: Connection, sha256s: Sequence[str], policy: RetentionPolicy, key: bytes | None
) -> dict[str, Worth]:
    """What each image is worth: as much as the worthiest part that points to it; a pass where none does."""
    worth = dict.fromkeys(sha256s, Worth.PASS)
    parts = _parts_of(connection, sha256s)
    audited = _audited(connection, [part_id for _, part_id, outcome in parts if outcome == "PASS"])
    for sha256, part_id, outcome in parts:
        of_part = Worth.AUDITED if part_id in audited else _worth(part_id, outcome, policy, key)
        worth[sha256] = max(worth[sha256], of_part)
    return worth


def _worth(part_id: Any, outcome: str | None, policy: RetentionPolicy, key: bytes | None) -> Worth:
    if outcome != "PASS":
        return Worth.REJECT
    share = policy.pass_share
    drawn = share == 1 or (share > 0 and key is not None and is_drawn(key, f"image {part_id}", share))
    return Worth.SAMPLE if drawn else Worth.PASS


def _parts_of(connection: Connection, sha256s: Sequence[str]) -> list[Any]:
    own = select(INSPECTIONS.c.image_sha256, INSPECTIONS.c.part_id, INSPECTIONS.c.outcome)
    views = select(FINDINGS.c.image_sha256, INSPECTIONS.c.part_id, INSPECTIONS.c.outcome).select_from(_VIEWS)
    query = union_all(
        own.where(INSPECTIONS.c.image_sha256.in_(sha256s)), views.where(FINDINGS.c.image_sha256.in_(sha256s))
    )
    return list(connection.execute(query))


def _audited(connection: Connection, part_ids: Sequence[Any]) -> set[Any]:
    """Those of the parts that have a label or a task."""
    found: set[Any] = set()
    for start in range(0, len(part_ids), _IMAGES_PER_STEP):
        some = part_ids[start : start + _IMAGES_PER_STEP]
        asked = [select(table.c.part_id).where(table.c.part_id.in_(some)) for table in (LABEL_TASKS, LABELS)]
        found |= {row[0] for row in connection.execute(union_all(*asked))}
    return found


def _image(row: Any) -> StoredImage:
    return StoredImage(row.sha256, row.path, row.size_bytes)


_VIEWS = FINDINGS.join(INSPECTIONS, INSPECTIONS.c.part_id == FINDINGS.c.part_id)
