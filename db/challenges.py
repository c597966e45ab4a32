"""Parts of known truth ("red rabbits"): their register, what became of them, and when the line was held for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from db.audit_log import LONGEST_PERSON, Change, record_change
from db.records import inspection_from_rows, storable, utc_now
from db.tables import CHALLENGE_PARTS, IMAGES, INSPECTIONS, IS_PRODUCTION, LINE_HOLDS, OUTBOX, STATIONS
from inspector.errors import ChallengeRefused
from inspector.ids import new_id
from inspector.values import InspectionRecord, Outcome, Verdict

LONGEST_CODE = 128
NEWEST = 5
"""Pictures of one challenge part that a candidate is shown."""
EXPECTED = (Outcome.REJECT, Outcome.REVIEW, Outcome.PASS)


@dataclass(frozen=True, slots=True)
class ChallengePart:
    """A part whose truth is known, as a person registered it for one station."""

    station: str
    code: str
    """Its serial number, or its id in the plant's own numbering."""
    registered_by: str
    expected: Outcome = Outcome.REJECT
    label: str | None = None
    """The defect class that it must be given; None: any."""
    note: str = ""
    valid_from: datetime = field(default_factory=utc_now)
    valid_to: datetime | None = None
    registered_at: datetime = field(default_factory=utc_now)
    challenge_id: UUID = field(default_factory=new_id)

    def is_valid(self, now: datetime) -> bool:
        return self.valid_from <= now and (self.valid_to is None or now < self.valid_to)

    def is_met(self, verdict: Verdict) -> bool | None:
        """Whether the verdict is what it had to be; None where nobody judged the part."""
        if verdict.outcome is Outcome.NOT_INSPECTED:
            return None
        return verdict.outcome is self.expected and self.label in (None, verdict.label)

    def text(self) -> str:
        label = f" as {self.label}" if self.label else ""
        return f"challenge part {self.code}, to be {self.expected}{label}"


