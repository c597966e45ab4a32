"""What the drift watch says, in words that a person can act on: cause and consequence of each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from inspector.documents import Document
from inspector.drift_charts import Change, NoNumber, RuleBroken, Unfit
from inspector.values import Outcome


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure is called, how it is written, and what its changes hint at."""

    name: str
    form: str
    rise: str
    fall: str
    may_be_constant: bool = True
    """A network's figure is never the same for all parts unless something is stuck."""


FIGURES: Mapping[str, Figure] = {
    "score": Figure(
        "log odds of a defect",
        "{:.2f}",
        "parts look more defective than they did",
        "parts look less defective than they did",
        may_be_constant=False,
    ),
    "novelty": Figure(
        "novelty",
        "{:.3f}",
        "new material, texture or kind of part",
        "another mixture of parts, more like the training set",
        may_be_constant=False,
    ),
    "focus": Figure("focus", "{:.1f}", "sharper pictures, noise or another texture", "defocus, vibration or dirt"),
    "brightness": Figure("brightness", "{:.1f}", "lamp, exposure or ambient light", "lamp fade, dirt or exposure"),
    "dark_share": Figure("dark share", "{:.4f}", "shadow, lamp fade or missing part", "more light"),
    "saturated_share": Figure("saturated share", "{:.4f}", "glare or exposure", "lamp fade or exposure"),
    "redness": Figure("red share", "{:.4f}", "lamp, white balance or material", "lamp, white balance or material"),
    "blueness": Figure("blue share", "{:.4f}", "lamp, white balance or material", "lamp, white balance or material"),
    "grain_x": Figure("grain along x", "{:.3f}", "new material or texture, lines along x", "smoother, or worn tool"),
    "grain_y": Figure("grain along y", "{:.3f}", "new material or texture, lines along y", "smoother, or worn tool"),
    "grain_aslant": Figure(
        "grain aslant", "{:.3f}", "texture turned, or new material", "texture turned, or new material"
    ),
    "shift_x_px": Figure("position along x", "{:.1f} px", "picture lies further right", "picture lies further left"),
    "shift_y_px": Figure("position along y", "{:.1f} px", "picture lies lower", "picture lies higher"),
}
RATES: Mapping[str, Outcome] = {"review rate": Outcome.REVIEW, "reject rate": Outcome.REJECT}
_VOID = "the certificate no longer holds"
_POLICIES = {True: "what would pass goes to review (safe mode)", False: "limits stay as they are (no safe mode)"}


class Alarm(Document):
    """Something that the watch says, once. An ALARM voids the certificate; a WARNING asks for a look."""

    severity: Literal["ALARM", "WARNING"] = Field(description="what it weighs")
    figure: str = Field(description="name of the figure or rate")
    cause: str = Field(description="e.g. `lamp fade, dirt or exposure: brightness fell from 131.2 to 124.0 over ...`")
    consequence: str = Field(description="what it means for the certificate and the policy")
    part: int = Field(ge=0, description="parts that the watch had seen")
    since_part: int = Field(ge=0, description="where the change began, as far as the evidence tells")

    @property
    def text(self) -> str:
        return f"{self.cause}; {self.consequence}"


def figure_alarm(name: str, told: Change | Unfit | NoNumber, part: int, safe_mode: bool) -> Alarm:
    """Return what is said of a figure."""
    figure = FIGURES[name]
    if isinstance(told, Unfit):
        return warning(name, f"{figure.name} is not watched: {told.why}", "it learns again", part)
    if isinstance(told, NoNumber):
        cause = f"camera or network fault: {figure.name} is {told.value}, expected a finite number"
        return alarm(name, cause, part, part - 1, safe_mode)
    hint, verb = (figure.rise, "rose") if told.rose else (figure.fall, "fell")
    levels = f"from {figure.form.format(told.before)} to {figure.form.format(told.now)}"
    cause = f"{hint}: {figure.name} {verb} {levels} over about {part - told.since_part} parts"
    return alarm(name, cause, part, told.since_part, safe_mode)


def rate_alarm(name: str, told: Change | RuleBroken, part: int, safe_mode: bool) -> Alarm:
    """Return what is said of the review or reject rate."""
    levels = f"{100 * told.before:.2f} % to {100 * told.now:.2f} %"
    if isinstance(told, RuleBroken):
        return warning(name, f"{name} from {levels}: {told.rule}", "watch the next parts", part)
    verb, parts = "rose" if told.rose else "fell", part - told.since_part
    return alarm(name, f"{name} {verb} from {levels} within {parts} parts", part, told.since_part, safe_mode)


def alarm(name: str, cause: str, part: int, since: int, safe_mode: bool) -> Alarm:
    consequence = f"{_VOID}; {_POLICIES[safe_mode]}"
    return Alarm(severity="ALARM", figure=name, cause=cause, consequence=consequence, part=part, since_part=since)


def warning(name: str, cause: str, consequence: str, part: int) -> Alarm:
    return Alarm(severity="WARNING", figure=name, cause=cause, consequence=consequence, part=part, since_part=part)
