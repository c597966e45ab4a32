"""The bars around the picture: drawing tools above it, contrast and gamma below it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSlider, QWidget

from gui.canvas import Canvas, Tool
from gui.picture import Tones
from gui.pieces import button, text, toggle
from gui.words import tr

TOOL_KEYS = {Tool.PAN: "V", Tool.BOX: "R", Tool.POLYGON: "P", Tool.BRUSH: "B", Tool.ERASER: "E"}
_STEPS = 100


class ToolBar(QWidget):
    """Which tool the mouse has, and undo of what it drew."""

    undo = Signal()
    redo = Signal()
    clear = Signal()

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas = canvas
        self._group = QButtonGroup(self)
        self.buttons: dict[Tool, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for tool, words in _tool_words().items():
            row.addWidget(self._tool_button(tool, words))
        row.addStretch()
        steps = ((tr("Undo"), "Ctrl+Z", self.undo), (tr("Redo"), "Ctrl+Y", self.redo), (tr("Clear"), "", self.clear))
        for words, key, signal in steps:
            row.addWidget(_button(words, key, signal.emit))
        self.choose(Tool.PAN)

    def choose(self, tool: Tool) -> None:
        self.buttons[tool].setChecked(True)
        self._canvas.set_tool(tool)

    def _tool_button(self, tool: Tool, words: str) -> QPushButton:
        made = toggle(words, lambda: self.choose(tool), key=TOOL_KEYS[tool])
        self._group.addButton(made)
        self.buttons[tool] = made
        return made


class ToneBar(QWidget):
    """How the picture is shown."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__()
        self._canvas = canvas
        self.contrast, self.gamma = _slider(tr("Contrast")), _slider(tr("Gamma"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for words, slider in ((tr("Contrast"), self.contrast), (tr("Gamma"), self.gamma)):
            row.addWidget(text(words, "quiet"))
            row.addWidget(slider)
            slider.valueChanged.connect(self._changed)
        row.addStretch()
        self.overlay = toggle(tr("Findings"), lambda: canvas.set_findings_shown(self.overlay.isChecked()), key="H")
        self.overlay.setChecked(True)
        self.heat = toggle(tr("Heat map"), lambda: canvas.set_heat_shown(self.heat.isChecked()), key="M")
        views = ((tr("Whole"), "F", canvas.fit), (tr("1:1"), "Z", canvas.actual_size))
        row.addWidget(self.overlay)
        row.addWidget(self.heat)
        for words, key, action in views:
            row.addWidget(_button(words, key, action))

    def reset(self) -> None:
        self.contrast.setValue(0)
        self.gamma.setValue(0)

    def _changed(self) -> None:
        """The middle leaves the picture as it is; the ends are a third and three times."""
        contrast, gamma = (3 ** (slider.value() / _STEPS) for slider in (self.contrast, self.gamma))
        self._canvas.set_tones(Tones(contrast, gamma))


def _tool_words() -> dict[Tool, str]:
    return {
        Tool.PAN: tr("Move"),
        Tool.BOX: tr("Box"),
        Tool.POLYGON: tr("Polygon"),
        Tool.BRUSH: tr("Brush"),
        Tool.ERASER: tr("Eraser"),
    }


def _button(words: str, key: str, action: Callable[[], object]) -> QPushButton:
    made = button(words, action, key=key if len(key) == 1 else "")
    made.setToolTip(f"{words} ({key})" if key else words)
    return made


def _slider(words: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(-_STEPS, _STEPS)
    slider.setAccessibleName(words)
    slider.setFixedWidth(76)
    return slider
