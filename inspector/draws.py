"""Which parts a person looks at again: drawn at random, with a probability that is known and kept.

A draw is a keyed hash of the part's id (HMAC-SHA256, RFC 2104): nobody without the key can tell which parts will be
drawn, and whoever has it can draw again and see that none was left out. It remembers nothing, so a process that is
restarted draws as it would have drawn.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from pydantic import Field, model_validator

from inspector.documents import Document, read_bytes
from inspector.errors import ConfigError
from inspector.values import Outcome, Verdict

KEY_BYTES = 32
_WHOLE = 2**64


class AuditBand(Document):
    """Passed parts near the limit, of which another share is drawn."""

    above: float = Field(gt=0, lt=1, description="from this part of the pass limit on, as 0.5 for its upper half")
    share: float = Field(gt=0, le=1, description="share of these passes that is drawn")


class AuditSettings(Document):
    """How many of the passed parts are drawn for an audit by persons."""

    share: float = Field(
        gt=0, le=1, description="share of passes that is drawn; a part that cannot be drawn is unknown"
    )
    bands: tuple[AuditBand, ...] = Field(default=(), description="other shares for parts nearer to the pass limit")

    @model_validator(mode="after")
    def _rising(self) -> AuditSettings:
        if any(low.above >= high.above for low, high in pairwise(self.bands)):
            raise ValueError(f"bands must rise, got above = {', '.join(f'{band.above:g}' for band in self.bands)}")
        return self


@dataclass(frozen=True, slots=True)
class Stratum:
    """Passed parts with a defect probability in `score_from <= p < score_below`, each drawn with probability `share`.

    The last one has no upper end: whatever passes is in exactly one stratum.
    """

    name: str
    score_from: float
    score_below: float | None
    share: float

    def holds(self, probability: float) -> bool:
        return self.score_from <= probability and (self.score_below is None or probability < self.score_below)


@dataclass(frozen=True, slots=True)
class Draw:
    """A passed part was drawn for audit: with what probability, and as part of which stratum."""

    probability: float
    stratum: str


def strata_of(settings: AuditSettings, pass_below: float) -> tuple[Stratum, ...]:
    """Turn bands, given as parts of the pass limit, into strata of the defect probability."""
    shares = (settings.share, *(band.share for band in settings.bands))
    ends = (0.0, *(band.above for band in settings.bands), 1.0)
    strata = []
    for share, (low, high) in zip(shares, pairwise(ends), strict=True):
        below = None if high == 1.0 else high * pass_below
        strata.append(Stratum(f"{low:g} to {high:g} of the limit", low * pass_below, below, share))
    return tuple(strata)


def draw_pass(key: bytes, strata: Iterable[Stratum], part_id: UUID, verdict: Verdict) -> Draw | None:
    """Draw a part that passes, or not. The verdict stays as it is: an audit asks about the record, not the part's way.

    Parts that do not pass are never drawn; a person sees them anyhow.
    """
    if verdict.outcome is not Outcome.PASS or verdict.defect_probability is None:
        return None
    stratum = next(stratum for stratum in strata if stratum.holds(verdict.defect_probability))
    if not is_drawn(key, f"audit {part_id}", stratum.share):
        return None
    return Draw(stratum.share, stratum.name)


def draw_repeats(key: bytes, part_ids: Iterable[UUID], share: float) -> list[UUID]:
    """Draw labelled parts that are shown again, each with probability `share`, whatever was said of it.

    A drawn part is to be shown to every person of the study, so that the same parts tell of repeatability and of
    agreement. Another key is another draw.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share {share} of parts is shown again; expected more than 0 and at most 1")
    return [part_id for part_id in part_ids if is_drawn(key, f"repeat {part_id}", share)]


def in_drawn_order(key: bytes, part_ids: Sequence[UUID]) -> list[UUID]:
    """Shuffle, so that the place in a list tells nothing of when, why or what."""
    return sorted(part_ids, key=lambda part_id: _number(key, f"order {part_id}"))


def is_drawn(key: bytes, words: str, share: float) -> bool:
    """Is what `words` name drawn? True with probability `share` over the keys."""
    return _number(key, words) < share * _WHOLE


def read_key(path: Path) -> bytes:
    """The key in a file; raise ConfigError where there is none."""
    words = read_bytes(path, ConfigError).strip()
    try:
        key = bytes.fromhex(words.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{path}: key of the audit draws: expected {2 * KEY_BYTES} hexadecimal digits")
    return key


def fingerprint(key: bytes) -> str:
    """Return 16 digits that tell a key from others and do not tell the key."""
    return hashlib.sha256(b"fingerprint " + key).hexdigest()[:16]


def _number(key: bytes, words: str) -> int:
    """Return a number evenly spread over 0 .. 2^64 - 1."""
    if len(key) < KEY_BYTES:
        raise ValueError(f"a draw needs a key of {KEY_BYTES} bytes, got {len(key)}")
    return int.from_bytes(hmac.digest(key, words.encode(), "sha256")[:8], "big")
