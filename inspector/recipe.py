"""How a product is inspected: a TOML file, every field bounded and described."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import Field, model_validator

from inspector.bundle import Precision
from inspector.documents import Document, read_toml
from inspector.drift import DriftSettings
from inspector.errors import RecipeError
from inspector.gate_settings import GateSettings
from inspector.preprocess import Roi
from inspector.quality import QualityLimits
from inspector.rules import Rule
from inspector.runtimes import RuntimeSettings
from inspector.verdict import Policy


class Recipe(Document):
    """A recipe; every field but the name has a default, and the bundle's own limits hold unless `policy` is set."""

    name: str = Field(default="default", min_length=1, max_length=64, description="name in records and reports")
    precision: Precision = Field(default="cpu-int8", description="which of the bundle's networks runs")
    roi: Roi | None = Field(default=None, description="region of interest; unset: the whole frame")
    template: Path | None = Field(
        default=None, description="golden template for networks that compare: a picture of the frame's size"
    )
    enrolment: Path | None = Field(
        default=None, description="enrolled variants, for embeddings; unset: those of the bundle's training set"
    )
    expected: str | None = Field(default=None, min_length=1, description="variant that every part must be")
    quality: QualityLimits = Field(default_factory=QualityLimits, description="limits on the picture")
    policy: Policy | None = Field(default=None, description="limits on the defect probability; unset: the bundle's")
    require_certificate: bool = Field(
        default=False, description="a station does not start unless a certificate holds for bundle and recipe"
    )
    mm_per_px: float | None = Field(
        default=None, gt=0, le=1000, description="scale of the frame; findings then have sizes in millimetres"
    )
    rules: tuple[Rule, ...] = Field(default=(), description="what findings may not be, beyond the defect probability")
    gate: GateSettings = Field(
        default_factory=GateSettings, description="what a retrained bundle must show before a person is asked"
    )
    drift: DriftSettings = Field(default_factory=DriftSettings, description="the watch over the line's parts")
    cameras: dict[str, dict[str, bool | int | float | str]] = Field(
        default_factory=dict,
        description="features that a camera must show, by the camera's name and the device's names of them; "
        "what differs is told when the camera is opened",
    )
    runtime: RuntimeSettings = Field(default_factory=RuntimeSettings, description="how the network runs on this box")

    @model_validator(mode="after")
    def _scaled(self) -> Recipe:
        if self.mm_per_px is None and (unmeasured := [rule.measure for rule in self.rules if rule.needs_scale]):
            raise ValueError(f"rules on {', '.join(unmeasured)} need mm_per_px, the scale of the frame")
        return self

    def revision(self) -> str:
        """Return the SHA-256 of the recipe's content, the same for the same settings however they are written."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; raise RecipeError naming the file and every wrong field."""
    return read_toml(path, Recipe, RecipeError)
