"""Lists that are filled again and again: what is chosen stays chosen, and nothing moves while nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox, QListWidget, QListWidgetItem

Line = tuple[Any, str]
"""What a line is for, and what it says."""


def fill_list(made: QListWidget, lines: Sequence[Line], chosen: Any) -> None:
    """Show lines, and the one that is chosen. No signal tells of it: the caller knows."""
    with QSignalBlocker(made):
        if [made.item(row).data(Qt.ItemDataRole.UserRole) for row in range(made.count())] != [key for key, _ in lines]:
            made.clear()
            for key, words in lines:
                item = QListWidgetItem(words)
                item.setData(Qt.ItemDataRole.UserRole, key)
                made.addItem(item)
        for row, (key, words) in enumerate(lines):
            if made.item(row).text() != words:
                made.item(row).setText(words)
            if key == chosen and made.currentRow() != row:
                made.setCurrentRow(row)


def fill_choice(made: QComboBox, lines: Sequence[Line], chosen: Any) -> None:
    """Likewise; without `chosen` among the lines the first one is shown."""
    keys = [key for key, _ in lines]
    with QSignalBlocker(made):
        if [made.itemData(row) for row in range(made.count())] != keys:
            made.clear()
            for key, words in lines:
                made.addItem(words, key)
        if chosen in keys:
            made.setCurrentIndex(keys.index(chosen))
