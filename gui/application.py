"""The desktop from its start to its end."""

from __future__ import annotations

import logging
import os
import platform
import sys
from types import TracebackType

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from gui.database import Source
from gui.palette import THEMES, Theme
from gui.shell import Shell
from gui.words import Language, system_language, tr
from inspector.errors import UserError

Stations = tuple[tuple[str, str | None], ...]
"""Addresses of stations' ports, each with the token it asks for."""
logger = logging.getLogger(__name__)


class Desktop:
    """The window, and the one in another language that takes its place."""

    def __init__(self, application: QApplication, source: Source, theme: Theme, stations: Stations) -> None:
        self._source, self._stations = source, stations
        self._theme = theme
        self._language = Language(application)
        self.window: Shell | None = None

    def open(self, language: str) -> None:
        old = self.window
        self._language.speak(language)
        self.window = Shell(self._source, platform.node() or "desktop", language, self._theme, self._stations)
        # Later, since the signal comes from a widget of the window that goes.
        self.window.language_chosen.connect(self._reopen, Qt.ConnectionType.QueuedConnection)
        if old is not None:
            self.window.setGeometry(old.geometry())
        self.window.show()
        if old is not None:
            old.close()
            old.deleteLater()

    def _reopen(self, language: str) -> None:
        if self.window is not None:
            self._theme = self.window.theme
        self.open(language)

    def hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """What nobody foresaw is logged and told; the window goes on."""
        logger.error("unforeseen fault", exc_info=(kind, error, trace))
        if self.window is not None:
            self.window.statusBar().showMessage(tr("Unforeseen fault, see the log: {error}", error=error), 30_000)


def require_display() -> None:
    """Raise UserError where there is nothing to show a window on."""
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"} & set(os.environ):
        raise UserError("gui: no display here (DISPLAY and WAYLAND_DISPLAY are not set); run it on a desktop")


def run_desktop(source: Source, language: str | None, theme: str, stations: Stations) -> int:
    """Open the window and return when it is closed."""
    require_display()
    application = QApplication(["inspector"])
    application.setApplicationName("Open Inspector")
    desktop = Desktop(application, source, THEMES[theme], stations)
    sys.excepthook = desktop.hook
    desktop.open(language or system_language())
    return application.exec()
