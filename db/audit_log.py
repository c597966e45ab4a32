"""The audit log: who changed what, when, why, from what to what. Each row carries the hash of the one before.

A change and its row are one transaction of the caller's: neither is there without the other. `db.audit_proof` signs and
examines the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select, text

from db.plant_tables import AUDIT_LOG
from db.records import storable, utc_now
from inspector.errors import DatabaseError
from inspector.ids import new_id

BEGINNING = "0" * 64
BEGUN = "log begun"
LONGEST_PERSON = 64
_WORDS = (AUDIT_LOG.c.action, AUDIT_LOG.c.subject, AUDIT_LOG.c.reason)
_LOCK = 0x6175646974
"""Number of the advisory lock that appends one at a time on PostgreSQL; an SQLite file has one writer anyway."""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did. `old` and `new` are JSON values; None where there is none."""

    person: str
    action: str
    """A few words to look for, such as "recipe revised"."""
    subject: str
    """What it was done to, such as "recipe flange-12"."""
    reason: str = ""
    old: Any = None
    new: Any = None
    at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the log as it is stored."""

    sequence: int
    at: datetime
    person: str
    action: str
    subject: str
    reason: str
    old: str | None
    new: str | None
    previous: str
    hash: str

    def digest(self) -> str:
        """What `hash` must be: SHA-256 of all other columns, as one JSON list."""
        moment = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        *columns, _ = astuple(self)
        columns[1] = moment
        return hashlib.sha256(canonical(columns).encode()).hexdigest()


def record_change(connection: Connection, change: Change) -> int:
    """Append a row in the transaction of the caller, and return its number.

    Raises:
        DatabaseError: nobody is named.
    """
    if not change.person.strip() or len(change.person) > LONGEST_PERSON:
        raise DatabaseError(f"person {change.person!r}: expected a name of 1 to {LONGEST_PERSON} characters")
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    last = _last(connection) or _append(connection, 0, BEGINNING, _begun(change))
    return _append(connection, last[0], last[1], change)[0]


def entries(connection: Connection, after: int = 0) -> Iterator[Entry]:
    """The rows behind number `after`, in their order."""
    query = select(AUDIT_LOG).where(AUDIT_LOG.c.sequence > after).order_by(AUDIT_LOG.c.sequence)
    for row in connection.execute(query):
        yield Entry(*row)


def changes_of(connection: Connection, subject: str) -> list[Entry]:
    """What was done to one subject, oldest first."""
    query = select(AUDIT_LOG).where(AUDIT_LOG.c.subject == subject).order_by(AUDIT_LOG.c.sequence)
    return [Entry(*row) for row in connection.execute(query)]


def latest_changes(connection: Connection, count: int) -> list[Entry]:
    """The newest `count` rows, newest first."""
    query = select(AUDIT_LOG).order_by(AUDIT_LOG.c.sequence.desc()).limit(count)
    return [Entry(*row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Sought:
    """Which rows; what is empty narrows nothing. `words` are looked for in action, subject and reason."""

    person: str = ""
    words: str = ""
    since: datetime | None = None


def search(connection: Connection, sought: Sought, count: int, before: int | None = None) -> list[Entry]:
    """The newest `count` such rows of those before number `before`, newest first."""
    log = AUDIT_LOG.c
    holds = [log.person == sought.person] if sought.person else []
    if sought.words:
        holds.append(or_(*(column.icontains(sought.words, autoescape=True) for column in _WORDS)))
    if sought.since is not None:
        holds.append(log.at >= sought.since)
    if before is not None:
        holds.append(log.sequence < before)
    query = select(AUDIT_LOG).where(*holds).order_by(log.sequence.desc()).limit(count)
    return [Entry(*row) for row in connection.execute(query)]


def canonical(value: Any) -> str:
    """JSON with one way to write each value; letters beyond ASCII, and NUL, as escapes that every database stores."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _last(connection: Connection) -> tuple[int, str] | None:
    query = select(AUDIT_LOG.c.sequence, AUDIT_LOG.c.hash).order_by(AUDIT_LOG.c.sequence.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else (row.sequence, row.hash)


def _begun(change: Change) -> Change:
    """The first row names the log, so that no row of another plant's log fits into it."""
    return Change(change.person, BEGUN, "audit log", new={"log": str(new_id())}, at=change.at)


def _append(connection: Connection, last: int, previous: str, change: Change) -> tuple[int, str]:
    entry = Entry(
        sequence=last + 1,
        at=change.at.astimezone(UTC),
        person=storable(change.person),
        action=storable(change.action),
        subject=storable(change.subject),
        reason=storable(change.reason),
        old=None if change.old is None else canonical(change.old),
        new=None if change.new is None else canonical(change.new),
        previous=previous,
        hash="",
    )
    row = dict(zip(AUDIT_LOG.c.keys(), astuple(entry), strict=True)) | {"hash": entry.digest()}
    connection.execute(insert(AUDIT_LOG), row)
    return entry.sequence, row["hash"]
