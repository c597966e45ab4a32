"""Parts of known truth as further parts of the gate: the serving bundle's golden samples, and challenge parts.

No margin is spent on them. A challenge part ("red rabbit") that must be stopped and passes refuses the candidate; any
other may only be missed where the serving bundle misses it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, RootModel

from inspector.documents import Document, read_json
from inspector.errors import DatasetError, RuntimeFault
from inspector.inspection import Inspector
from inspector.preprocess import read_image
from inspector.values import Frame, Outcome, Verdict
from training.gate.evidence import KnownVerdict

INDEX = "challenge.json"


class ChallengePicture(Document):
    """A picture of a challenge part, as a station took it."""

    path: str = Field(min_length=1, description="within the folder")
    code: str
    expected: Outcome
    label: str | None = Field(default=None, description="defect class that it must be given; unset: any")


class ChallengeSet(RootModel[tuple[ChallengePicture, ...]]):
    """`challenge.json`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Both bundles, by the line's recipe."""

    candidate: Inspector
    serving: Inspector


def judge_known(pair: Pair, challenge: Path | None) -> tuple[KnownVerdict, ...]:
    """Have both judge the golden samples of the serving bundle, and the challenge parts of a folder."""
    same = pair.candidate.bundle.manifest.template == pair.serving.bundle.manifest.template
    golden = _golden(pair) if same else ()
    return (*golden, *(_challenges(pair, challenge) if challenge else ()))


def _golden(pair: Pair) -> Iterator[KnownVerdict]:
    """Good ones must not be rejected, others must not pass; review is for persons, and no mistake."""
    for sample in pair.serving.golden_samples():
        picture = pair.serving.bundle.path / "golden" / sample.file
        now, was = _of_golden(pair.candidate, picture), _of_golden(pair.serving, picture)
        wrong, expected = (
            (Outcome.PASS, Outcome.REJECT) if pair.serving.is_defect(sample.label) else (Outcome.REJECT, Outcome.PASS)
        )
        yield KnownVerdict(
            source="golden",
            part=sample.file,
            expected=expected,
            label=sample.label,
            candidate=now,
            candidate_met=now not in (wrong, Outcome.NOT_INSPECTED),
            serving=was,
            serving_met=was not in (wrong, Outcome.NOT_INSPECTED),
        )


def _of_golden(inspector: Inspector, picture: Path) -> Outcome:
    try:
        return inspector.outcome_of_golden(picture)[0]
    except RuntimeFault:
        return Outcome.NOT_INSPECTED


def _challenges(pair: Pair, folder: Path) -> Iterator[KnownVerdict]:
    for number, one in enumerate(read_json(folder / INDEX, ChallengeSet, DatasetError).root):
        frame = Frame(read_image(folder / one.path), "challenge", number, datetime.now(UTC), one.code)
        now, was = (inspector.inspect([frame]).verdict for inspector in (pair.candidate, pair.serving))
        yield KnownVerdict(
            source="challenge",
            part=one.code,
            expected=one.expected,
            label=one.label,
            candidate=now.outcome,
            candidate_met=_is_met(one, now),
            serving=was.outcome,
            serving_met=_is_met(one, was),
        )


def _is_met(part: ChallengePicture, verdict: Verdict) -> bool:
    """As `db.challenges.ChallengePart.is_met`, by which the line would be held."""
    return verdict.outcome is part.expected and part.label in (None, verdict.label)
