"""A line for a number between two ends."""

from __future__ import annotations

import math

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit


class NumberField(QLineEdit):
    """`changed` brings a number that a person entered; what is no number gives way to the one before."""

    changed = Signal(float)

    def __init__(self, words: str, ends: tuple[float, float], places: int, value: float = 0.0) -> None:
        super().__init__()
        self._ends, self._places, self._value = ends, places, value
        self.setAccessibleName(words)
        self.setFixedWidth(110)
        self.editingFinished.connect(self._entered)
        self._write(value)

    @property
    def value(self) -> float:
        return self._value

    def show_value(self, value: float) -> None:
        """Show a number; what is being typed stays as long as the number is still the same."""
        if value != self._value or not self.hasFocus():
            self._write(value)

    def _write(self, value: float) -> None:
        self._value = value
        self.setText(f"{value:.{self._places}f}")

    def _entered(self) -> None:
        before, low, high = self._value, *self._ends
        if self.text() == f"{before:.{self._places}f}":
            return
        try:
            value = float(self.text().strip().replace(",", "."))
        except ValueError:
            value = before
        self._write(min(max(value, low), high) if math.isfinite(value) else before)
        if self._value != before:
            self.changed.emit(self._value)
