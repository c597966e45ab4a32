"""The keys, for the person who presses F1."""

from __future__ import annotations

from html import escape

from gui.words import tr


def keys_text() -> str:
    """Return a table as rich text."""
    rows = (
        ("A, Enter", tr("accept what the machine said")),
        ("X", tr("overrule it: a defective part is good; of a good one choose the defect")),
        ("G, 0", tr("the part is good")),
        ("1 - 9", tr("the part has the defect of that number")),
        ("N", tr("write a note; Enter leaves it")),
        ("S", tr("skip the part")),
        ("U", tr("undo the last label: the part comes back, your next answer replaces it")),
        ("V  R  P  B  E", tr("move, box, polygon, brush, eraser")),
        ("[  ]", tr("smaller and larger brush")),
        ("Ctrl+Z, Ctrl+Y", tr("undo and redo drawing")),
        ("+  -  F  Z", tr("zoom, whole picture, actual size")),
        (tr("Arrows"), tr("move the picture")),
        ("C", tr("beside a golden sample, blended with it, alone")),
        ("H, M", tr("show or hide what the network found, and where it saw it")),
        ("Ctrl+1, Ctrl+2 ...", tr("go to a screen")),
        ("F5", tr("figures and what-if: read again; in a chart arrows choose a point, Enter opens its parts")),
        ("Ctrl+Enter", tr("stations: acknowledge the chosen event")),
        ("F6", tr("recipes: dry run; R draws the region of interest, L a known length")),
        ("Ctrl+L", tr("lock the window")),
    )
    cells = (f"<tr><td><b>{escape(key)}</b>&nbsp;&nbsp;&nbsp;</td><td>{escape(words)}</td></tr>" for key, words in rows)
    return f"<table cellspacing='6'>{''.join(cells)}</table>"
