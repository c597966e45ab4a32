"""The one seam to the line: act on a verdict."""

from __future__ import annotations

from typing import Protocol, Self
from uuid import UUID

from pydantic import Field

from inspector.documents import Document
from inspector.values import Outcome, Verdict


class OutputSettings(Document):
    """What every output's block may say; each kind adds its own fields."""

    kind: str = Field(default="log", description="output plug-in: log, or one installed as a plug-in")


class Output(Protocol):
    """Tells the line what to do with a part. The line loop calls `act`, once per part, and never waits for it long."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def act(self, part_id: UUID, trigger: int, verdict: Verdict) -> None:
        """Divert the part, or let it go: only PASS lets it go."""
        ...


def diverts(verdict: Verdict) -> bool:
    """Everything that is not PASS is diverted: the line fails safe."""
    return verdict.outcome is not Outcome.PASS