@dataclass(frozen=True, slots=True)
class SeenChallenge:
    """A picture that a station took of a challenge part, and what is expected of it."""

    part_id: UUID
    code: str
    expected: Outcome
    label: str | None
    sha256: str
    path: str
    """In the image store."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The line was held, or released: by itself where no `person` is named."""

    station: str
    held: bool
    reason: str
    recipe: str
    bundle_id: str
    person: str | None = None
    at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class Settled:
    """A challenge part was judged as it had to be, or a person released the line: when, and what served then."""

    at: datetime
    recipe: str
    bundle_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a station stands with its challenge parts."""

    settled: Settled | None
    held: str | None
    """Why its line is held; None where it is not."""


def register(connection: Connection, part: ChallengePart) -> None:
    """Add a part to the register, and who did so to the audit log; a further row of a code replaces the one before.

    Raises:
        ChallengeRefused: names every field that will not do.
    """
    if faults := list(_faults(part)):
        raise ChallengeRefused("; ".join(faults))
    before = next((known for known in registered(connection, part.station) if known.code == part.code), None)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(STATIONS).values(name=part.station).on_conflict_do_nothing())
    row = {name: getattr(part, name) for name in CHALLENGE_PARTS.c.keys()}  # noqa: SIM118 - columns, not a mapping
    row |= {"expected": part.expected.value, "note": storable(part.note)}
    connection.execute(insert(CHALLENGE_PARTS), row)
    subject = f"challenge part {part.code} of {part.station}"
    old = None if before is None else _words(before)
    record_change(
        connection, Change(part.registered_by, "challenge part registered", subject, part.note, old, _words(part))
    )


def registered(connection: Connection, station: str) -> list[ChallengePart]:
    """The newest row of each code of a station, in the order of the codes."""
    query = select(CHALLENGE_PARTS).where(CHALLENGE_PARTS.c.station == station)
    rows = connection.execute(query.order_by(CHALLENGE_PARTS.c.registered_at, CHALLENGE_PARTS.c.challenge_id))
    newest = {row["code"]: _part(row) for row in rows.mappings()}
    return [newest[code] for code in sorted(newest)]


def add_hold(connection: Connection, hold: Hold) -> None:
    connection.execute(insert(LINE_HOLDS), {name: getattr(hold, name) for name in _HOLD_COLUMNS})


def standing(connection: Connection, station: str) -> Standing:
    """How a station stands: read once, when its line starts."""
    newest = select(LINE_HOLDS).where(LINE_HOLDS.c.station == station).order_by(LINE_HOLDS.c.number.desc()).limit(1)
    last = connection.execute(newest).first()
    good = _last_good(connection, station)
    settled = [] if good is None else [Settled(good.triggered_at, good.recipe, good.bundle_id)]
    if last is not None and not last.held:
        settled.append(Settled(last.at, last.recipe, last.bundle_id))
    return Standing(
        settled=max(settled, key=lambda each: each.at, default=None),
        held=last.reason if last is not None and last.held else None,
    )


def since_last_good(connection: Connection, station: str) -> tuple[InspectionRecord | None, Iterator[InspectionRecord]]:
    """The last challenge part that was judged as it had to be, and every part of production since, in their order.

    The order is that of their openings, whatever the clock did; so it takes the station's own ledger.
    """
    good = _last_good(connection, station)
    after = OUTBOX.c.position > (0 if good is None else good.position)
    query = select(INSPECTIONS).select_from(_PARTS).where(INSPECTIONS.c.station == station, IS_PRODUCTION, after)
    rows = connection.execute(query.order_by(OUTBOX.c.position)).mappings()
    found = None if good is None else inspection_from_rows(good._mapping)
    return found, (inspection_from_rows(row) for row in rows)


def seen_challenges(connection: Connection, recipe: str, now: datetime) -> list[SeenChallenge]:
    """The newest pictures of the challenge parts that are valid now, at most `NEWEST` of each code, in their order.

    What is expected of one is what the newest row of its code says.
    """
    query = (
        select(INSPECTIONS.c.part_id, INSPECTIONS.c.station, CHALLENGE_PARTS.c.code, IMAGES.c.sha256, IMAGES.c.path)
        .join(CHALLENGE_PARTS, CHALLENGE_PARTS.c.challenge_id == INSPECTIONS.c.challenge_id)
        .join(IMAGES, IMAGES.c.sha256 == INSPECTIONS.c.image_sha256)
        .where(INSPECTIONS.c.recipe == recipe, INSPECTIONS.c.completed_at <= now, IMAGES.c.dropped_at.is_(None))
        .order_by(INSPECTIONS.c.completed_at.desc(), INSPECTIONS.c.part_id)
    )
    known: dict[str, dict[str, ChallengePart]] = {}
    found: dict[tuple[str, str], list[SeenChallenge]] = {}
    for part_id, station, code, sha256, path in connection.execute(query):
        if station not in known:
            known[station] = {one.code: one for one in registered(connection, station)}
        part, mine = known[station][code], found.setdefault((station, code), [])
        if part.is_valid(now) and len(mine) < NEWEST:
            mine.append(SeenChallenge(part_id, code, part.expected, part.label, sha256, path))
    return [one for key in sorted(found) for one in found[key]]


def _last_good(connection: Connection, station: str) -> Any:
    query = select(OUTBOX.c.position, INSPECTIONS).select_from(_PARTS)
    query = query.where(INSPECTIONS.c.station == station, ~IS_PRODUCTION, INSPECTIONS.c.challenge_met.is_(True))
    return connection.execute(query.order_by(OUTBOX.c.position.desc()).limit(1)).first()


def challenge_count(connection: Connection, run_id: UUID) -> int:
    """How many parts of a run were of known truth."""
    query = select(func.count()).select_from(INSPECTIONS).where(INSPECTIONS.c.run_id == run_id, ~IS_PRODUCTION)
    return connection.execute(query).scalar_one()


def _faults(part: ChallengePart) -> Iterator[str]:
    if not part.code.strip() or len(part.code) > LONGEST_CODE:
        yield f"code {part.code!r}: expected 1 to {LONGEST_CODE} characters"
    if part.expected not in EXPECTED:
        yield f"expected outcome {part.expected}: expected one of {', '.join(EXPECTED)}"
    if part.label is not None and part.expected is Outcome.PASS:
        yield f"label {part.label!r}: expected none for a part that is to pass"
    if not part.registered_by.strip() or len(part.registered_by) > LONGEST_PERSON:
        yield f"by {part.registered_by!r}: expected a name of 1 to {LONGEST_PERSON} characters"
    if part.valid_to is not None and part.valid_to < part.valid_from:
        yield f"valid to {part.valid_to.isoformat()}: expected a time behind {part.valid_from.isoformat()}"


def _part(row: Any) -> ChallengePart:
    return ChallengePart(**{**row, "expected": Outcome(row["expected"])})


def _words(part: ChallengePart) -> dict[str, str | None]:
    until = part.valid_to.isoformat() if part.valid_to else None
    return {"expected": part.expected.value, "label": part.label, "from": part.valid_from.isoformat(), "to": until}


_HOLD_COLUMNS = ("station", "at", "held", "reason", "person", "recipe", "bundle_id")
_PARTS = OUTBOX.join(INSPECTIONS, INSPECTIONS.c.part_id == OUTBOX.c.part_id)
