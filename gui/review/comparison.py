"""The part in hand beside a golden sample of its bundle, or blended with it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from PySide6.QtWidgets import QHBoxLayout, QWidget

from gui.canvas import Canvas
from gui.palette import Theme
from gui.picture import Pyramid, blended
from gui.pieces import button
from gui.words import tr
from gui.worker import Ask
from inspector.errors import InspectorError


class Mode(Enum):
    """How a golden sample is shown; the button goes from one to the next."""

    ALONE = 0
    BESIDE = 1
    BLENDED = 2


class Comparison(QWidget):
    """Holds the canvas of the part; `way` is the button, which its owner places."""

    def __init__(self, read: Callable[[str], Pyramid], ask: Ask, canvas: Canvas, theme: Theme) -> None:
        super().__init__()
        self._read, self._ask, self._canvas = read, ask, canvas
        self._bundle: str | None = None
        self._golden: tuple[str, Pyramid] | None = None
        self._picture: Pyramid | None = None
        self.mode = Mode.ALONE
        self.golden = Canvas(theme)
        self.golden.setAccessibleName(tr("Golden sample"))
        self.way = button(tr("Golden sample"), self._next, key="C")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(canvas, 1)
        row.addWidget(self.golden, 1)
        self.golden.setVisible(False)

    def show_part(self, bundle_id: str | None) -> None:
        self._bundle, self._picture = bundle_id, None

    def show_picture(self, picture: Pyramid) -> None:
        """The picture of the part is there."""
        self._picture = picture
        self._show()

    def set_theme(self, theme: Theme) -> None:
        self.golden.set_theme(theme)

    def _next(self) -> None:
        was, self.mode = self.mode, Mode((self.mode.value + 1) % len(Mode))
        if was is Mode.BLENDED and self._picture is not None:
            self._canvas.show_picture(self._picture, stay=True)
        self._show()

    def _show(self) -> None:
        self.golden.setVisible(self.mode is Mode.BESIDE)
        self.way.setToolTip(_mode_word(self.mode))
        if self.mode is Mode.ALONE or self._bundle is None:
            return
        if self._golden is not None and self._golden[0] == self._bundle:
            self._golden_read(*self._golden)
            return
        bundle = self._bundle
        self._ask("golden", lambda: self._read(bundle), lambda read: self._golden_read(bundle, read), self._missing)

    def _golden_read(self, bundle: str, golden: Pyramid) -> None:
        self._golden = (bundle, golden)
        picture = self._picture
        if bundle != self._bundle or picture is None:
            return
        if self.mode is Mode.BESIDE:
            self.golden.show_picture(golden)
        elif self.mode is Mode.BLENDED:
            self._ask("blend", lambda: blended(picture, golden), lambda both: self._mixed(picture, both), self._missing)

    def _mixed(self, picture: Pyramid, both: Pyramid) -> None:
        if picture is self._picture and self.mode is Mode.BLENDED:
            self._canvas.show_picture(both, stay=True)

    def _missing(self, error: InspectorError) -> None:
        """Beside, where there is room to say it."""
        self.mode = Mode.BESIDE
        self.golden.setVisible(True)
        self.golden.show_picture(None, tr("No golden sample to compare with: {error}", error=error))


def _mode_word(mode: Mode) -> str:
    return {
        Mode.ALONE: tr("Shown alone; next beside a golden sample"),
        Mode.BESIDE: tr("Beside a golden sample; next blended with it"),
        Mode.BLENDED: tr("Blended with a golden sample; next alone"),
    }[mode]
