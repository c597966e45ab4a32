"""The `[challenge]` table of a station's configuration."""

from __future__ import annotations

from datetime import time

from pydantic import Field

from inspector.documents import Document


class ChallengeSettings(Document):
    """When a part of known truth must be shown. One is also due where none was ever judged as it had to be."""

    shifts: tuple[time, ...] = Field(
        default=(), max_length=24, description="local times of day at which shifts start; each wants a challenge"
    )
    every_h: float | None = Field(default=None, gt=0, le=1000, description="hours after which the next one is due")
    at_change_over: bool = Field(default=True, description="due when another recipe serves than at the last one")
    at_model_change: bool = Field(default=True, description="due when another bundle serves than at the last one")
    grace_min: float = Field(
        default=10, ge=0, le=1440, description="minutes that one may be due before the line is held"
    )
