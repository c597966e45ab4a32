"""Work cut in pieces of some tens of microseconds, for a thread that inspects parts in between."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Made = TypeVar("Made")
Pieces = Generator[None, None, Made]
"""Yields after each piece, and returns what the work makes."""


def next_piece(pieces: Pieces[Made]) -> Made | None:
    """Do the next piece; return what the work makes once it is done, before that None."""
    try:
        next(pieces)
    except StopIteration as done:
        made: Made = done.value
        return made
    return None


def all_pieces(pieces: Pieces[Made]) -> Made:
    """Do what is left of the work at once."""
    while (made := next_piece(pieces)) is None:
        continue
    return made
