"""Is the audit log the one that was written? Signatures over stretches of it, and an examination that names the row.

A checkpoint lists the hash of every row of its stretch and is signed, so that a chain which was computed anew without
the key differs from it at the very row that was changed. Checkpoints form a chain of their own. What nobody can tell
from a database alone is that its newest rows were cut off together with their checkpoints: `heads`, the checkpoints as
they were kept outside, tell that. Rows behind the last checkpoint are guarded by the chain alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise

from db.audit_keys import PrivateKey, PublicKey
from db.audit_log import BEGINNING, Entry, canonical

ROWS_PER_CHECKPOINT = 1000
DIGITS = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed stretch of the log."""

    number: int
    first: int
    last: int
    hashes: str
    at: datetime
    key_id: str
    previous: str
    signature: str = ""

    def message(self) -> bytes:
        """What is signed: every other column."""
        columns = asdict(self) | {"at": self.at.astimezone(UTC).isoformat(timespec="microseconds")}
        del columns["signature"]
        return canonical(columns).encode()

    def row_hashes(self) -> dict[int, str]:
        """The hash of each row by its number."""
        found = [self.hashes[start : start + DIGITS] for start in range(0, len(self.hashes), DIGITS)]
        return dict(enumerate(found, start=self.first))


class Fault(StrEnum):
    """What is wrong with a row, or with a checkpoint."""

    ALTERED = "altered"
    MISSING = "missing"
    MOVED = "moved"
    """A row stands in the place of another: reordered, put in, or closed up over one that is gone."""
    UNSIGNED = "signature does not hold"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong."""

    fault: Fault
    where: str
    """"row 17" or "checkpoint 3"."""
    detail: str

    def text(self) -> str:
        """Return the finding as a sentence."""
        return f"{self.where} {'is ' if self.fault is not Fault.UNSIGNED else ''}{self.fault}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found. The log is as it was written when `finding` is None, as far as `signed_to`."""

    rows: int
    checkpoints: int
    signed_to: int
    """Number of the last row under a signature that was checked; 0 where none was, also for want of a key."""
    last_signed_at: datetime | None
    finding: Finding | None


def sign(entries: Sequence[Entry], before: Checkpoint | None, key: PrivateKey, at: datetime) -> list[Checkpoint]:
    """Sign the rows that come behind the checkpoint `before`."""
    made: list[Checkpoint] = []
    for start in range(0, len(entries), ROWS_PER_CHECKPOINT):
        stretch = entries[start : start + ROWS_PER_CHECKPOINT]
        unsigned = Checkpoint(
            number=before.number + 1 if before else 1,
            first=stretch[0].sequence,
            last=stretch[-1].sequence,
            hashes="".join(entry.hash for entry in stretch),
            at=at,
            key_id=key.key_id,
            previous=before.signature if before else "",
        )
        before = Checkpoint(**{**asdict(unsigned), "signature": key.sign(unsigned.message())})
        made.append(before)
    return made


def examine(
    entries: Iterable[Entry],
    checkpoints: Sequence[Checkpoint] = (),
    heads: Sequence[Checkpoint] = (),
    key: PublicKey | None = None,
) -> Examination:
    """Look for the first row that is not as it was written.

    `checkpoints` are those in the database, `heads` those kept outside; both count only as far as `key` proves them.
    Without a key the chain of hashes alone is looked at.
    """
    rows = list(entries)
    proved, broken = _proved(checkpoints, heads, key)
    signed = {number: digest for checkpoint in proved for number, digest in checkpoint.row_hashes().items()}
    finding = next(_row_findings(rows, signed), None) or broken
    last = max(proved, key=lambda checkpoint: checkpoint.last, default=None)
    return Examination(
        rows=len(rows),
        checkpoints=len(checkpoints),
        signed_to=last.last if last else 0,
        last_signed_at=last.at if last else None,
        finding=finding,
    )


