"""How an outcome looks in the report: a word, a shape and a colour, so that none has to be told by colour alone.

Colours are of Okabe and Ito's set for colour-blind readers, darkened where text needs the contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.values import Outcome


@dataclass(frozen=True, slots=True)
class Look:
    """`shape` stands in text, `marker` and `hatch` in plots."""

    shape: str
    colour: str
    marker: str
    hatch: str


LOOKS = {
    Outcome.PASS: Look("●", "#0072b2", "o", ""),
    Outcome.REJECT: Look("■", "#d55e00", "s", "////"),
    Outcome.REVIEW: Look("▲", "#e0a000", "^", "...."),
    Outcome.NOT_INSPECTED: Look("✕", "#7d6b91", "x", "xxxx"),
}
INK = "#0a0b0c"
"""Stands for the page's text colour in a plot; see `station.demo.plots.svg_of`."""
RULE = "#0d0e0f"
"""Likewise for its thin lines."""
