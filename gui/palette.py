"""Colours, in a light and a dark theme. No outcome is told by colour alone: each has a shape and a word too.

The outcome colours are of the palette of Okabe and Ito (2008), told apart with any kind of colour blindness, darkened
or lightened until they stand 3:1 from the surfaces of their theme.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from inspector.values import Outcome


class Mark(StrEnum):
    """The shape of an outcome; the station's own screen has the same."""

    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    CROSS = "cross"


MARKS = {
    Outcome.PASS: Mark.CIRCLE,
    Outcome.REJECT: Mark.SQUARE,
    Outcome.REVIEW: Mark.TRIANGLE,
    Outcome.NOT_INSPECTED: Mark.CROSS,
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as #rrggbb."""

    name: str
    window: str
    surface: str
    raised: str
    line: str
    text: str
    quiet: str
    accent: str
    on_accent: str
    picture: str
    """Behind a picture: neutral in both themes, since colour beside a picture changes how it looks."""
    passed: str
    rejected: str
    review: str
    not_inspected: str

    def outcome(self, outcome: Outcome | None) -> str:
        if outcome is None:
            return self.quiet
        return {
            Outcome.PASS: self.passed,
            Outcome.REJECT: self.rejected,
            Outcome.REVIEW: self.review,
            Outcome.NOT_INSPECTED: self.not_inspected,
        }[outcome]


LIGHT = Theme(
    name="light",
    window="#eef0f3",
    surface="#ffffff",
    raised="#f6f7f9",
    line="#d5d9e0",
    text="#1a1e25",
    quiet="#5a6473",
    accent="#0b5fae",
    on_accent="#ffffff",
    picture="#d9dbde",
    passed="#00795a",
    rejected="#c44a00",
    review="#8f6400",
    not_inspected="#a0467a",
)
DARK = Theme(
    name="dark",
    window="#15181d",
    surface="#1d2128",
    raised="#262b34",
    line="#363d49",
    text="#e8ebf0",
    quiet="#9aa5b5",
    accent="#5aaef0",
    on_accent="#0c1118",
    picture="#0e1013",
    passed="#2fbf95",
    rejected="#f27a33",
    review="#eab13c",
    not_inspected="#de94bd",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours by WCAG 2.1, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
