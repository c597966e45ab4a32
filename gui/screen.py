"""What the window asks of a screen."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from db.sessions import Session
from gui.palette import Theme


class Screen(QWidget):
    """One place of the window. Called on the GUI thread."""

    def begin(self, session: Session) -> None:
        """Somebody signed in, or came back to a locked window."""

    def end(self) -> None:
        """Nobody is there any more."""

    def enter(self) -> None:
        """The screen comes to the front."""

    def leave(self) -> None:
        """Another screen comes to the front, or the window is locked: stop asking."""

    def set_theme(self, theme: Theme) -> None:
        """Repaint what the stylesheet does not reach."""