def _proved(
    checkpoints: Sequence[Checkpoint], heads: Sequence[Checkpoint], key: PublicKey | None
) -> tuple[list[Checkpoint], Finding | None]:
    """The checkpoints whose signature holds, from inside and outside, and the first thing wrong with those inside."""
    if key is None:
        return [], next(_checkpoint_findings(checkpoints, ()), None)
    whole = [each for each in heads if key.holds(each.signature, each.message())]
    forged = next((each for each in heads if each not in whole), None)
    if forged is not None:
        return whole, Finding(Fault.UNSIGNED, f"head {forged.number} kept outside", f"not by key {key.key_id[:16]}")
    unsigned = next((each for each in checkpoints if not key.holds(each.signature, each.message())), None)
    inside = [each for each in checkpoints if each is not unsigned and key.holds(each.signature, each.message())]
    broken = next(_checkpoint_findings(checkpoints, whole), None)
    if unsigned is not None and (broken is None or broken.fault is not Fault.MISSING):
        rows = f"rows {unsigned.first} to {unsigned.last}"
        broken = Finding(Fault.UNSIGNED, f"checkpoint {unsigned.number}", f"{rows}, not by key {key.key_id[:16]}")
    return [*inside, *whole], broken  # what is kept outside counts where they differ


def _checkpoint_findings(checkpoints: Sequence[Checkpoint], heads: Sequence[Checkpoint]) -> Iterator[Finding]:
    there = {each.number: each for each in checkpoints}
    furthest = max((*there, *(head.number for head in heads)), default=0)
    for number in range(1, furthest + 1):
        if number not in there:
            yield Finding(Fault.MISSING, f"checkpoint {number}", f"there are checkpoints up to {furthest}")
    for before, after in pairwise(checkpoints):
        if after.previous != before.signature or after.first != before.last + 1:
            yield Finding(Fault.MOVED, f"checkpoint {after.number}", f"it does not follow checkpoint {before.number}")
    for head in heads:
        if head.number in there and there[head.number] != head:
            yield Finding(Fault.ALTERED, f"checkpoint {head.number}", "it differs from the one kept outside")


def _row_findings(rows: Sequence[Entry], signed: Mapping[int, str]) -> Iterator[Finding]:
    """What is wrong, in the order of the rows."""
    furthest = max((len(rows), *signed)) if signed else len(rows)
    expected, previous = 1, BEGINNING
    for entry in rows:
        if entry.sequence != expected:
            yield _gap(expected, entry)
            return
        if fault := _fault_of(entry, previous, signed, furthest):
            yield fault
            return
        expected, previous = expected + 1, entry.hash
    if signed and expected <= max(signed):
        yield Finding(Fault.MISSING, f"row {expected}", f"the log ends before it; rows up to {max(signed)} are signed")


def _gap(expected: int, entry: Entry) -> Finding:
    if entry.sequence < expected:
        return Finding(Fault.MOVED, f"row {entry.sequence}", "its number is there twice")
    return Finding(Fault.MISSING, f"row {expected}", f"row {entry.sequence} comes next")


def _fault_of(entry: Entry, previous: str, signed: Mapping[int, str], furthest: int) -> Finding | None:
    where = f"row {entry.sequence}"
    if entry.digest() != entry.hash:
        written_as = _number_of(entry, furthest)
        if written_as is not None:
            return Finding(Fault.MOVED, where, f"what stands there was written as row {written_as}")
        return Finding(Fault.ALTERED, where, "its content is not what its hash says")
    if signed.get(entry.sequence, entry.hash) != entry.hash:
        if entry.hash in signed.values():
            return Finding(Fault.MOVED, where, "another row was signed there")
        return Finding(Fault.ALTERED, where, "its hash was computed anew; another one was signed")
    if entry.previous != previous:
        return Finding(Fault.MOVED, where, f"it does not follow what stands as row {entry.sequence - 1}")
    return None


def _number_of(entry: Entry, furthest: int) -> int | None:
    """Under which number the row's hash would be right."""
    columns = asdict(entry)
    for number in range(1, furthest + 2):
        if Entry(**{**columns, "sequence": number}).digest() == entry.hash:
            return number
    return None
